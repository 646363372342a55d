"""Carries out bulk actions: cancels, deletes or repeats many jobs for a client, one slice at a time."""

import logging

from sqlalchemy.engine import Engine

from services.relay import metrics
from shared.database.engine import transactional
from shared.errors import first_line
from shared.jobs import bulk_slices
from shared.jobs.bulk import Bulk
from shared.jobs.bulk_rules import BulkOutcome
from shared.jobs.bulk_slices import Slice
from shared.runtime.metrics.common import count_finished

log = logging.getLogger(__name__)


class BulkActions:
    """One relay's share of the bulk actions.

    Any number of relays may run: SKIP LOCKED gives each action to one of them. A slice is one transaction: it changes
    the jobs, records the results, and moves the action's position. After any crash, the next slice continues from
    there.
    """

    def __init__(self, engine: Engine, *, pause_s: float, most: int = bulk_slices.MOST) -> None:
        self._engine = engine
        self._transactions = transactional(engine)
        self._pause_s = pause_s
        self._most = most

    def run_once(self) -> int:
        """Take one slice of the action that is due.

        Returns 1 if there was one, so that the next pass follows at once.
        """
        with self._engine.connect() as conn:
            if not bulk_slices.waiting(conn):
                return 0
        claimed: Bulk | None = None
        try:
            with self._transactions.begin() as conn:
                claimed = bulk_slices.claim(conn)
                if claimed is None:
                    return 0
                # A slice that ran into a time-out is repeated in smaller pieces.
                most = max(1, self._most >> min(claimed.failures, 20))
                taken = bulk_slices.take(conn, claimed, most=most, pause_s=self._pause_s)
        except Exception as error:
            if claimed is None:
                raise
            self._postpone(claimed, error)  # which raises, if the database is away for everybody
            return 0
        self._tell(claimed, taken)
        return 1

    def _postpone(self, bulk: Bulk, error: Exception) -> None:
        """Let other actions go first: this one's fault may last."""
        reason = first_line(getattr(error, "orig", None) or repr(error))
        log.warning("bulk.slice_failed", extra={"bulk_id": bulk.id, "reason": reason, "failures": bulk.failures + 1})
        with self._engine.connect() as conn:
            bulk_slices.later(conn, bulk.id, reason)

    @staticmethod
    def _tell(bulk: Bulk, taken: Slice) -> None:
        for outcome, jobs in taken.outcomes.items():
            metrics.BULK_JOBS.labels(str(outcome)).inc(jobs)
        for one in taken.acted:
            if one.outcome is BulkOutcome.CANCELLED:
                count_finished("cancelled", "requested", one.report_type, [one.age_s])
        if taken.done:
            log.info("bulk.ended", extra={"bulk_id": bulk.id, "action": str(bulk.action)})
