"""The finisher writes outcomes in batches, one statement per kind.

Only then may the messages of these jobs be deleted.
"""

import logging
import queue
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.worker import attempt_spans, metrics
from services.worker.acknowledgements import Acknowledgements
from services.worker.assembly import Parts
from services.worker.held import Held, StopReason
from services.worker.in_flight import InFlight
from services.worker.outcomes import Cancelled, EndedAttempt, Lost
from shared.database.unavailable import is_unavailable
from shared.jobs import finish
from shared.jobs.attempt_end import Outcomes
from shared.jobs.finish import Failure, GivenBack
from shared.jobs.states import JobStatus
from shared.jobs.succeed import Success, succeed
from shared.runtime.metrics.common import REASONS, count_finished, report_type_label
from shared.runtime.metrics.declare import known, observe_all

log = logging.getLogger(__name__)

_LOCKED_AGAIN_S = 0.5
"""How long an outcome waits for another try if another transaction had locked its job's row."""
_MOST_TOGETHER = 500
"""Outcomes gathered for one pass. Under load, a pass takes what ended while the previous pass was being written."""
_VERBS: Mapping[type, str] = {Success: "succeed", Failure: "fail", Cancelled: "cancel", GivenBack: "give_back"}
"""Kind of outcome → the name of the statement that writes it, for metrics and traces."""
_LABELS = {
    JobStatus.SUCCESS: "success",
    JobStatus.FAILED: "failed",
    JobStatus.PENDING: "retried",
    JobStatus.CANCELLED: "cancelled",
}
"""Job status after the attempt → the label that metrics give to the attempt's end."""


