"""Removes records of the past that have served their purpose.

These are workers that have long been silent, per-minute history, bulk actions with their results, links that ended long
ago, events of webhooks, leftovers of webhooks that were disabled or deleted, and request rates of tenants that no
longer send requests.
"""

import time
from collections.abc import Callable

from sqlalchemy.engine import Engine

from services.relay import metrics
from shared.access import rates, shares
from shared.jobs import bulk_results, rollups, workers
from shared.jobs.filters import id_at
from shared.schedules import history
from shared.webhooks import delivering, ending

EVERY_S = 300.0
"""Pause between two passes: there is little to remove, and nobody waits for it."""
_KEEP_WORKERS_S = 86_400.0
"""Long enough for an operator who comes in the morning to see which workers died at night."""
KEEP_BULK_S = 30 * 86_400.0
"""As long as files are kept: somebody may ask what became of a job."""
_RESULTS, _PIECES = 1_000, 20
"""Rows per statement, and statements per pass: enough for ten bulk actions of a million jobs per day."""
_KEEP_TICKS_S = 400 * 86_400.0
"""How long the history of a schedule's ticks is kept: a year, and one more month in which somebody asks about it."""
_KEEP_EVENTS_S = 30 * 86_400.0
"""How long the events of webhooks are kept, with each attempt: as long as files."""
_FOLD = 2_000
"""How many minutes of history one statement folds into hours."""


class Tidying:
    """Removes old records. Any number of relays may do so at the same time."""

    def __init__(self, engine: Engine, *, keep_bulk_s: float = KEEP_BULK_S) -> None:
        self._engine = engine
        self._keep_bulk_s = keep_bulk_s

    def run_once(self) -> int:
        """Remove records that are old enough. Returns 0, so that the loop keeps its pace."""
        with self._engine.connect() as conn:
            gone = workers.forget(conn, keep_s=_KEEP_WORKERS_S)
            while rollups.fold(conn, most=_FOLD) == _FOLD:
                pass
            hours = rollups.forget(conn)
            ticks = history.forget(conn, keep_s=_KEEP_TICKS_S, slice_size=_FOLD)
            rollups.forget_totals(conn)
            before = id_at(time.time() - self._keep_bulk_s)
            bulk = _in_slices(lambda: bulk_results.forget(conn, before=before, slice_size=_RESULTS))
            rates.forget(conn)
            told = id_at(time.time() - _KEEP_EVENTS_S)
            events = _in_slices(lambda: delivering.forget(conn, before=told, slice_size=_RESULTS))
            _in_slices(lambda: ending.drop_left(conn))
            webhooks = _in_slices(lambda: ending.erase(conn))
            links = shares.forget(conn, slice_size=_FOLD)
        metrics.RETIRED.labels("worker").inc(gone)
        metrics.RETIRED.labels("history").inc(hours)
        metrics.RETIRED.labels("bulk").inc(bulk)
        metrics.RETIRED.labels("tick").inc(ticks)
        metrics.RETIRED.labels("webhook_event").inc(events)
        metrics.RETIRED.labels("webhook").inc(webhooks)
        metrics.RETIRED.labels("share").inc(links)
        return 0


def _in_slices(step: Callable[[], int]) -> int:
    """Repeat the step until it finds nothing, up to a fixed number of times. Returns how much it found."""
    found = 0
    for _ in range(_PIECES):
        now = step()
        found += now
        if not now:
            break
    return found
