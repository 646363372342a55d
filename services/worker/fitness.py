"""Whether this worker is able to work: faults of the worker itself, as opposed to faults of its jobs.

A job is not to blame when the worker's disk is full. Such an attempt is given back uncharged, and the worker stops
polling until a probe succeeds. Otherwise a broken worker would be the fastest of all, and would fail every job that it
took.
"""

import contextlib
import errno
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from services.worker import metrics
from shared.artifacts.interface import ArtifactStoreUnavailable
from shared.errors import TodokeError
from shared.failures import FailureCode
from shared.queues.interface import QueueUnavailable

log = logging.getLogger(__name__)

_STOPPING = frozenset(
    {
        FailureCode.SCRATCH_FULL,
        FailureCode.SCRATCH_UNUSABLE,
        FailureCode.ARTIFACT_STORE_UNAVAILABLE,
        FailureCode.WORKER_EXHAUSTED,
    }
)
"""Causes that affect every job. A probe finds out when they are gone."""
_LACKING = frozenset(
    {
        FailureCode.SOURCE_MISSING,
        FailureCode.REPORT_TYPE_MISSING,
        FailureCode.REPORT_TYPE_DIFFERS,
        FailureCode.OPTION_UNKNOWN,
        FailureCode.PASSWORD_NOT_READABLE,
    }
)
"""Causes that affect some jobs only. The worker carries on with all others."""
OWN_FAULTS = _STOPPING | _LACKING
"""Causes that lie in the worker. The job is given back uncharged."""

_PROBE_EVERY_S = 3.0
_LONGEST_REST_S = 60.0
"""The longest pause. A probe may succeed while attempts still fail; each such round doubles the pause."""
_LACKING_S = 60.0
"""How long the worker reports itself as not ready after a job asked for something that it lacks."""
_PROBE_BYTES = 64 * 1024
_PROBE_FILES = 16
"""Descriptors that a probe opens: about as many as one attempt needs."""


class Unfit(TodokeError):
    """This worker is unable to work, or lacks something that some jobs need."""


@dataclass(slots=True)
class _Denied:
    """A call that the queue's policy does not allow."""

    reason: str
    again: Callable[[], object]
    probe_at: float