class Finisher:
    """Takes outcomes from many threads and writes them in the thread that calls `run_once`."""

    def __init__(self, parts: Parts, in_flight: InFlight, acknowledgements: Acknowledgements) -> None:
        self._engine = parts.engine
        self._ring_after_s = parts.settings.ring_after_s
        self._in_flight = in_flight
        self._acknowledgements = acknowledgements
        self._handed_over: queue.SimpleQueue[Sequence[EndedAttempt]] = queue.SimpleQueue()
        self._unwritten: list[EndedAttempt] = []
        self._locked: list[EndedAttempt] = []
        """Outcomes that were not written because another transaction had locked their rows. Tried again at
        `_try_locked_at`."""
        self._try_locked_at = 0.0

    def add(self, ended: Sequence[EndedAttempt]) -> None:
        """Queue the outcomes of attempts that have ended."""
        for held, _ in ended:
            held.ended = True
        self._handed_over.put(ended)

    def run_once(self) -> int:
        """Write the outcomes that wait, after waiting up to 0.2 s for the first. Returns 0 if none came.

        Raises when the database is unavailable. The outcomes are kept, their leases are still renewed, and the next
        pass tries again. A commit whose reply was lost is tried again too; by then it matches no lease and counts as
        late.
        """
        if not self._unwritten:
            self._gather(wait_s=0.2)
        if self._locked and time.monotonic() >= self._try_locked_at:
            self._unwritten += self._locked
            self._locked = []
        if not self._unwritten:
            return 0
        self._discard_lost()
        # Outcomes whose rows were locked form batches of their own, so that the others do not wait for them.
        batches: dict[tuple[type, bool], list[EndedAttempt]] = {}
        for each in self._unwritten:
            batches.setdefault((type(each[1]), each[0].row_locked), []).append(each)
        for (kind, _), batch in batches.items():
            self._write(kind, batch)
        return 1

    def _gather(self, *, wait_s: float) -> None:
        try:
            self._unwritten += self._handed_over.get(timeout=wait_s)
            while len(self._unwritten) < _MOST_TOGETHER:
                self._unwritten += self._handed_over.get_nowait()
        except queue.Empty:
            pass

    def _discard_lost(self) -> None:
        """Drop the outcomes of attempts that lost their lease.

        Their messages stay: they belong to the jobs' new holders.
        """
        lost = [(h, o) for h, o in self._unwritten if h.stop_reason is StopReason.LOST or isinstance(o, Lost)]
        for held, outcome in lost:
            self._let_go([(held, outcome)])
            log.info("attempt.dropped", extra=held.log_fields)

    def _write(self, kind: type, batch: Sequence[EndedAttempt]) -> None:
        began_ns = time.time_ns()
        try:
            with self._engine.connect() as conn:
                statuses = self._statement(kind, batch)(conn, [outcome for _, outcome in batch])
        except (DBAPIError, PoolTimeout) as error:
            if is_unavailable(error):
                raise
            self._write_one_by_one(kind, batch, error)
            return
        batch = self._put_locked_off(batch, statuses)
        attempt_spans.record_write(_VERBS[kind], batch, began_ns=began_ns)
        self._log_and_count(kind, batch, statuses)
        self._let_go(batch)
        self._acknowledgements.add([held.receipt for held, _ in batch])

    def _put_locked_off(self, batch: Sequence[EndedAttempt], statuses: Outcomes) -> Sequence[EndedAttempt]:
        """Keep outcomes whose rows were locked for another try. Returns the others."""
        locked = [one for one in batch if statuses.get(one[0].lease.token) is JobStatus.PROCESSING]
        if not locked:
            return batch
        waiting = {id(held) for held, _ in locked}
        self._unwritten = [one for one in self._unwritten if id(one[0]) not in waiting]
        self._locked += locked
        self._try_locked_at = time.monotonic() + _LOCKED_AGAIN_S
        for held, _ in locked:
            held.row_locked = True
            log.info("attempt.row_locked", extra=held.log_fields)
        return [one for one in batch if id(one[0]) not in waiting]

    def _statement(self, kind: type, batch: Sequence[EndedAttempt]) -> Callable[[Connection, Sequence[Any]], Outcomes]:
        some_locked = any(held.row_locked for held, _ in batch)
        statements: Mapping[type, Callable[[Connection, Sequence[Any]], Outcomes]] = {
            Success: lambda conn, outcomes: succeed(conn, outcomes, some_locked=some_locked),
            Failure: lambda conn, outcomes: finish.fail(conn, outcomes, ring_after_s=self._ring_after_s),
            Cancelled: lambda conn, outcomes: finish.cancel_held(conn, [o.lease for o in outcomes]),
            GivenBack: lambda conn, outcomes: finish.give_back(conn, outcomes, ring_after_s=self._ring_after_s),
        }
        return statements[kind]

    def _write_one_by_one(self, kind: type, batch: Sequence[EndedAttempt], error: SQLAlchemyError) -> None:
        """Write a batch row by row after the database refused it, so that one bad row does not hold back the others.

        An outcome that is refused on its own is dropped. Its lease will run out, and the sweeper decides about the job.
        """
        if len(batch) > 1:
            for one in batch:
                self._write(kind, [one])
            return
        [(held, _)] = batch
        log.error("attempt.unwritable", exc_info=error, extra=held.log_fields)
        self._let_go(batch)

    def _log_and_count(self, kind: type, batch: Sequence[EndedAttempt], statuses: Outcomes) -> None:
        """Log and count how each attempt ended.

        An attempt without a status had lost its lease, so its write changed nothing.
        """
        ended_at = time.monotonic()
        alike: defaultdict[tuple[str, str, str, JobStatus], list[Held]] = defaultdict(list)
        for held, outcome in batch:
            status = statuses.get(held.lease.token)
            if status is None:
                metrics.LATE_WRITES.labels(_VERBS[kind]).inc()
                log.warning("attempt.late_write_refused", extra=held.log_fields)
                continue
            label = "given_back" if kind is GivenBack and status is JobStatus.PENDING else _LABELS[status]
            cause = outcome.cause if isinstance(outcome, GivenBack) else None
            reason = outcome.code if isinstance(outcome, Failure) else cause.code if cause else "none"
            alike[label, reason, held.job.report_type, status].append(held)
            level = logging.DEBUG if held.inline and status is JobStatus.SUCCESS else logging.INFO
            if log.isEnabledFor(level):
                more = {"outcome": label, "status": status, "seconds": round(ended_at - held.started_at, 3)}
                log.log(level, "attempt.ended", extra={**held.log_fields, **more})
        for (label, reason, report_type, status), group in alike.items():
            _count(group, ended_at, status, label, reason, report_type_label(report_type))

    def _let_go(self, batch: Sequence[EndedAttempt]) -> None:
        """Forget these attempts: nothing more is written for them, and their leases are no longer renewed."""
        gone = {id(held) for held, _ in batch}
        self._unwritten = [(h, o) for h, o in self._unwritten if id(h) not in gone]
        self._in_flight.remove([held.lease for held, _ in batch])


def _count(
    group: Sequence[Held], ended_at: float, status: JobStatus, label: str, reason: str, report_type: str
) -> None:
    metrics.ATTEMPTS.labels(label, known(reason, REASONS), report_type).inc(len(group))
    lengths_s = [ended_at - held.started_at for held in group]
    observe_all(metrics.ATTEMPT_SECONDS.labels(report_type, label), lengths_s)
    if status.final:
        # The client asked for this end, so the job is cancelled whatever error its attempt met.
        reason = "requested" if status is JobStatus.CANCELLED else reason
        ages_s = [h.job.seconds_since_accepted + length_s for h, length_s in zip(group, lengths_s, strict=True)]
        count_finished(label, reason, report_type, ages_s)
