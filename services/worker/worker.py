"""The worker's parts put together, and how they stop."""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.engine import Engine

from services.worker import acknowledgements, metrics
from services.worker.acknowledgements import Acknowledgements
from services.worker.attempt import Attempts
from services.worker.finisher import Finisher
from services.worker.heartbeat import TICK_S, Heartbeat
from services.worker.held import Held, StopReason
from services.worker.in_flight import InFlight
from services.worker.intake import Intake
from services.worker.outcomes import EndedAttempt
from services.worker.pollers import Pollers
from services.worker.settings import WorkerSettings
from shared.queues.interface import Queue
from shared.runtime.loop import run_until
from shared.runtime.stopping import wait_until_stopped

log = logging.getLogger(__name__)

_HAND_OVER_AFTER_S = 0.02
"""Attempts in one thread hand their outcomes over together, unless they take this long."""
_LAST_WRITES_S = 5.0
"""After the grace, how long the outcomes of what was stopped may take to be written."""


class Worker:
    """Intake → attempts → finisher, with a heartbeat over all of them."""

    def __init__(
        self, settings: WorkerSettings, *, engine: Engine, queue: Queue, attempts: Attempts, name: str
    ) -> None:
        self._settings = settings
        self._attempts = attempts
        self._in_flight = InFlight(settings.slots)
        self._intake_stop = threading.Event()
        self._rest_stop = threading.Event()
        self._pool = ThreadPoolExecutor(settings.slots, thread_name_prefix="attempt")
        self._acknowledgements = Acknowledgements(queue)
        self._finisher = Finisher(engine, self._acknowledgements, self._in_flight, ring_after_s=settings.ring_after_s)
        self._heartbeat = Heartbeat(
            engine,
            queue,
            self._in_flight,
            lease_s=settings.lease_s,
            heartbeat_s=settings.heartbeat_s,
            visibility_s=settings.visibility_s,
        )
        intake = Intake(
            engine,
            queue,
            self._in_flight,
            self._dispatch,
            worker=name,
            lease_s=settings.lease_s,
            visibility_s=settings.visibility_s,
            poll_s=settings.poll_s,
            stop=self._intake_stop,
        )
        self._pollers = Pollers(
            intake, slots=settings.slots, stop=self._intake_stop, behind=lambda: self._acknowledgements.behind
        )
        metrics.SLOTS.set(settings.slots)
        metrics.SLOTS_BUSY.set_function(lambda: self._in_flight.working)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish within the grace and give the rest back."""
        tick_s = min(TICK_S, self._settings.heartbeat_s)
        self._pollers.start_polling()
        rest = [
            threading.Thread(target=run_until, args=(self._rest_stop, each), kwargs={"idle_s": idle_s}, name=name)
            for name, each, idle_s in (
                ("heartbeat", self._heartbeat.run_once, tick_s),
                # It outlives the pollers: what they bring after the stop goes back at once.
                ("starter", self._pollers.run_once, 0.001),
                ("finisher", self._finisher.run_once, 0.001),
                *[("acknowledgements", self._acknowledgements.run_once, 0.001)] * acknowledgements.THREADS,
            )
        ]
        for thread in rest:
            thread.start()
        wait_until_stopped(stop)
        self._intake_stop.set()
        self._drain()
        self._rest_stop.set()
        _join(rest, within_s=_LAST_WRITES_S)
        self._acknowledgements.flush()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self, started: Sequence[Held]) -> None:
        if self._intake_stop.is_set():
            for held in started:
                held.ask_to_stop(StopReason.SHUTDOWN)
        inline = []
        for held in started:
            held.inline = self._attempts.inline(held.job)
            if held.inline:
                inline.append(held)
            else:
                self._pool.submit(self._work, [held])
        if inline:
            # One thread for all of them: handing each to its own costs more than the work.
            self._pool.submit(self._work, inline)

    def _work(self, attempts: Sequence[Held]) -> None:
        ended: list[EndedAttempt] = []
        for held in attempts:
            ended.append((held, self._attempts.run(held)))
            if time.monotonic() - held.started_at > _HAND_OVER_AFTER_S:
                self._hand_over(ended)
                ended = []
        self._hand_over(ended)

    def _hand_over(self, ended: Sequence[EndedAttempt]) -> None:
        if ended:
            self._finisher.add(ended)
            self._in_flight.work_ended(len(ended))

    def _drain(self) -> None:
        """Let the attempts finish; after the grace, stop them and give them back uncharged."""
        began = time.monotonic()
        if self._in_flight.wait_until_empty(self._settings.grace_s):
            return
        left = self._in_flight.all()
        log.info("worker.giving_back", extra={"job_ids": [h.lease.job_id for h in left]})
        for held in left:
            held.ask_to_stop(StopReason.SHUTDOWN)
        if not self._in_flight.wait_until_empty(_LAST_WRITES_S):
            ids = [h.lease.job_id for h in self._in_flight.all()]
            log.error(
                "worker.left_behind", extra={"job_ids": ids, "after_s": round(time.monotonic() - began, 1)}
            )  # their leases run out, and the sweeper frees them


def _join(threads: Sequence[threading.Thread], *, within_s: float) -> None:
    """Wait for the loops to end. What they owed is written by now, and the process ends without them.

    A get with a time-out may wait for ever: CPython 3.11's SimpleQueue forgets the time-out when a signal interrupts it
    after the time has passed, as it does in a process that was frozen, woken and asked to stop (seen).
    """
    give_up_at = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))
        if thread.is_alive():
            log.warning("worker.thread_left", extra={"loop": thread.name})
