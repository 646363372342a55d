"""Tells clients that a job is as they know it: those who ask at the same time share one statement.

Asking on the event loop, on the watcher's connection, costs a third of a thread and a connection for each request
(`make bench ARGS="--only reading"`).
"""

import asyncio
from collections import deque
from uuid import UUID

from services.api.watch import Watcher
from shared.jobs.glance import Glance, glance
from shared.jobs.viewer import Viewer

_MOST = 128
"""Jobs in one statement."""
_Waiting = tuple[UUID, Viewer, "asyncio.Future[Glance | None]"]


class Glances:
    """Looks at jobs for many clients at once. For one event loop."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._waiting: deque[_Waiting] = deque()
        self._looking: asyncio.Task[None] | None = None

    async def of(self, job_id: UUID, viewer: Viewer) -> Glance | None:
        """The job as it is now; None if the viewer sees none. Raises TimeoutError and the database's errors."""
        seen: asyncio.Future[Glance | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((job_id, viewer, seen))
        if self._looking is None:
            self._looking = asyncio.create_task(self._run())
        return await seen

    async def _run(self) -> None:
        answered = 0
        try:
            while self._waiting:
                # Half of all that are here, as the submitter does (services/api/actions/submitter.py).
                share = min(_MOST, len(self._waiting), (len(self._waiting) + answered + 1) // 2)
                batch = [self._waiting.popleft() for _ in range(share)]
                await self._look(batch)
                answered = share
        finally:
            self._looking = None

    async def _look(self, batch: list[_Waiting]) -> None:
        try:
            found = await self._watcher.ask(glance, [(job_id, viewer) for job_id, viewer, _ in batch])
        except Exception as error:  # noqa: BLE001 - it belongs to those who asked
            for *_, seen in batch:
                if not seen.done():
                    seen.set_exception(error)
            return
        for (*_, seen), one in zip(batch, found, strict=True):
            if not seen.done():
                seen.set_result(one)
