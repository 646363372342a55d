"""Pollers receive messages: several at once while there is much to do, otherwise one."""

import threading
from collections.abc import Callable

from services.worker import metrics
from services.worker.assembly import Parts
from services.worker.in_flight import InFlight
from services.worker.intake import Intake
from shared.queues.interface import MAX_BATCH_ENTRIES, QueueUnavailable, Received
from shared.runtime.loop import run_until

_MOST_POLLS = 16
"""Polls at once. SQS brings ten messages per call in about 10 ms, so sixteen bring as much as one process can do."""
_LOOK_EVERY_S = 0.5
"""How often a waiting poller checks whether it may poll again, is needed to help, or should stop."""


class Pollers:
    """One thread always polls; others help only after a poll that came back full.

    A poll asks for no more messages than there are free slots. Nothing is prefetched, so no job waits behind another.
    """

    # When there is nothing to do, that is one long poll of 20 s after another: 180 requests per hour.

    def __init__(
        self, parts: Parts, in_flight: InFlight, intake: Intake, *, stop: threading.Event, behind: Callable[[], bool]
    ) -> None:
        """`behind()` is true while message deletions lag; polling pauses until they catch up."""
        self._settings = parts.settings
        self._queue = parts.queue
        self._in_flight = in_flight
        self._intake = intake
        self._fitness = parts.fitness
        self._stop = stop
        self._behind = behind
        self._helpers = max(0, min(_MOST_POLLS, in_flight.slots // MAX_BATCH_ENTRIES) - 1)
        self._asleep = self._helpers
        self._calls = threading.Semaphore(0)
        self._lock = threading.Lock()

    def start_polling(self) -> None:
        """Poll in separate threads until `stop` is set.

        The threads are daemons: a long poll may outlast the stop, and must not delay the exit.
        """
        for run_once in (self.run_once, *[self._help_once] * self._helpers):
            threading.Thread(
                target=run_until, args=(self._stop, run_once), kwargs={"idle_s": 0.01}, name="poller", daemon=True
            ).start()

    def run_once(self) -> int:
        """Poll once and hand the messages to the intake. Returns how many came. A full poll wakes a helper."""
        if self._behind() or self._intake.blocked or not self._fitness.fit:
            self._pause()
            return 0
        received = self._receive()
        if received:
            self._intake.put(received)
        if len(received) == MAX_BATCH_ENTRIES:
            self._call_helper()
        return len(received)

    def _receive(self) -> list[Received]:
        """Receive messages for the free slots, which stay reserved until the intake has dealt with the messages."""
        reserved = self._in_flight.reserve(MAX_BATCH_ENTRIES, timeout_s=0.5)
        received: list[Received] = []
        try:
            if reserved and not self._stop.is_set():
                received = self._queue.receive(
                    reserved, wait_s=self._settings.poll_s, visibility_s=self._settings.visibility_s
                )
                metrics.POLLS.labels("ok").inc()
                self._fitness.polled()
        except QueueUnavailable as error:
            metrics.POLLS.labels("failed").inc()
            self._fitness.polled(str(error))
            raise
        finally:
            self._in_flight.release(reserved - len(received))
        return received

    def _pause(self) -> None:
        self._stop.wait(_LOOK_EVERY_S)

    def _help_once(self) -> int:
        """Wait briefly to be woken, then poll as long as polls come back full. Returns 1 if it was woken."""
        if not self._calls.acquire(timeout=_LOOK_EVERY_S):
            return 0
        try:
            while not self._stop.is_set() and self.run_once() == MAX_BATCH_ENTRIES:
                pass
        finally:
            with self._lock:
                self._asleep += 1
        return 1

    def _call_helper(self) -> None:
        with self._lock:
            if self._asleep == 0:
                return
            self._asleep -= 1
        self._calls.release()