class Fitness:
    """What this worker knows about its own condition. Safe to use from several threads."""

    def __init__(
        self, scratch: Path, check_store: Callable[[], None], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._scratch = scratch
        self._check_store = check_store
        self._clock = clock
        self._lock = threading.Lock()
        self._problem: tuple[str, str] | None = None
        self._probe_at = 0.0
        self._rounds = 0
        self._lacking: dict[str, float] = {}
        """What a job needed and this worker lacks → until when the worker reports it."""
        self._poll_problem = ""
        self._denied: dict[str, _Denied] = {}
        """Calls on messages that every job needs and the queue denies to this worker."""
        metrics.UNFIT.labels("queue_denied").set_function(lambda: float(bool(self._denied)))
        for code in _STOPPING:
            metrics.UNFIT.labels(code).set_function(partial(self._has, code))

    @property
    def fit(self) -> bool:
        """True while this worker may take jobs."""
        return self._problem is None and not self._denied

    @property
    def cause(self) -> str | None:
        """A short code for why this worker takes no jobs; None while it takes them."""
        if (problem := self._problem) is not None:
            return problem[0]
        if self._denied:
            return "queue_denied"
        return "queue_unavailable" if self._poll_problem else None

    def note(self, code: str, reason: str) -> None:
        """Record an attempt that failed because of the worker itself."""
        metrics.OWN_FAULTS.labels(code).inc()
        with self._lock:
            if code in _LACKING:
                self._lacking[reason] = self._clock() + _LACKING_S
                return
            if self._problem is None:
                rest_s = min(_LONGEST_REST_S, _PROBE_EVERY_S * 2.0 ** min(self._rounds, 10))
                self._rounds += 1
                self._probe_at = self._clock() + rest_s
                log.error("worker.unfit", extra={"code": code, "reason": reason, "probe_in_s": rest_s})
            self._problem = code, reason

    def worked(self) -> None:
        """Record an attempt that succeeded and used everything that the worker has."""
        self._rounds = 0

    def polled(self, problem: str = "") -> None:
        """Record how the last poll of the queue ended.

        `problem` is what the queue refused; None if it refused nothing.
        """
        self._poll_problem = problem

    def denied(self, what: str, reason: str, *, again: Callable[[], object]) -> None:
        """Record that the queue denies `what` to this worker. `again` repeats the call, and serves as the probe."""
        with self._lock:
            if what not in self._denied:
                log.error(
                    "worker.unfit", extra={"code": "queue_denied", "reason": reason, "probe_in_s": _PROBE_EVERY_S}
                )
            self._denied[what] = _Denied(reason, again, self._clock() + _PROBE_EVERY_S)

    def allowed(self, what: str) -> None:
        """Record that the queue allows `what` to this worker."""
        if what in self._denied:
            with self._lock:
                self._denied.pop(what, None)
            log.info("worker.fit_again")

    def run_once(self) -> int:
        """Probe if the worker is unfit and a probe is due. Returns 0, so that the loop keeps its pace."""
        self._probe_queue()
        if self._problem is None or self._clock() < self._probe_at:
            return 0
        found = self._probe()
        with self._lock:
            self._problem = found
            self._probe_at = self._clock() + _PROBE_EVERY_S
        if found is None:
            log.info("worker.fit_again")
        return 0

    def check(self) -> None:
        """Return if this worker can work and has lately lacked nothing that a job asked for.

        Otherwise raises Unfit with the reason.
        """
        problem = self._problem or self._probe_scratch()
        if problem is not None:
            raise Unfit(f"{problem[0]}: {problem[1]}")
        if self._poll_problem:
            raise Unfit(f"the last poll of the queue failed: {self._poll_problem}")
        if denied := list(self._denied.values()):
            raise Unfit("; ".join(one.reason for one in denied))
        with self._lock:
            self._lacking = {what: until for what, until in self._lacking.items() if until > self._clock()}
            if self._lacking:
                raise Unfit("; ".join(self._lacking))

    def _probe_queue(self) -> None:
        now = self._clock()
        for denied in list(self._denied.values()):
            if now >= denied.probe_at:
                denied.probe_at = now + _PROBE_EVERY_S
                with contextlib.suppress(QueueUnavailable):
                    denied.again()

    def _probe(self) -> tuple[str, str] | None:
        if problem := self._probe_scratch():
            return problem
        try:
            self._check_store()
        except ArtifactStoreUnavailable as error:
            return FailureCode.ARTIFACT_STORE_UNAVAILABLE, str(error)
        return None

    def _probe_scratch(self) -> tuple[str, str] | None:
        """Write a few KB as an attempt would, with as many files open."""
        opened: list[int] = []
        try:
            with tempfile.TemporaryDirectory(prefix="todoke-probe-", dir=self._scratch) as folder:
                probe = Path(folder) / "probe"
                try:
                    while len(opened) < _PROBE_FILES:
                        opened.append(os.open(folder, os.O_RDONLY))
                    with probe.open("wb") as out:
                        out.write(b"\0" * _PROBE_BYTES)
                        out.flush()
                        os.fsync(out.fileno())
                finally:
                    for descriptor in opened:
                        os.close(descriptor)
        except OSError as error:
            return scratch_fault(error), f"{self._scratch}: {error.strerror}"
        return None

    def _has(self, code: FailureCode) -> float:
        problem = self._problem
        return float(problem is not None and problem[0] == code)


def scratch_fault(error: OSError) -> FailureCode:
    """Return the failure code for an error met while working in the scratch folder."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FailureCode.SCRATCH_FULL
    if error.errno in _EXHAUSTED:
        return FailureCode.WORKER_EXHAUSTED
    return FailureCode.SCRATCH_UNUSABLE


_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}


def is_exhausted(error: BaseException) -> bool:
    """True for the errors that Python raises when descriptors, processes or threads have run out."""
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, OSError) and error.errno in _EXHAUSTED
