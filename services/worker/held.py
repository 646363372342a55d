"""One attempt that this worker holds."""

import threading
from collections.abc import Mapping
from enum import StrEnum

from shared.jobs.lease import StartedJob
from shared.reports.interface import Progress
from shared.runtime import tracing


class StopReason(StrEnum):
    """Why an attempt is to end before it is done. The first reason given stays."""

    CANCEL = "cancel"
    """The client asked."""
    LOST = "lost"
    """The lease belongs to somebody else, or may by now: nothing more may be written."""
    SHUTDOWN = "shutdown"
    """This worker is leaving."""


class Held:
    """One attempt: the job, the message that rang for it, and the wish to stop it."""

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
        """The right to finish it."""
        self.receipt = receipt
        self.traceparent = _traceparent(headers or {}, job.trace_context)
        """The trace this attempt belongs to: first what rang for it, then its own span."""
        self.previous_attempt = tracing.valid(headers.get(tracing.PREVIOUS_ATTEMPT)) if headers else None
        """The span of the attempt that this one tries again."""
        self.started_at = now
        """Monotonic seconds."""
        self._renewed_at = now
        """When the lease was last known to be renewed, taken before the request was sent."""
        self._hidden_at = now
        """When the message's visibility was last set."""
        self.inline = inline
        """Whether it runs in this process. Its success is not worth a line in the log."""
        self.reason: StopReason | None = None
        """Why it is to end early, as soon as it is."""
        self._stop: threading.Event | None = None
        self._progress: Progress | None = None
        self._lock = threading.Lock()

    @property
    def names(self) -> dict[str, object]:
        """What every log line about it tells."""
        names: dict[str, object] = {
            "job_id": self.lease.job_id, "attempt": self.job.attempt, "lease_token": self.lease.token,
        }  # fmt: skip
        return {**names, "trace_id": tracing.trace_id(self.traceparent)} if self.traceparent else names

    def ask_to_stop(self, reason: StopReason) -> bool:
        """Ask the attempt to end. False if it was asked before."""
        with self._lock:
            if self.reason is not None:
                if reason is StopReason.LOST:
                    self.reason = reason  # a lost lease outranks every other wish: nothing may be written
                return False
            self.reason = reason
            if self._stop is not None:
                self._stop.set()
        return True

    @property
    def stop(self) -> threading.Event:
        """Set once there is a reason. Made when first looked at: it took a fifth of the time of a start of no-ops."""
        with self._lock:
            if self._stop is None:
                self._stop = threading.Event()
                if self.reason is not None:
                    self._stop.set()
            return self._stop

    def renewed(self, at: float) -> None:
        """The lease was renewed by a request that was sent at this time."""
        self._renewed_at = at

    def lease_due(self, now: float, *, every_s: float) -> bool:
        """True if the lease was last renewed `every_s` or longer ago."""
        return now - self._renewed_at >= every_s

    def hidden(self, at: float) -> None:
        """The message was hidden anew at this time."""
        self._hidden_at = at

    def message_due(self, now: float, *, every_s: float) -> bool:
        """True if the message was last hidden `every_s` or longer ago."""
        return now - self._hidden_at >= every_s

    def traced_by(self, span: tracing.Span) -> None:
        """From now on the attempt's own span stands for it: in the log, in the write that ends it, and in a retry."""
        self.traceparent = span.traceparent or self.traceparent

    def show(self, progress: Progress) -> None:
        """Keep the newest progress until the next heartbeat takes it along."""
        with self._lock:
            self._progress = progress

    def take_progress(self) -> Progress | None:
        """The progress that no heartbeat has carried yet."""
        with self._lock:
            progress, self._progress = self._progress, None
        return progress


def _traceparent(headers: Mapping[str, str], trace_context: str | None) -> str | None:
    rang = tracing.valid(headers.get(tracing.TRACEPARENT))
    return rang or tracing.valid(tracing.carried(trace_context).get(tracing.TRACEPARENT))
