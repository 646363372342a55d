"""Measures the whole system for the metrics. Every relay measures on its own, so any of them may die."""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from shared.database import xmin_horizon
from shared.jobs import backlog, bulk_slices, caps, erasure, held, measurements, pauses, workers
from shared.jobs.measurements import Subject
from shared.outbox import messages
from shared.queues.interface import Queue, QueueUnavailable
from shared.schedules import due, history
from shared.webhooks import delivering

log = logging.getLogger(__name__)

_QUEUE_EVERY_S = 20.0
"""Pause between looks at the queues: each look is two requests that AWS bills."""
_HELD_LONG = 100_000
"""Age in transactions from which a snapshot is logged. The alert has the same bound."""
_SAY_EVERY_S = 60.0
_MISSED_WITHIN_S = 3_600.0
"""How long a metric shows missed ticks, so that an alert fires however short the outage was."""


class Gauges:
    """Sets the database-wide gauges, and less often those of the queues."""

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        *,
        settled_floor: Callable[[], int],
        unfinished_floor: Callable[[], UUID],
        late_after_s: float,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._settled_floor = settled_floor
        self._unfinished_floor = unfinished_floor
        self._late_after_s = late_after_s
        self._queue_at = 0.0
        self._say_at = 0.0
        self._facts: dict[str, Any] = {}
        """What this pass has read, as stored for readers who ask the database."""

    def run_once(self) -> int:
        """Measure once. Returns 0, so that the loop keeps its pace. Raises the database's errors."""
        with self._engine.connect() as conn:
            self._outbox(conn)
            self._held(conn)
            self._schedules(conn)
            self._webhooks(conn)
            self._jobs(conn)
            self._erasures(conn)
            self._bulk(conn)
            self._horizon(conn)
            measurements.write(conn, Subject.DATABASE, self._facts)
            metrics.MEASURED_AT.set(time.time())
            if time.monotonic() >= self._queue_at:
                self._queue_at = time.monotonic() + _QUEUE_EVERY_S
                self._queues(conn)
        return 0

    def _outbox(self, conn: Connection) -> None:
        unsent = messages.backlog(conn, floor=self._settled_floor())
        metrics.OUTBOX_UNSENT.set(unsent.unsent)
        metrics.OUTBOX_OLDEST_S.set(unsent.oldest_age_s)
        waiting, parked = messages.count_kept(conn)
        metrics.OUTBOX_RETRY_WAITING.set(waiting)
        metrics.OUTBOX_PARKED.set(parked)
        self._facts["outbox"] = {
            "unsent": unsent.unsent, "oldestAgeS": unsent.oldest_age_s, "waiting": waiting, "parked": parked,
        }  # fmt: skip

    def _held(self, conn: Connection) -> None:
        now = held.count(conn)
        metrics.HELD.set(now.messages)
        metrics.HELD_TENANTS.set(now.tenants)
        metrics.HELD_OLDEST_S.set(now.oldest_age_s)
        metrics.HELD_READY.set(_ready(conn) if now.messages else 0)
        paused = len(pauses.pauses(conn))
        metrics.PAUSED.set(paused)
        self._facts["held"] = {"messages": now.messages, "tenants": now.tenants, "oldestAgeS": now.oldest_age_s}
        self._facts["paused"] = paused

    @staticmethod
    def _schedules(conn: Connection) -> None:
        metrics.TICKS_LATE_S.set(due.oldest_due_s(conn))
        metrics.SCHEDULES_FAILING.set(due.failing(conn))
        metrics.TICKS_MISSED.set(history.missed(conn, within_s=_MISSED_WITHIN_S))

    @staticmethod
    def _webhooks(conn: Connection) -> None:
        now = delivering.backlog(conn)
        metrics.WEBHOOKS_WAITING.set(now.waiting)
        metrics.WEBHOOKS_OLDEST_S.set(now.oldest_s)
        metrics.WEBHOOKS_DISABLED.set(now.disabled)

    def _jobs(self, conn: Connection) -> None:
        jobs = backlog.measure(conn, late_after_s=self._late_after_s, after=self._unfinished_floor())
        metrics.JOBS_WAITING.set(jobs.waiting)
        metrics.JOBS_DELAYED.set(jobs.delayed)
        metrics.JOBS_RUNNING.set(jobs.running)
        metrics.JOBS_LATE.set(jobs.late)
        metrics.OLDEST_WAITING_S.set(jobs.oldest_waiting_s)
        metrics.JOBS_OF_UNKNOWN_TYPE.set(jobs.of_unknown_type)
        fit, sick = workers.seen(conn)
        metrics.WORKERS.labels("fit").set(fit)
        metrics.WORKERS.labels("unfit").set(sick)
        self._facts["workers"] = {"fit": fit, "unfit": sick}
        self._facts["jobs"] = {
            "waiting": jobs.waiting, "delayed": jobs.delayed, "running": jobs.running, "late": jobs.late,
            "oldestWaitingS": jobs.oldest_waiting_s, "ofUnknownType": jobs.of_unknown_type,
        }  # fmt: skip

    def _erasures(self, conn: Connection) -> None:
        waiting = erasure.backlog(conn)
        metrics.ERASURES_WAITING.set(waiting.waiting)
        metrics.ERASURE_OLDEST_S.set(waiting.oldest_s)
        self._facts["erasures"] = {"waiting": waiting.waiting, "oldestAgeS": waiting.oldest_s}

    def _bulk(self, conn: Connection) -> None:
        standing = bulk_slices.standing(conn)
        metrics.BULK_RUNNING.set(standing.running)
        metrics.BULK_STANDING_S.set(standing.longest_s)

    def _horizon(self, conn: Connection) -> None:
        found = xmin_horizon.holders(conn)
        ages = dict.fromkeys(metrics.HOLDERS, 0)
        for holder in found:
            label = holder.kind if holder.kind != "session" else holder.name
            label = label if label in ages else "other session"
            ages[label] = max(ages[label], holder.age)
        for label, age in ages.items():
            metrics.XMIN_AGE.labels(label).set(age)
        self._facts["snapshot"] = (
            {"age": found[0].age, "holder": found[0].kind, "name": found[0].name} if found else None
        )
        if found and found[0].age > _HELD_LONG and time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + _SAY_EVERY_S
            oldest = found[0]
            log.warning(
                "database.snapshot_held",
                extra={"holder": oldest.kind, "application": oldest.name, "who": oldest.who, "age": oldest.age},
            )

    def _queues(self, conn: Connection) -> None:
        try:
            depth, dead = self._queue.depth(), self._queue.dead_letters()
        except QueueUnavailable as error:
            log.debug("queue.not_measured", extra={"reason": str(error)})
            return
        for state in ("visible", "in_flight", "delayed"):
            metrics.QUEUE_DEPTH.labels(state).set(getattr(depth, state))
        metrics.DEAD_LETTERS.set(dead or 0)
        facts = {"visible": depth.visible, "inFlight": depth.in_flight, "delayed": depth.delayed, "deadLetters": dead}
        measurements.write(conn, Subject.QUEUE, facts)


def _ready(conn: Connection) -> int:
    """Return how many pairs of tenant and report type have a held doorbell that neither a pause nor
    a cap keeps back.
    """
    room = caps.room(conn)
    return sum(all(room.get(gate, 1) > 0 for gate in first.gates) for first in held.candidates(conn, most=0))
