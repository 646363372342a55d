"""The sweeper: frees jobs whose worker fell silent, ends those past their deadline, rings again for lost doorbells."""

import logging
import time
from collections.abc import Callable

from sqlalchemy.engine import Engine

from shared.database import autocommit
from shared.jobs import sweep
from shared.jobs.transitions import JobStatus
from shared.metrics import relay as metrics
from shared.metrics.common import count_finished
from shared.outbox import messages
from shared.queues.interface import Queue, QueueUnavailable

log = logging.getLogger(__name__)

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

    def run_once(self) -> int:
        """One slice of each walk. Returns 0, so that the loop keeps its pace; a deep backlog must not make it race."""
        self._expire()
        if time.monotonic() >= self._ring_at:
            self._ring_at = time.monotonic() + min(_RING_EVERY_S, self._ring_after_s)
            self._ring()
        return 0

    def _expire(self) -> None:
        with self._engine.connect() as conn:
            swept = sweep.expire(conn, after=self._expire_after, ring_after_s=self._ring_after_s)
        self._expire_after = swept.next_after
        for job_id, status in swept.swept.items():
            metrics.SWEPT.labels(_KINDS[status]).inc()
            log.warning("job.swept", extra={"job_id": job_id, "status": status})
        for job_id, ended in swept.ended.items():
            count_finished(_KINDS[swept.swept[job_id]], ended.reason or "requested", ended.report_type, ended.age_s)

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
            if messages.backlog(conn, floor=self._settled_floor()).unsent:
                return False
        try:
            depth = self._queue.depth()
        except QueueUnavailable:
            return False
        return depth.visible + depth.delayed == 0
