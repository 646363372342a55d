"""One look for all who wait: a client that waits for a job occupies neither a thread nor a database connection.

One task per process asks, on one connection, about every job that somebody waits for. It looks at all of them every 20
ms while few jobs are watched, every n/10,000 s while n are, and every second from 10,000 on. So the cost per second is
bounded, and nothing is asked while nobody waits. Many jobs are asked about in pieces, spread over that time: one long
statement would hold up the requests that meet it (`make bench ARGS="--only waiters"`).
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.backoff import full_jitter
from shared.database.unavailable import is_unavailable
from shared.errors import TodokeError
from shared.jobs import watch

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_WAITERS = 10_000
"""How many may wait at the same time in one process. With more, their look would take longer than a second."""
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0
_PIECE = 200
"""Jobs that one statement asks about: looking them up takes less time than a request does."""
_LOOK_TIMEOUT_S = 10
"""A statement that takes longer is assumed to have lost its connection."""
_FRESH_S = 2.0
"""A look at all jobs that began within this time shows their current state; an older one does not."""
_LINGER_S = 5.0
"""Seconds for which the connection is kept when nobody waits any more: the next client often follows soon."""
_BACKOFF_CAP_S = 5.0


def pause_s(watched: int) -> float:
    """Return the seconds between two looks at this many jobs."""
    return min(_LONGEST_PAUSE_S, max(_SHORTEST_PAUSE_S, watched / MOST_WAITERS))


@dataclass(slots=True, eq=False)
class _Waiter:
    version: int
    until_end: bool
    woken: asyncio.Future[None]

    def wake(self) -> None:
        """End the wait, unless it has ended."""
        if not self.woken.done():
            self.woken.set_result(None)


class Watcher:
    """Wakes those who wait for a job when it changes. For one event loop."""

    def __init__(self, engine: AsyncEngine, *, most: int = MOST_WAITERS) -> None:
        """`engine` belongs to the watcher: `close` disposes of it."""
        self._engine = engine
        self._most = most
        self._places = 0
        self._released = False
        self._versions: dict[str, int] = {}
        """Watched job → the newest version that any waiter has seen."""
        self._waiters: dict[str, set[_Waiter]] = {}
        self._came = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")
        self._conn: AsyncConnection | None = None
        self._asking = asyncio.Lock()

    @contextlib.contextmanager
    def place(self) -> Iterator[bool]:
        """Hold a place among those who wait, within the block. Yields False if all are taken, or waiting is over."""
        free = self._places < self._most and not self._released
        self._places += free
        try:
            yield free
        finally:
            self._places -= free

    async def changed(self, job_id: UUID, version: int, *, until_end: bool, within_s: float) -> bool:
        """Wait until the job has another version than `version`; with `until_end`, until it has ended.

        True tells the caller to read the job again: it has changed, or a look failed. False comes after `within_s`
        seconds without a change. The caller must have read the job before, for its tenant. A cancelled wait is
        forgotten.
        """
        if self._released:
            return False
        key, loop = str(job_id), asyncio.get_running_loop()
        began = loop.time()
        if self._versions.get(key, version) > version:
            return True
        waiter = self._add(key, _Waiter(version, until_end, loop.create_future()))
        try:
            async with asyncio.timeout(within_s):
                await waiter.woken
        except TimeoutError:
            unsure = self._looked_at < max(began, loop.time() - _FRESH_S)
            return unsure or self._versions[key] != version
        else:
            return True
        finally:
            self._forget(key, waiter)

    @property
    def released(self) -> bool:
        """True once waiting is over."""
        return self._released

    async def ask(self, work: Callable[..., T], *given: Any) -> T:
        """Return `work(connection, *given)`, run on the shared connection between two looks. It should be quick.

        Raises TimeoutError and the database's errors; the connection is closed then.
        """
        async with self._asking:
            try:
                async with asyncio.timeout(_LOOK_TIMEOUT_S):
                    if self._conn is None:
                        self._conn = await self._engine.connect()
                    return await self._conn.run_sync(work, *given)
            except BaseException:
                await self._drop()
                raise

    def release(self) -> None:
        """Wake everyone, and let nobody wait from now on: the process is about to end."""
        self._released = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake()

    async def close(self) -> None:
        """Stop looking and close the connection."""
        if (looking := self._looking) is not None:
            looking.cancel()
            await asyncio.wait([looking])
        await self._let_go()

    def _add(self, key: str, waiter: _Waiter) -> _Waiter:
        if self._versions.get(key) != waiter.version:  # otherwise every waiter has seen this version already
            self._advance(watch.Change(key, waiter.version, ended=False))
        self._versions[key] = waiter.version
        self._waiters.setdefault(key, set()).add(waiter)
        self._came.set()
        if self._looking is None:
            self._looking = asyncio.create_task(self._run())
        return waiter

    def _forget(self, key: str, waiter: _Waiter) -> None:
        others = self._waiters[key]
        others.remove(waiter)
        if not others:
            del self._waiters[key], self._versions[key]

    def _advance(self, change: watch.Change) -> None:
        """Wake those who wait for this change, unless a newer version has been seen since the look."""
        seen = self._versions.get(change.job_id)
        if seen is None or (change.version is not None and change.version < seen):
            return
        if change.version is not None:
            self._versions[change.job_id] = change.version
        for waiter in self._waiters[change.job_id]:
            if change.ended or (not waiter.until_end and waiter.version != change.version):
                waiter.wake()

    async def _run(self) -> None:
        """Repeat the look until nobody has waited for a while."""
        failures = 0
        try:
            while self._versions or await self._somebody_comes():
                await asyncio.sleep(self._pause_s() + _back_off_s(failures))
                if not self._versions:
                    continue
                try:
                    await self._look()
                except Exception as error:  # noqa: BLE001 - who waits gets an answer anyway, and the next look may work
                    failures += 1
                    if failures == 1:
                        _report(error)
                else:
                    failures = 0
        finally:
            # Nothing is awaited before this, so anyone who comes later starts a task of their own.
            self._looking = None
            await self._let_go()

    async def _somebody_comes(self) -> bool:
        self._came.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_S):
                await self._came.wait()
        return bool(self._versions)

    def _pause_s(self) -> float:
        """Return the seconds between two pieces."""
        return pause_s(len(self._versions)) / max(1, math.ceil(len(self._versions) / _PIECE))

    async def _look(self) -> None:
        """Look at everything that is being watched, piece by piece."""
        began, watched = asyncio.get_running_loop().time(), list(self._versions)
        for start in range(0, len(watched), _PIECE):
            if start:
                await asyncio.sleep(self._pause_s())
            piece = {key: self._versions[key] for key in watched[start : start + _PIECE] if key in self._versions}
            for change in await self.ask(watch.changed, piece):
                self._advance(change)
        self._looked_at = began

    async def _let_go(self) -> None:
        async with self._asking:
            await self._drop()

    async def _drop(self) -> None:
        conn, self._conn = self._conn, None
        with contextlib.suppress(Exception):  # it may be broken, which is why it is closed
            if conn is not None:
                await conn.close()
            await self._engine.dispose()


def _back_off_s(failures: int) -> float:
    return full_jitter(failures, base_s=0.1, cap_s=_BACKOFF_CAP_S) if failures else 0


def _report(error: Exception) -> None:
    """Log the first of consecutive failures."""
    if isinstance(error, (TodokeError, TimeoutError)) or is_unavailable(error):
        cause = str(getattr(error, "orig", None) or error or "no answer").strip().splitlines()[:1]
        log.warning("watch.failed", extra={"reason": cause})
    else:
        log.error("watch.broken", exc_info=error)
