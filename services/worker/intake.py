"""The intake starts the jobs that received messages ring for, and settles every other message."""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.worker import inline, metrics
from services.worker.assembly import Parts
from services.worker.cooldown import Cooldown
from services.worker.held import Held
from services.worker.in_flight import InFlight
from shared.database.engine import transactional
from shared.jobs.admission import admit
from shared.jobs.doorbell import read_doorbell
from shared.jobs.lease import StartedJob, StartResult, start
from shared.queues.interface import MAX_BATCH_ENTRIES, Received
from shared.runtime.metrics.declare import observe_all

log = logging.getLogger(__name__)

_MOST_STARTED = 500
"""Messages in one start. Beyond a few hundred, a longer statement saves nothing more."""
_LOOK_EVERY_S = 0.5
"""How long a pass waits for its first message before the loop checks whether it should stop."""
_UNKNOWN_TRIES = 5
"""How often a doorbell for an unknown job may be received before it is dead-lettered: a restored or lagging database
may still learn of the job."""


class Doorbell(NamedTuple):
    """A message that names a job."""

    job_id: UUID
    message: Received


_FirstOf = Mapping[UUID, Doorbell]
"""Job → the first doorbell for it among those received together."""


class Intake:
    """Takes messages from the pollers' threads and starts their jobs in the thread that calls `run_once`.

    While a start is running the inbox fills, and the next start takes all of it: the same group commit as in the API's
    submitter.
    """

    def __init__(
        self,
        parts: Parts,
        in_flight: InFlight,
        dispatch: Callable[[Sequence[Held]], None],
        cooldown: Cooldown,
        *,
        stop: threading.Event,
        may_take_over: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_take_over()` returns False while live workers may have been unable to renew their leases."""
        self._settings = parts.settings
        self._worker = parts.name
        self._engine = parts.engine
        self._transactions = transactional(parts.engine)
        self._queue = parts.queue
        self._catalog = parts.catalog
        self._in_flight = in_flight
        self._dispatch = dispatch
        self._stop = stop
        self._fitness = parts.fitness
        self._cooldown = cooldown
        self._may_take_over = may_take_over
        self._inbox: queue.SimpleQueue[Sequence[Received]] = queue.SimpleQueue()
        self._failing = False
        self._started = 0
        """Jobs started so far, counted by the thread that starts them."""

    def put(self, received: Sequence[Received]) -> None:
        """Add the messages of one poll to the inbox.

        A slot is reserved for each; the intake frees the slots it does not use.
        """
        self._inbox.put(received)

    @property
    def blocked(self) -> bool:
        """True while starts fail and messages wait for one.

        Polling pauses then, because each receive of a message counts.
        """
        return self._failing and not self._inbox.empty()

    def run_once(self) -> int:
        """Start all jobs in the inbox, after waiting up to 0.5 s for the first message.

        Returns how many messages came.
        """
        received = [message for poll in self._gathered() for message in poll]
        try:
            self._deal_with(received)
        except Exception:
            self._failing = True
            raise
        self._failing = False
        return len(received)

    def _gathered(self) -> Iterator[Sequence[Received]]:
        many = 0
        try:
            yield self._inbox.get(timeout=_LOOK_EVERY_S)
            while (many := many + MAX_BATCH_ENTRIES) < _MOST_STARTED:
                yield self._inbox.get_nowait()
        except queue.Empty:
            pass

    def _deal_with(self, received: Sequence[Received]) -> None:
        before = self._started
        try:
            if received and (self._stop.is_set() or not self._fitness.fit):
                self._hand_back(received)
            elif received:
                metrics.REDELIVERIES.inc(sum(m.receive_count > 1 for m in received))
                if doorbells := self._for_this_worker(self._understand(received)):
                    self._start(doorbells)
        finally:
            self._in_flight.release(len(received) - (self._started - before))

    def _hand_back(self, messages: Iterable[Received]) -> None:
        """Make these messages visible to other workers at once."""
        self._queue.extend([m.receipt for m in messages], visibility_s=0)

    def _understand(self, received: Iterable[Received]) -> list[Doorbell]:
        doorbells = []
        for message in received:
            job_id, problem = read_doorbell(message.body)
            if job_id is None:
                metrics.STARTS.labels(problem).inc()
                self._put_aside(message, problem)
            else:
                doorbells.append(Doorbell(job_id, message))
        return doorbells

    def _for_this_worker(self, doorbells: list[Doorbell]) -> list[Doorbell]:
        """Leave out doorbells of jobs that this worker holds, or gave back through its own fault, and hide them for a
        while.
        """
        held = self._in_flight.job_ids()
        ours = []
        for doorbell in doorbells:
            left_s = self._cooldown.seconds_left(doorbell.job_id)
            if doorbell.job_id in held or left_s > 0:
                metrics.STARTS.labels("left_alone").inc()
                self._hide(doorbell.message, most_s=max(1, min(900, math.ceil(left_s or 900))))
            else:
                ours.append(doorbell)
        return ours

    def _start(self, doorbells: Sequence[Doorbell]) -> None:
        # A stop between the statement and `add` must wait; otherwise nobody would work on these jobs until their
        # leases end.
        with self._in_flight.starting():
            if self._stop.is_set():
                self._hand_back(d.message for d in doorbells)
                return
            result = self._take_leases(doorbells)
            first_of: dict[UUID, Doorbell] = {}
            copies = [d for d in doorbells if first_of.setdefault(d.job_id, d) is not d]
            self._dispatch(self._hold(result.started, first_of))
        self._settle_others(result, first_of, copies)

    def _take_leases(self, doorbells: Sequence[Doorbell]) -> StartResult:
        ids = [d.job_id for d in doorbells]
        try:
            with self._engine.connect() as conn:
                result = start(
                    conn,
                    ids,
                    worker=self._worker,
                    lease_s=self._settings.lease_s,
                    take_over=self._may_take_over(),
                )
            return self._admit(result) if result.gated else result
        except (DBAPIError, PoolTimeout):
            # Not made visible at once, or the messages would return as fast as the queue can deliver them.
            self._queue.extend([d.message.receipt for d in doorbells], visibility_s=5)
            raise

    def _admit(self, result: StartResult) -> StartResult:
        """Start capped jobs as far as their caps have room.

        The others are held, and their messages are no longer needed.
        """
        try:
            with self._transactions.begin() as conn:
                admitted = admit(conn, result.gated, worker=self._worker, lease_s=self._settings.lease_s)
        except (DBAPIError, PoolTimeout) as error:
            # The uncapped jobs have started already. Only the capped ones are decided here.
            log.warning("jobs.not_admitted", extra={"jobs": len(result.gated), "reason": str(error)[:200]})
            return replace(result, contended=result.contended | result.gated, gated=frozenset())
        left = result.gated - admitted.held - {job.lease.job_id for job in admitted.started}
        started = [*result.started, *admitted.started]
        return replace(result, started=started, gated=admitted.held, contended=result.contended | left)

    def _hold(self, started: Sequence[StartedJob], first_of: _FirstOf) -> Sequence[Held]:
        """Put the started jobs in flight, each with its message, so that the heartbeat renews their leases."""
        metrics.STARTS.labels("started").inc(len(started))
        observe_all(metrics.WAITED_SECONDS, [job.seconds_waited for job in started])
        now = time.monotonic()
        held = []
        for job in started:
            message = first_of[job.lease.job_id].message
            runs_inline = inline.runs(self._catalog, job.report_type)
            held.append(Held(job, message.receipt, now=now, headers=message.headers, inline=runs_inline))
        self._in_flight.add(held)
        self._started += len(held)
        return held

    def _settle_others(self, result: StartResult, first_of: _FirstOf, copies: Sequence[Doorbell]) -> None:
        """Settle the messages that started nothing.

        Most are redundant and are deleted: the job's row, its own doorbell or the sweeper covers the job.
        """
        metrics.STARTS.labels("duplicate").inc(len(copies))
        done = list(copies)
        for outcome in ("final", "busy", "not_due", "gated"):
            ids = getattr(result, outcome)
            metrics.STARTS.labels(outcome).inc(len(ids))
            done += [first_of[job_id] for job_id in ids]
        if done:
            self._queue.delete([d.message.receipt for d in done])
        metrics.STARTS.labels("contended").inc(len(result.contended))
        if result.contended:
            self._queue.extend([first_of[i].message.receipt for i in result.contended], visibility_s=2)
        for job_id in result.unknown:
            metrics.STARTS.labels("unknown").inc()
            self._retry_or_put_aside(first_of[job_id])

    def _retry_or_put_aside(self, doorbell: Doorbell) -> None:
        if doorbell.message.receive_count >= _UNKNOWN_TRIES:
            self._put_aside(doorbell.message, "unknown")
        else:
            self._hide(doorbell.message)

    def _put_aside(self, message: Received, problem: str) -> None:
        log.warning("message.put_aside", extra={"reason": problem, "message_id": message.message_id})
        if self._queue.dead_letter(message, reason=problem):
            metrics.DEAD_LETTERED.labels(problem).inc()
        else:
            self._hide(message)

    def _hide(self, message: Received, *, most_s: int = 900) -> None:
        """Hide the message, longer each time it is received. The queue's redrive policy ends the repetition."""
        self._queue.extend([message.receipt], visibility_s=min(most_s, 5 * 2 ** min(message.receive_count, 8)))
