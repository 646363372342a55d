"""Doorbells in, started jobs out: ask for what there is room for, start it, and deal with every other message."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.worker import metrics
from services.worker.in_flight import Held, InFlight
from shared.jobs.doorbell import read_doorbell
from shared.jobs.lease import StartResult, start
from shared.queues.interface import MAX_BATCH_ENTRIES, Queue, QueueUnavailable, Received
from shared.runtime.metrics.declare import observe_all

log = logging.getLogger(__name__)

_UNKNOWN_TRIES = 5
"""A doorbell for a job that does not exist is looked at this often before it is put aside: a restored or
lagging database may still learn of the job."""


class Doorbell(NamedTuple):
    """A message that names a job."""

    job_id: UUID
    message: Received


class Intake:
    """Receives only what can start at once: nothing is prefetched, so nothing waits behind a long job.

    `poll` may run in several threads, `start` in one.
    """

    def __init__(
        self,
        engine: Engine,
        queue: Queue,
        in_flight: InFlight,
        dispatch: Callable[[Sequence[Held]], None],
        *,
        worker: str,
        lease_s: float,
        visibility_s: float,
        poll_s: float,
        stop: threading.Event,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._in_flight = in_flight
        self._dispatch = dispatch
        self._worker = worker
        self._lease_s = lease_s
        self._visibility_s = visibility_s
        self._poll_s = poll_s
        self._stop = stop
        self._added = 0
        """Jobs started so far. One thread starts."""

    def run_once(self) -> int:
        """One long poll and one start, for whoever has no pollers of their own. Returns how many messages came."""
        received = self.poll()
        self.start(received)
        return len(received)

    def poll(self) -> list[Received]:
        """One long poll, for as many messages as there are free slots; they stay reserved for `start`."""
        reserved = self._in_flight.reserve(MAX_BATCH_ENTRIES, timeout_s=0.5)
        received: list[Received] = []
        try:
            if reserved and not self._stop.is_set():
                received = self._queue.receive(reserved, wait_s=self._poll_s, visibility_s=self._visibility_s)
                metrics.POLLS.labels("ok").inc()
        except QueueUnavailable:
            metrics.POLLS.labels("failed").inc()
            raise
        finally:
            self._in_flight.release(reserved - len(received))
        return received

    def start(self, received: Sequence[Received]) -> None:
        """Start what these messages ring for, in one statement however many polls brought them."""
        before = self._added
        try:
            if received and self._stop.is_set():
                self._queue.extend([m.receipt for m in received], visibility_s=0)
            elif received:
                metrics.REDELIVERIES.inc(sum(m.receive_count > 1 for m in received))
                if doorbells := self._understand(received):
                    self._start(doorbells)
        finally:
            self._in_flight.release(len(received) - (self._added - before))

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

    def _start(self, doorbells: Sequence[Doorbell]) -> None:
        # A stop between the statement and `add` has to wait, or nobody would own the jobs until their leases end.
        with self._in_flight.starting():
            if self._stop.is_set():
                self._queue.extend([d.message.receipt for d in doorbells], visibility_s=0)
                return
            result, first_of, copies = self._start_now(doorbells)
        self._settle_others(result, first_of, copies)

    def _start_now(self, doorbells: Sequence[Doorbell]) -> tuple[StartResult, dict[UUID, Doorbell], list[Doorbell]]:
        try:
            with self._engine.connect() as conn:
                result = start(conn, [d.job_id for d in doorbells], worker=self._worker, lease_s=self._lease_s)
        except (DBAPIError, PoolTimeout):
            # Not at once: the database would see them again as fast as the queue can deliver.
            self._queue.extend([d.message.receipt for d in doorbells], visibility_s=5)
            raise
        first_of: dict[UUID, Doorbell] = {}
        copies = [d for d in doorbells if first_of.setdefault(d.job_id, d) is not d]
        metrics.STARTS.labels("started").inc(len(result.started))
        observe_all(metrics.WAITED_SECONDS, [job.seconds_waited for job in result.started])
        messages = ((job, first_of[job.lease.job_id].message) for job in result.started)
        held = self._in_flight.add((job, message.receipt, message.headers) for job, message in messages)
        self._added += len(held)
        self._dispatch(held)
        return result, first_of, copies

    def _settle_others(self, result: StartResult, first_of: dict[UUID, Doorbell], copies: list[Doorbell]) -> None:
        """Deletes doorbells that have nothing to say: the row, its own doorbell or the sweeper covers the job."""
        metrics.STARTS.labels("duplicate").inc(len(copies))
        done = list(copies)
        for outcome in ("final", "busy", "not_due"):
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
            self._look_again_or_put_aside(first_of[job_id])

    def _look_again_or_put_aside(self, doorbell: Doorbell) -> None:
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

    def _hide(self, message: Received) -> None:
        """Come back later each time; the queue's redrive policy ends it."""
        self._queue.extend([message.receipt], visibility_s=min(900, 5 * 2 ** min(message.receive_count, 8)))
