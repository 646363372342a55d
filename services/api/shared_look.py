"""Answers questions of many clients about jobs with one statement: those who ask at the same time share it.

Asking on the event loop, over the watcher's connection, costs a third of a thread and a connection per request (`make
bench ARGS="--only reading"`).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy.engine import Connection

from services.api.watch import Watcher
from shared.database.unavailable import is_unavailable

Asked = TypeVar("Asked")
Found = TypeVar("Found")


def each_alone(error: BaseException) -> bool:
    """True if a shared statement has lost its connection: each caller may do better on a connection of its own."""
    return isinstance(error, TimeoutError) or is_unavailable(error)


class SharedLook(Generic[Asked, Found]):
    """Looks for many clients at once. Each answer was read after its question was asked. For one event loop."""

    def __init__(
        self, watcher: Watcher, look: Callable[[Connection, Sequence[Asked]], Sequence[Found]], *, most: int
    ) -> None:
        """`look` answers up to `most` questions with one statement, in their order."""
        self._watcher = watcher
        self._look_for = look
        self._most = most
        self._waiting: deque[tuple[Asked, asyncio.Future[Found]]] = deque()
        self._looking: asyncio.Task[None] | None = None

    async def of(self, asked: Asked) -> Found:
        """Return the current answer. Raises TimeoutError and the database's errors."""
        seen: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, seen))
        if self._looking is None:
            self._looking = asyncio.create_task(self._run())
        return await seen

    async def _run(self) -> None:
        answered = 0
        try:
            while self._waiting:
                # Take half of the clients in play, as the submitter does (services/api/actions/submitter.py).
                share = min(self._most, len(self._waiting), (len(self._waiting) + answered + 1) // 2)
                batch = [self._waiting.popleft() for _ in range(share)]
                await self._look(batch)
                answered = share
        finally:
            self._looking = None

    async def _look(self, batch: list[tuple[Asked, "asyncio.Future[Found]"]]) -> None:
        try:
            found = await self._watcher.ask(self._look_for, [asked for asked, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            if each_alone(error):  # the next look would fail in the same way, one time limit later
                batch += self._waiting
                self._waiting.clear()
            elif len(batch) > 1:
                for one in batch:  # so that a row that cannot be read harms only the client that asked for it
                    await self._look([one])
                return
            for _, seen in batch:
                if not seen.done():
                    seen.set_exception(error)
            return
        for (_, seen), answer in zip(batch, found, strict=True):
            if not seen.done():
                seen.set_result(answer)
