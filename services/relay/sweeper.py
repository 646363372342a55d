"""The sweeper frees jobs whose worker fell silent, ends those past their deadline, and replaces lost doorbells."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from services.relay.settings import RelaySettings
from shared.database.contact import Contact
from shared.database.engine import transactional
from shared.jobs import pauses, sweep, unfinished
from shared.jobs.states import JobStatus
from shared.jobs.unfinished import WalkFloor
from shared.jobs.walk import START
from shared.outbox import messages
from shared.queues.interface import Queue, QueueUnavailable
from shared.runtime.metrics.common import count_finished

log = logging.getLogger(__name__)

_RING_EVERY_S = 5.0
_WALK_S = 0.25
"""How long one pass walks. A million unfinished jobs take a few passes, and a deep backlog never takes more than a part
of one connection's time."""

_GAP_S = 10.0
"""A relay that asked nothing for this long was frozen, and does not know whether the database was available."""

_KINDS = {JobStatus.PENDING: "requeued", JobStatus.FAILED: "failed", JobStatus.CANCELLED: "cancelled"}


class Sweeper:
    """One relay's walk over the unfinished jobs. Any number of relays may walk at the same time."""

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        settings: RelaySettings,
        *,
        settled_floor: Callable[[], int],
        tidy_rest_s: float = 0.0,
    ) -> None:
        """`tidy_rest_s` is how long the list of long-lived jobs is left alone after a pass that found nothing to do in
        it.
        """
        self._engine = engine
        self._transactions = transactional(engine)
        self._queue = queue
        self._settings = settings
        self._settled_floor = settled_floor
        self._tidy_rest_s = tidy_rest_s
        self._tidy_at = 0.0
        self._locked: dict[UUID, float] = {}
        """Jobs whose expired leases are left alone until the given moment: their rows were locked, so nobody could
        renew them."""
        self._contact = Contact(engine, gap_s=_GAP_S)
        self._clock_was: tuple[datetime, float] | None = None
        """The database's clock at the last look, and this process's (seconds of `time.monotonic`)."""
        self._floor = WalkFloor()
        self._expire_after = START
        self._began_at = 0.0
        self._oldest: UUID | None = None
        """The first unfinished job of the current walk, which began at `_began_at` (Unix seconds)."""
        self._ring_after = START
        self._ring_at = 0.0
        self._heard_until: datetime | None = None
        """Doorbells sent before this moment (the database's clock) have been delivered, or are lost."""

    def run_once(self) -> int:
        """Take a piece of each walk. Returns 0, so that the loop keeps its pace even over a deep backlog."""
        begin = self._floor.begin() if self._expire_after == START else self._expire_after
        if self._expire_after == START:
            self._began_at, self._oldest = time.time(), None
            self._tidy(begin)
        self._expire_after = _walk(self._expire, begin)
        if time.monotonic() >= self._ring_at:
            begin = self.unfinished_floor if self._ring_after == START else self._ring_after
            self._ring_after = _walk(self._ring, begin)
            if self._ring_after == START:
                self._ring_at = time.monotonic() + min(_RING_EVERY_S, self._settings.ring_after_s)
        return 0

    @property
    def unfinished_floor(self) -> UUID:
        """The id up to which the last walk met no unfinished job."""
        return self._floor.value

    def _tidy(self, begin: UUID) -> None:
        """Keep the list of long-lived jobs. If a relay dies in between, the next pass does the rest."""
        if time.monotonic() < self._tidy_at:
            return
        with self._engine.connect() as conn:
            advanced = unfinished.advance_floor(conn, list_after_s=self._settings.list_after_s)
            _walk(lambda after: unfinished.prune(conn, after=after), begin)
        if not advanced:
            self._tidy_at = time.monotonic() + self._tidy_rest_s

    def _expire(self, after: UUID) -> UUID:
        """Free or end jobs in the next slice, and learn from it about clock, locks and pauses.

        Returns where to go on.
        """
        believed_until = self._believed_until()
        with self._engine.connect() as conn:
            swept = sweep.expire(
                conn,
                after=after,
                ring_after_s=self._settings.ring_after_s,
                spare_leases=self._contact.unbroken_s < self._settings.spare_s,
                spared=self._spared(),
                believed_until=believed_until,
            )
        if swept.at is not None:
            if believed_until is not None and swept.at > believed_until:
                self._contact.begin_anew()
            self._clock_was = swept.at, time.monotonic()
        self._locked |= dict.fromkeys(swept.locked, time.monotonic() + self._settings.spare_s)
        self._oldest = self._oldest or swept.first
        if swept.pauses:
            self._settle()
        if swept.next_after == START:
            self._floor.learn(self._oldest, began_at=self._began_at)
        for job_id, status in swept.swept.items():
            metrics.SWEPT.labels(_KINDS[status]).inc()
            log.warning("job.swept", extra={"job_id": job_id, "status": status})
        for job_id, ended in swept.ended.items():
            count_finished(_KINDS[swept.swept[job_id]], ended.reason or "requested", ended.report_type, [ended.age_s])
        return swept.next_after

    def _believed_until(self) -> datetime | None:
        """Return the latest time that the database's clock can show if it is asked now and answers at once."""
        if self._clock_was is None:
            return None
        then, ours = self._clock_was
        return then + timedelta(seconds=time.monotonic() - ours + _GAP_S)

    def _settle(self) -> None:
        """Give jobs back the time that a pause has taken, once the pause is over.

        If a relay dies in between, the next one does the rest.
        """
        with self._transactions.begin() as conn:
            moved = pauses.settle_slice(conn)
        if moved:
            log.info("pause.time_given_back", extra={"jobs": moved})

    def _spared(self) -> list[UUID]:
        now = time.monotonic()
        self._locked = {job_id: until for job_id, until in self._locked.items() if until > now}
        return list(self._locked)

    def _ring(self, after: UUID) -> UUID:
        with self._engine.connect() as conn:
            check = sweep.overdue(conn, after=after)
            self._heard(check.heard_until)
            if check.late:
                self._ask_the_queue(conn, check.at)
                self._ring_lost(conn, after)
        return check.next_after

    def _ask_the_queue(self, conn: Connection, at: datetime) -> None:
        """Note that an empty queue has delivered everything that had left the outbox at that moment."""
        oldest_age_s = messages.backlog(conn, floor=self._settled_floor()).oldest_age_s
        try:
            depth = self._queue.depth()
        except QueueUnavailable:
            return
        if depth.visible + depth.delayed == 0:
            self._heard(at - timedelta(seconds=oldest_age_s))

    def _heard(self, until: datetime | None) -> None:
        if until is not None and (self._heard_until is None or until > self._heard_until):
            self._heard_until = until

    def _ring_lost(self, conn: Connection, after: UUID) -> None:
        if self._heard_until is None:
            return
        rung = sweep.ring(
            conn, heard_until=self._heard_until, after=after, ring_after_s=self._settings.ring_after_s
        ).swept
        if rung:
            metrics.SWEPT.labels("rung").inc(len(rung))
            log.warning("jobs.rung_again", extra={"jobs": len(rung)})


def _walk(slice_from: Callable[[UUID], UUID], after: UUID) -> UUID:
    """Take slices from `after` on, until the end or until _WALK_S have passed. Returns where to go on."""
    give_up_at = time.monotonic() + _WALK_S
    while True:
        after = slice_from(after)
        if after == START or time.monotonic() >= give_up_at:
            return after
