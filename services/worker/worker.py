"""The worker puts its loops together, runs them and stops them."""

import logging
import threading
import time
from collections.abc import Sequence

from services.worker import acknowledgements, metrics
from services.worker.acknowledgements import Acknowledgements
from services.worker.assembly import Parts
from services.worker.attempt import Attempts
from services.worker.attempt_pool import AttemptPool
from services.worker.cooldown import Cooldown
from services.worker.finisher import Finisher
from services.worker.heartbeat import TICK_S, Heartbeat
from services.worker.held import StopReason
from services.worker.in_flight import InFlight
from services.worker.intake import Intake
from services.worker.pollers import Pollers
from services.worker.presence import TICK_S as PRESENCE_TICK_S
from services.worker.presence import PresenceBeat
from services.worker.scratch import TIDY_EVERY_S, Scratch
from shared.database.contact import Contact
from shared.runtime.loop import run_until
from shared.runtime.stopping import wait_until_stopped

log = logging.getLogger(__name__)

_LAST_WRITES_S = 5.0
"""How long, after the grace period, the outcomes of stopped attempts may take to be written."""


class Worker:
    """Pollers → intake → attempts → finisher → acknowledgements, with a heartbeat over all that is in flight."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings
        self._leaving = threading.Event()
        """Set first: from then on nothing more is received or started."""
        self._drained = threading.Event()
        """Set last: from then on the other loops have nothing left to do."""
        self._in_flight = InFlight(parts.settings.slots)
        self._acknowledgements = Acknowledgements(parts.queue)
        self._finisher = Finisher(parts, self._in_flight, self._acknowledgements)
        self._heartbeat = Heartbeat(parts, self._in_flight)
        self._presence = PresenceBeat(parts, self._in_flight)
        cooldown = Cooldown()
        self._fitness = parts.fitness
        self._scratch = Scratch(parts.settings.scratch, parts.engine)
        attempts = Attempts(parts, cooldown, self._scratch)
        self._pool = AttemptPool(attempts, self._in_flight, self._finisher, stop=self._leaving)
        heartbeat_s, lease_s = parts.settings.heartbeat_s, parts.settings.lease_s
        contact = Contact(parts.engine, gap_s=min(2 * heartbeat_s + 5, lease_s - heartbeat_s))
        self._intake = Intake(
            parts,
            self._in_flight,
            self._pool.dispatch,
            cooldown,
            stop=self._leaving,
            may_take_over=lambda: contact.unbroken_s >= 2 * heartbeat_s,
        )
        self._pollers = Pollers(
            parts, self._in_flight, self._intake, stop=self._leaving, behind=lambda: self._acknowledgements.behind
        )
        metrics.SLOTS.set(self._in_flight.slots)
        metrics.SLOTS_BUSY.set_function(lambda: self._in_flight.working)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then finish what ends within the grace period and give the rest back."""
        self._pollers.start_polling()
        loops = self._start_loops()
        wait_until_stopped(stop)
        self._leaving.set()
        self._drain()
        self._drained.set()
        self._acknowledgements.end()
        _join(loops, within_s=_LAST_WRITES_S)
        self._acknowledgements.flush()
        self._presence.leave()
        self._pool.close()
        self._scratch.close()

    def _start_loops(self) -> Sequence[threading.Thread]:
        """Start all loops except the pollers. They go on until nothing is in flight any more."""
        tick_s = min(TICK_S, self._settings.heartbeat_s)
        # After an outage the heartbeat must have renewed before any worker may take the jobs for abandoned.
        cap_s = min(10.0, self._settings.heartbeat_s)
        loops = [
            threading.Thread(
                target=run_until,
                args=(self._drained, run_once),
                kwargs={"idle_s": idle_s, "failing_cap_s": cap_s if name == "heartbeat" else 10.0},
                name=name,
            )
            for name, run_once, idle_s in (
                ("heartbeat", self._heartbeat.run_once, tick_s),
                # This loop outlives the pollers: messages that arrive after the stop are handed back at once.
                ("starter", self._intake.run_once, 0.001),
                ("finisher", self._finisher.run_once, 0.001),
                ("fitness", self._fitness.run_once, 0.5),
                ("presence", self._presence.run_once, PRESENCE_TICK_S),
                ("scratch", self._scratch.run_once, TIDY_EVERY_S),
                *[("acknowledgements", self._acknowledgements.run_once, 0.001)] * acknowledgements.THREADS,
            )
        ]
        for loop in loops:
            loop.start()
        return loops

    def _drain(self) -> None:
        """Let the attempts finish; after the grace period, stop them and give them back uncharged."""
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


def _join(loops: Sequence[threading.Thread], *, within_s: float) -> None:
    """Wait up to `within_s` for the loops to end.

    One that does not end is left behind: everything it owed is written by now.
    """
    # CPython 3.11's SimpleQueue loses the timeout of a `get` when a signal interrupts it after the timeout has
    # passed, as in a process that was frozen, woken and asked to stop. That `get` then waits forever.
    give_up_at = time.monotonic() + within_s
    for loop in loops:
        loop.join(max(0.0, give_up_at - time.monotonic()))
        if loop.is_alive():
            log.warning("worker.thread_left", extra={"loop": loop.name})
