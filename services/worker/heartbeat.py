"""The heartbeat renews leases, keeps messages hidden, and finds out which attempts have lost their lease or must be
cancelled.
"""

import dataclasses
import logging
import time
from collections.abc import Sequence

from services.worker import metrics
from services.worker.assembly import Parts
from services.worker.held import Held, StopReason
from services.worker.in_flight import InFlight
from shared.jobs.lease import Beat, renew
from shared.queues.interface import QueueUnavailable

log = logging.getLogger(__name__)

TICK_S = 1.0
"""Seconds between two ticks. The progress of an attempt is written at most this often."""


class Heartbeat:
    """Renews every lease that is due, in one statement per tick."""

    def __init__(self, parts: Parts, in_flight: InFlight) -> None:
        self._settings = parts.settings
        self._engine = parts.engine
        self._queue = parts.queue
        self._in_flight = in_flight
        self._expected_at = time.monotonic()

    def run_once(self) -> int:
        """Renew the leases that are due or have progress to write. Returns 0: the loop waits for its next tick."""
        now = time.monotonic()
        metrics.HEARTBEAT_LATE_S.observe(max(0.0, now - self._expected_at))
        self._expected_at = now + TICK_S
        due = [
            (held, progress)
            for held in self._in_flight.all()
            if (progress := held.take_progress()) is not None or held.lease_due(now, every_s=self._settings.heartbeat_s)
        ]
        if due:
            self._renew(now, [Beat(h.lease, dataclasses.asdict(p) if p else None) for h, p in due], [h for h, _ in due])
            self._keep_hidden(now)
        return 0

    def _renew(self, now: float, beats: Sequence[Beat], held: Sequence[Held]) -> None:
        # If this raises, the work goes on: while the database is unavailable no worker can take the jobs over, and
        # the lease token decides at the end. If only this worker is cut off, it works in vain for at most one
        # attempt's deadline.
        with self._engine.connect() as conn:
            renewal = renew(conn, beats, lease_s=self._settings.lease_s)
        for each in held:
            if each.lease in renewal.lost:
                self._stop_lost(each)
                continue
            if each.lease in renewal.skipped:
                continue  # due again at the next tick
            each.renewed(now)
            if each.lease in renewal.cancel_requested and each.ask_to_stop(StopReason.CANCEL):
                log.info("job.cancel_learned", extra=each.log_fields)

    def _stop_lost(self, held: Held) -> None:
        """Stop an attempt whose lease has passed to another holder, and count the lease as lost.

        An attempt that has ended here in the meantime is not counted: most likely this worker itself has ended the job.
        """
        if held.ask_to_stop(StopReason.LOST) and not held.ended:
            metrics.LEASES_LOST.inc()
            log.warning("job.lease_lost", extra=held.log_fields)

    def _keep_hidden(self, now: float) -> None:
        """Extend the invisibility of long attempts' messages. A failure is harmless: a copy would find its job busy."""
        visibility_s = self._settings.visibility_s
        due = [held for held in self._in_flight.all() if held.message_due(now, every_s=visibility_s / 3)]
        if not due:
            return
        try:
            self._queue.extend([h.receipt for h in due], visibility_s=visibility_s)
        except QueueUnavailable as error:
            log.warning("queue.extend_failed", extra={"reason": str(error)})
            return
        for held in due:
            held.hidden(now)
