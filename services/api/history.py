"""When a client should look again, derived from how long jobs of the same kind took recently.

It is needed for every answer, so it never waits for a query.
"""

import asyncio
import logging
import math
import time
from datetime import UTC, datetime
from typing import NamedTuple

from services.api.watch import Watcher
from shared.database.unavailable import is_unavailable
from shared.jobs import rollups
from shared.jobs.rollups import Kind

log = logging.getLogger(__name__)

SOONEST_S, LATEST_S = 1, 30
_FRESH_S = 60.0
"""How long a figure is used before it is read again."""
_CLOSE_S = 2.0
_MOST_KINDS = 10_000
_BATCH = 200


class _Known(NamedTuple):
    typical_s: float | None
    """None while nothing is known."""
    until: float


class History:
    """Caches how long jobs of each tenant and report type take. For one event loop."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._known: dict[Kind, _Known] = {}
        self._wanted: set[Kind] = set()
        self._reading: asyncio.Task[None] | None = None

    def retry_after_s(self, tenant: str, report_type: str, *, due_at: datetime | None = None) -> int:
        """Return the whole seconds until a look at an unfinished job makes sense that can start at `due_at`, or now.

        By then the faster half of its kind has ended. 1 until something is known about its kind.
        """
        typical_s = self.typical_s(tenant, report_type)
        elapsed_s = (datetime.now(UTC) - due_at).total_seconds() if due_at else 0.0
        if typical_s is None and elapsed_s >= 0:
            return SOONEST_S
        return math.ceil(min(LATEST_S, max(SOONEST_S, (typical_s or 0) - elapsed_s)))

    def typical_s(self, tenant: str, report_type: str) -> float | None:
        """Return the median of how long jobs of the kind took recently; None while nothing is known. Never waits."""
        kind = Kind(tenant, report_type)
        known = self._known.get(kind)
        if known is None or known.until < time.monotonic():
            self._want(kind, known)
        return known.typical_s if known else None

    async def close(self) -> None:
        """Stop reading."""
        # Wait for the read in progress: a connection that is cancelled while it opens stays open until it is
        # garbage collected, and its server process as well.
        self._wanted.clear()
        if (reading := self._reading) is not None:
            await asyncio.wait([reading], timeout=_CLOSE_S)
            reading.cancel()
            await asyncio.wait([reading])

    def _want(self, kind: Kind, known: _Known | None) -> None:
        if len(self._known) >= _MOST_KINDS:
            self._known.clear()
        # It is not read again while a read is in progress, nor right after a failure.
        self._known[kind] = _Known(known.typical_s if known else None, time.monotonic() + _FRESH_S)
        self._wanted.add(kind)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while self._wanted:
                batch = [self._wanted.pop() for _ in range(min(_BATCH, len(self._wanted)))]
                found = await self._watcher.ask(rollups.recent, batch)
                until = time.monotonic() + _FRESH_S
                for kind in batch:
                    self._known[kind] = _Known(rollups.quantile(found.get(kind, ()), 0.5), until)
        except Exception as error:
            self._wanted.clear()
            if not (isinstance(error, TimeoutError) or is_unavailable(error)):
                log.exception("history.broken")
        finally:
            self._reading = None
