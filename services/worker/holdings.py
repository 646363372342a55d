"""The attempts this worker has under way."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from shared import tracing
from shared.jobs.lease import Lease, StartedJob
from shared.reports.interface import Progress


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

    def __init__(self, job: StartedJob, receipt: str, *, now: float, headers: Mapping[str, str] | None = None) -> None:
        self.job = job
        self.receipt = receipt
        headers = headers or {}
        self.traceparent = tracing.valid(headers.get(tracing.TRACEPARENT)) or tracing.valid(
            tracing.carried(job.trace_context).get(tracing.TRACEPARENT)
        )
        """The trace this attempt belongs to: first what rang for it, then its own span."""
        self.previous = tracing.valid(headers.get(tracing.PREVIOUS_ATTEMPT))
        """The span of the attempt that this one tries again."""
        self.started_at = now
        """Monotonic seconds."""
        self.renewed_at = now
        """When the lease was last known to be renewed, taken before the request was sent."""
        self.visible_from = now
        """When the message's visibility was last set."""
        self.stop = threading.Event()
        self.reason: StopReason | None = None
        self._progress: Progress | None = None
        self._lock = threading.Lock()

    @property
    def names(self) -> dict[str, object]:
        """What every log line about it tells."""
        names: dict[str, object] = {
            "job_id": self.lease.job_id, "attempt": self.job.attempt, "lease_token": self.lease.token,
        }  # fmt: skip
        return {**names, "trace_id": tracing.trace_id(self.traceparent)} if self.traceparent else names

    @property
    def lease(self) -> Lease:
        """The right to finish it."""
        return self.job.lease

    def ask_to_stop(self, reason: StopReason) -> bool:
        """Ask the attempt to end. False if it was asked before."""
        with self._lock:
            if self.reason is not None:
                if reason is StopReason.LOST:
                    self.reason = reason  # a lost lease outranks every other wish: nothing may be written
                return False
            self.reason = reason
        self.stop.set()
        return True

    def show(self, progress: Progress) -> None:
        """Keep the newest progress until the next heartbeat takes it along."""
        with self._lock:
            self._progress = progress

    def take_progress(self) -> Progress | None:
        """The progress that no heartbeat has carried yet."""
        with self._lock:
            progress, self._progress = self._progress, None
        return progress


class Holdings:
    """All attempts from `start` until their outcome is written, and how many more there is room for."""

    def __init__(self, slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._slots = slots
        self._working = 0
        self._starting = 0
        self._held: dict[Lease, Held] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Within the block, jobs become ours in the database and are not added yet: there is something to wait for."""
        with self._changed:
            self._starting += 1
        try:
            yield
        finally:
            with self._changed:
                self._starting -= 1
                self._changed.notify_all()

    def wait_for_room(self, timeout_s: float) -> int:
        """Free slots; waits up to `timeout_s` for the first one."""
        with self._changed:
            self._changed.wait_for(lambda: self._working < self._slots, timeout_s)
            return self._slots - self._working

    def add(self, job: StartedJob, receipt: str, headers: Mapping[str, str] | None = None) -> Held:
        """A job that this worker just started, for the message with this receipt and headers; it takes a slot."""
        held = Held(job, receipt, now=self._clock(), headers=headers)
        with self._changed:
            self._held[held.lease] = held
            self._working += 1
        return held

    def work_ended(self) -> None:
        """An attempt gave up its slot. It stays held, and its lease renewed, until its outcome is written."""
        with self._changed:
            self._working -= 1
            self._changed.notify_all()

    def remove(self, leases: Iterable[Lease]) -> None:
        """The outcomes of these are written, or no longer ours to write."""
        with self._changed:
            for lease in leases:
                self._held.pop(lease, None)
            self._changed.notify_all()

    def all(self) -> list[Held]:
        """Everything held now."""
        with self._changed:
            return list(self._held.values())

    def wait_until_empty(self, timeout_s: float) -> bool:
        """True once nothing is held or being started any more; False after `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._held and not self._starting, timeout_s)

    @property
    def working(self) -> int:
        """Attempts that occupy a slot."""
        return self._working
