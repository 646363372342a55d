"""When keys were last used, written in the background and rarely."""

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from anyio import to_thread

log = logging.getLogger(__name__)

_SELDOM_S = 60.0
"""One process writes a key at most once in this time; the statement enforces it across all processes."""
_GATHER_S = 1.0
"""Keys that are used within this time are written with one statement."""
_REMEMBERED = 10_000


class LastUsed:
    """Gathers the ids of used keys and has them written. No request waits for this, or fails because of it."""

    def __init__(self, write: Callable[[Collection[str]], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._written: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    def note(self, key_id: str) -> None:
        """Note that the key was used now. For the event loop's thread."""
        now = self._clock()
        if self._written.get(key_id, -_SELDOM_S) + _SELDOM_S > now:
            return
        if len(self._written) >= _REMEMBERED:
            self._written.clear()
        self._written[key_id] = now
        self._waiting.add(key_id)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._later())

    async def close(self) -> None:
        """Write what waits."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._now()

    async def _later(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER_S)
            await self._now()

    async def _now(self) -> None:
        ids, self._waiting = self._waiting, set()
        if not ids:
            return
        try:
            await to_thread.run_sync(self._write, ids)
        except Exception as error:  # noqa: BLE001 - the next use writes it
            log.info("api_keys.use_not_written", extra={"keys": len(ids), "reason": type(error).__name__})
