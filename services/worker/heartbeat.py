"""One loop keeps every lease and every message's visibility alive, and learns what is lost or to be cancelled."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence

from sqlalchemy.engine import Engine

from services.worker import metrics
from services.worker.held import Held, StopReason
from services.worker.in_flight import InFlight
from shared.jobs.lease import Beat, renew
from shared.queues.interface import Queue, QueueUnavailable

log = logging.getLogger(__name__)

TICK_S = 1.0
"""How often the loop looks: also the most often that progress is written."""


class Heartbeat:
    """Renews what is due, in one statement a tick."""

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        in_flight: InFlight,
        *,
        lease_s: float,
        heartbeat_s: float,
        visibility_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._in_flight = in_flight
        self._lease_s = lease_s
        self._heartbeat_s = heartbeat_s
        self._visibility_s = visibility_s
        self._clock = clock
        self._expected_at = clock()

    def run_once(self) -> int:
        """Renew the leases that are due or have progress to show. Returns 0: the loop keeps its own pace."""
        now = self._clock()
        metrics.HEARTBEAT_LATE_S.observe(max(0.0, now - self._expected_at))
        self._expected_at = now + TICK_S
        due = [
            (held, progress)
            for held in self._in_flight.all()
            if (progress := held.take_progress()) is not None or now - held.renewed_at >= self._heartbeat_s
        ]
        if due:
            self._renew(now, [Beat(h.lease, dataclasses.asdict(p) if p else None) for h, p in due], [h for h, _ in due])
            self._extend(now)
        return 0

    def _renew(self, now: float, beats: Sequence[Beat], held: Sequence[Held]) -> None:
        # While the database is away nobody can take the jobs over, so the work goes on: its fence is checked at
        # the end. A worker that is cut off alone works in vain for at most one attempt's deadline.
        with self._engine.connect() as conn:
            renewal = renew(conn, beats, lease_s=self._lease_s)
        for each in held:
            if each.lease in renewal.lost:
                self._lost(each)
                continue
            each.renewed_at = now
            if each.lease in renewal.cancel_requested and each.ask_to_stop(StopReason.CANCEL):
                log.info("job.cancel_learned", extra=each.names)

    def _lost(self, held: Held) -> None:
        if held.ask_to_stop(StopReason.LOST):
            metrics.LEASES_LOST.inc()
            log.warning("job.lease_lost", extra=held.names)

    def _extend(self, now: float) -> None:
        """Keep messages of long attempts hidden. Failing is harmless: a copy finds the job busy."""
        late = [h for h in self._in_flight.all() if now - h.visible_from >= self._visibility_s / 3]
        if not late:
            return
        try:
            self._queue.extend([h.receipt for h in late], visibility_s=self._visibility_s)
        except QueueUnavailable as error:
            log.warning("queue.extend_failed", extra={"reason": str(error)})
            return
        for held in late:
            held.visible_from = now
