"""One attempt that this worker holds: its job, the message that rang for the job, and any request to stop."""

import threading
from collections.abc import Mapping
from enum import StrEnum

from shared.jobs.lease import StartedJob
from shared.reports.interface import Cost, Progress
from shared.runtime import tracing


class StopReason(StrEnum):
    """Why an attempt must end before it has finished."""

    CANCEL = "cancel"
    """The client asked for it. The job ends CANCELLED."""
    LOST = "lost"
    """Another holder has the lease, or may have it by now. The attempt must write nothing more."""
    SHUTDOWN = "shutdown"
    """This worker is leaving. The job goes back to PENDING, and the attempt is not charged."""


class Held:
    """One attempt, from `jobs.start` until its outcome is written.

    The attempt's thread, the heartbeat and the finisher share it. Times are monotonic seconds.
    """

    def __init__(
        self,
        job: StartedJob,
        receipt: str,
        *,
        now: float,
        headers: Mapping[str, str] | None = None,
        inline: bool = False,
    ) -> None:
        self.job = job
        self.lease = job.lease
        """The right to finish the attempt."""
        self.receipt = receipt
        """Names the delivery of the message that rang for the job."""
        self.inline = inline
        """True if it runs in the worker's own process. Its success is logged at DEBUG only."""
        self.traceparent = _traceparent(headers or {}, job.trace_context)
        """The trace this attempt belongs to: the message's or the job's, then the attempt's own span."""
        self.previous_attempt = tracing.valid(headers.get(tracing.PREVIOUS_ATTEMPT)) if headers else None
        """The span of the attempt that this one retries."""
        self.started_at = now
        self.stop_reason: StopReason | None = None
        """Why it must end early; None while it may go on."""
        self.cost: Cost | None = None
        """What the attempt has used, once its report's process has ended."""
        self.ended = False
        """True once the attempt has ended; its outcome is waiting to be written, or is written."""
        self.row_locked = False
        """True if another transaction had locked the job's row when the outcome was about to be written."""
        self._renewed_at = now
        self._hidden_at = now
        self._stop: threading.Event | None = None
        self._progress: Progress | None = None
        self._lock = threading.Lock()

    @property
    def log_fields(self) -> dict[str, object]:
        """The fields of every log line about this attempt."""
        fields: dict[str, object] = {
            "job_id": self.lease.job_id, "attempt": self.job.attempt, "lease_token": self.lease.token,
        }  # fmt: skip
        return {**fields, "trace_id": tracing.trace_id(self.traceparent)} if self.traceparent else fields

    def ask_to_stop(self, reason: StopReason) -> bool:
        """Ask the attempt to end.

        Returns False if it was asked before: the first reason stays, unless the new one is LOST.
        """
        with self._lock:
            if self.stop_reason is not None:
                if reason is StopReason.LOST:
                    self.stop_reason = reason  # a lost lease outranks every other reason: nothing may be written
                return False
            self.stop_reason = reason
            if self._stop is not None:
                self._stop.set()
        return True

    @property
    def stop(self) -> threading.Event:
        """Set when the attempt must stop. Created on first use, because most attempts never need it."""
        # Creating it with every attempt took a fifth of the time that starting empty jobs takes (make bench
        # ARGS="--only where", the thread "starter").
        with self._lock:
            if self._stop is None:
                self._stop = threading.Event()
                if self.stop_reason is not None:
                    self._stop.set()
            return self._stop

    def lease_due(self, now: float, *, every_s: float) -> bool:
        """True if the lease was last renewed `every_s` or longer ago."""
        return now - self._renewed_at >= every_s

    def renewed(self, at: float) -> None:
        """Record that a request sent at `at` renewed the lease."""
        self._renewed_at = at

    def message_due(self, now: float, *, every_s: float) -> bool:
        """True if the message was last hidden `every_s` or longer ago."""
        return now - self._hidden_at >= every_s

    def hidden(self, at: float) -> None:
        """Record that a request sent at `at` hid the message again."""
        self._hidden_at = at

    def traced_by(self, span: tracing.Span) -> None:
        """Use the attempt's own span from now on: in the log, for the write that ends the attempt, and in a retry's
        headers.
        """
        self.traceparent = span.traceparent or self.traceparent

    def show(self, progress: Progress) -> None:
        """Keep the newest progress until the next heartbeat writes it."""
        with self._lock:
            self._progress = progress

    def take_progress(self) -> Progress | None:
        """Return progress that no heartbeat has written yet; None if there is none."""
        with self._lock:
            progress, self._progress = self._progress, None
        return progress


def _traceparent(headers: Mapping[str, str], trace_context: str | None) -> str | None:
    of_message = tracing.valid(headers.get(tracing.TRACEPARENT))
    return of_message or tracing.valid(tracing.carried(trace_context).get(tracing.TRACEPARENT))
