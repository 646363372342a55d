"""The attempt pool runs attempts in threads, one per slot, and hands their outcomes to the finisher."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from services.worker.attempt import Attempts
from services.worker.finisher import Finisher
from services.worker.held import Held, StopReason
from services.worker.in_flight import InFlight
from services.worker.outcomes import EndedAttempt

_HAND_OVER_AFTER_S = 0.02
"""Attempts that share a thread hand over their outcomes together, unless one of them takes longer than this."""


class AttemptPool:
    """Runs every attempt that is dispatched. Attempts dispatched after `stop` is set are given back."""

    def __init__(self, attempts: Attempts, in_flight: InFlight, finisher: Finisher, *, stop: threading.Event) -> None:
        self._attempts = attempts
        self._in_flight = in_flight
        self._finisher = finisher
        self._stop = stop
        self._threads = ThreadPoolExecutor(in_flight.slots, thread_name_prefix="attempt")

    def dispatch(self, started: Sequence[Held]) -> None:
        """Run these attempts: each one that makes files in its own thread, and all inline ones one after another in a
        shared thread.
        """
        if self._stop.is_set():
            for held in started:
                held.ask_to_stop(StopReason.SHUTDOWN)
        inline = []
        for held in started:
            if held.inline:
                inline.append(held)
            else:
                self._threads.submit(self._run, [held])
        if inline:
            # Handing each inline attempt to its own thread costs more than its work (make bench ARGS="--only
            # where").
            self._threads.submit(self._run, inline)

    def close(self) -> None:
        """Start no more attempts, and wait for no thread: the process is about to end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, attempts: Sequence[Held]) -> None:
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
