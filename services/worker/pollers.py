"""Several polls at once while there is much to do, one while there is not; and one start for all they bring."""

import queue
import threading
from collections.abc import Callable, Iterator

from services.worker.intake import Intake
from shared.queues.interface import MAX_BATCH_ENTRIES, Received
from shared.runtime.loop import run_until

_MOST_POLLS = 16
"""Polls at once. SQS brings ten messages a call in about 10 ms: sixteen calls bring what one process can work."""
_MOST_STARTED = 500
"""Messages in one start: under load it takes what came while the one before was under way, and beyond some hundred a
statement saves nothing more."""
_LOOK_EVERY_S = 0.5


class Pollers:
    """One thread always polls, others only after a poll that came back full; what they bring waits in the inbox.

    At rest that is one long poll after another: 180 requests an hour. Under load the inbox fills while a start is
    under way, and the next start takes all of it: the same group commit as in the API's submitter.
    """

    def __init__(self, intake: Intake, *, slots: int, stop: threading.Event, behind: Callable[[], bool]) -> None:
        """`behind`: whether what was received before has to be done away with first."""
        self._intake = intake
        self._behind = behind
        self._stop = stop
        self._inbox: queue.SimpleQueue[list[Received]] = queue.SimpleQueue()
        self._helpers = max(0, min(_MOST_POLLS, slots // MAX_BATCH_ENTRIES) - 1)
        self._wanted = threading.Semaphore(0)
        self._asleep = self._helpers
        self._lock = threading.Lock()
        self._failing = False

    def start_polling(self) -> None:
        """Poll until `stop`. Daemons: a request may hang for as long as a long poll, and must not hold the exit up."""
        for run_once in (self._poll, *[self._help] * self._helpers):
            threading.Thread(
                target=run_until, args=(self._stop, run_once), kwargs={"idle_s": 0.01}, name="poller", daemon=True
            ).start()

    def run_once(self) -> int:
        """Start everything in the inbox. Returns how many messages that were; waits a little for the first."""
        received = [message for batch in self._waiting() for message in batch]
        try:
            self._intake.start(received)
        except Exception:
            self._failing = True
            raise
        self._failing = False
        return len(received)

    def _waiting(self) -> Iterator[list[Received]]:
        many = 0
        try:
            yield self._inbox.get(timeout=_LOOK_EVERY_S)
            while (many := many + MAX_BATCH_ENTRIES) < _MOST_STARTED:
                yield self._inbox.get_nowait()
        except queue.Empty:
            pass

    def _poll(self) -> int:
        """One poll. Returns how many messages it brought; a full one calls a helper."""
        if self._behind() or (self._failing and not self._inbox.empty()):
            # Acknowledgements are behind, or the database is away: asking for more would only wear messages out.
            self._pause()
            return 0
        received = self._intake.poll()
        if received:
            self._inbox.put(received)
        if len(received) == MAX_BATCH_ENTRIES:
            self._call_helper()
        return len(received)

    def _pause(self) -> None:
        self._stop.wait(_LOOK_EVERY_S)

    def _help(self) -> int:
        """Poll as long as polls come back full."""
        if not self._wanted.acquire(timeout=_LOOK_EVERY_S):
            return 0
        try:
            while not self._stop.is_set() and self._poll() == MAX_BATCH_ENTRIES:
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
        self._wanted.release()
