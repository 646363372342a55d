"""The sweeper: frees jobs whose worker fell silent, ends those past their deadline, rings again for lost doorbells."""

import logging
import time
from collections.abc import Callable

from sqlalchemy.engine import Engine

from shared import metrics
from shared.database import autocommit
from shared.jobs import sweep
from shared.jobs.transitions import JobStatus
from shared.outbox import messages
from shared.queues.interface import Queue, QueueUnavailable

log = logging.getLogger(__name__)

_GAUGES_EVERY_S = 5.0
_RING_EVERY_S = 5.0

_KINDS = {JobStatus.PENDING: "requeued", JobStatus.FAILED: "failed", JobStatus.CANCELLED: "cancelled"}


class Sweeper:
    """One relay's walk over the unfinished jobs. Any number may run beside each other."""

    def __init__(
        self, engine: Engine, queue: Queue, *, settled_floor: Callable[[], int], ring_after_s: float = 30
    ) -> None:
        self._engine = autocommit(engine)
        self._queue = queue
        self._settled_floor = settled_floor
        self._ring_after_s = ring_after_s
        self._expire_after = sweep.START
        self._ring_after = sweep.START
        self._ring_at = 0.0
        self._gauges_at = 0.0

    def run_once(self) -> int:
        """One slice of each walk. Returns 0, so that the loop keeps its pace; a deep backlog must not make it race."""
        self._expire()
        if time.monotonic() >= self._ring_at:
            self._ring_at = time.monotonic() + min(_RING_EVERY_S, self._ring_after_s)
            self._ring()
        if time.monotonic() >= self._gauges_at:
            self._gauges_at = time.monotonic() + _GAUGES_EVERY_S
            self._measure()
        return 0

    def _expire(self) -> None:
        with self._engine.connect() as conn:
            swept = sweep.expire(conn, after=self._expire_after, ring_after_s=self._ring_after_s)
        self._expire_after = swept.next_after
        for job_id, status in swept.swept.items():
            metrics.SWEPT.labels(_KINDS[status]).inc()
            log.warning("job.swept", extra={"job_id": job_id, "status": status})

    def _ring(self) -> None:
        with self._engine.connect() as conn:
            look = sweep.overdue(conn, after=self._ring_after)
            if look.found and self._queue_looks_empty():
                rung = sweep.ring(conn, after=self._ring_after, ring_after_s=self._ring_after_s).swept
                metrics.SWEPT.labels("rung").inc(len(rung))
                log.warning("jobs.rung_again", extra={"jobs": len(rung)})
        self._ring_after = look.next_after

    def _queue_looks_empty(self) -> bool:
        """In a backlog every job is late and none is lost: ringing again would only deepen it."""
        with self._engine.connect() as conn:
            if messages.oldest_age_s(conn, floor=self._settled_floor()) > 0:
                return False
        try:
            depth = self._queue.depth()
        except QueueUnavailable:
            return False
        for state in ("visible", "in_flight", "delayed"):
            metrics.QUEUE_DEPTH.labels(state).set(getattr(depth, state))
        return depth.visible + depth.delayed == 0

    def _measure(self) -> None:
        with self._engine.connect() as conn:
            metrics.OUTBOX_OLDEST_S.set(messages.oldest_age_s(conn, floor=self._settled_floor()))
            waiting, parked = messages.count_kept(conn)
        metrics.OUTBOX_RETRY_WAITING.set(waiting)
        metrics.OUTBOX_PARKED.set(parked)
