"""Whether this worker can work: what is wrong with the worker itself, and not with the jobs that it was given.

A job is not at fault when the worker's disk is full. Such attempts are given back uncharged, and the worker stops
polling until a probe succeeds; else it would be the quickest of all workers, and fail everybody's jobs.
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
"""Causes that would meet every job. A probe finds out when they have gone."""
_LACKING = frozenset(
    {
        FailureCode.SOURCE_MISSING,
        FailureCode.REPORT_TYPE_MISSING,
        FailureCode.REPORT_TYPE_DIFFERS,
        FailureCode.OPTION_UNKNOWN,
        FailureCode.PASSWORD_NOT_READABLE,
    }
)
"""Causes that meet some jobs: the worker goes on with all others."""
OWN_FAULTS = _STOPPING | _LACKING
"""Causes of the worker's own: the job is given back uncharged."""

_PROBE_EVERY_S = 3.0
_LONGEST_REST_S = 60.0
"""A probe may succeed where attempts go on failing. Each such round then rests twice as long as the last."""
_LACKING_S = 60.0
"""How long the worker is unready after a job asked for what it lacks."""
_PROBE_BYTES = 64 * 1024
_PROBE_FILES = 16
"""Descriptors that a probe opens: about as many as one attempt needs."""


class Unfit(TodokeError):
    """This worker cannot work, or lacks what some jobs need."""


@dataclass(slots=True)
class _Denied:
    """A call that the queue's policy does not allow."""

    reason: str
    again: Callable[[], object]
    probe_at: float


class Fitness:
    """What this worker knows of itself. Safe to use from several threads."""

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
        """What a job asked for in vain → until when the worker says so."""
        self._poll_problem = ""
        self._denied: dict[str, _Denied] = {}
        """What each job needs of the queue and the worker may not do."""
        metrics.UNFIT.labels("queue_denied").set_function(lambda: float(bool(self._denied)))
        for code in _STOPPING:
            metrics.UNFIT.labels(code).set_function(partial(self._has, code))

    @property
    def fit(self) -> bool:
        """True while jobs may be taken."""
        return self._problem is None and not self._denied

    @property
    def cause(self) -> str | None:
        """Why no jobs are taken, in a word; None while they are."""
        if (problem := self._problem) is not None:
            return problem[0]
        if self._denied:
            return "queue_denied"
        return "queue_unavailable" if self._poll_problem else None

    def note(self, code: str, reason: str) -> None:
        """Take note of an attempt that failed for a cause of the worker's own."""
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
        """Take note of an attempt that used all that the worker has, and succeeded."""
        self._rounds = 0

    def polled(self, problem: str = "") -> None:
        """Take note of how the last poll of the queue ended: what the queue refused, or nothing."""
        self._poll_problem = problem

    def denied(self, what: str, reason: str, *, again: Callable[[], object]) -> None:
        """Take note that the worker may not do `what` with messages. `again` repeats the call, and is the probe."""
        with self._lock:
            if what not in self._denied:
                log.error(
                    "worker.unfit", extra={"code": "queue_denied", "reason": reason, "probe_in_s": _PROBE_EVERY_S}
                )
            self._denied[what] = _Denied(reason, again, self._clock() + _PROBE_EVERY_S)

    def allowed(self, what: str) -> None:
        """Take note that the worker may do `what` with messages."""
        if what in self._denied:
            with self._lock:
                self._denied.pop(what, None)
            log.info("worker.fit_again")

    def run_once(self) -> int:
        """Probe, if the worker is unfit and the time has come. Returns 0: the loop keeps its pace."""
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
        """Return if this worker can work and lacks nothing that a job asked for lately. Raises Unfit saying why not."""
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
        """Write some KB as an attempt would, with as many open files."""
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
    """The code of an error met while working in the scratch folder."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return FailureCode.SCRATCH_FULL
    if error.errno in _EXHAUSTED:
        return FailureCode.WORKER_EXHAUSTED
    return FailureCode.SCRATCH_UNUSABLE


_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM}


def is_exhausted(error: BaseException) -> bool:
    """True for what Python raises when descriptors, processes or threads have run out."""
    if isinstance(error, RuntimeError):
        return "can't start new thread" in str(error)
    return isinstance(error, OSError) and error.errno in _EXHAUSTED
