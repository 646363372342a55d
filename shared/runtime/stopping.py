"""Stopping is ordinary: one signal finishes the work at hand, a second one ends the process."""

import itertools
import logging
import os
import queue
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

log = logging.getLogger(__name__)

EXIT_SECOND_SIGNAL = 130
"""Exit code when a second signal cut the graceful stop short. The leases cover what was under way."""


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM or SIGINT sets. The second signal ends the process on the spot."""
    stop = threading.Event()
    # The handler interrupts the main thread anywhere, also within `stop.wait`, which holds the event's lock for a
    # moment at its beginning and end: setting the event there, or logging, could wait for ever for the main thread
    # itself. `SimpleQueue.put` is made for that place (Python library reference, "queue", read 2026-11-25).
    asked: queue.SimpleQueue[int] = queue.SimpleQueue()
    signals = itertools.count(1)

    def handle(number: int, _frame: FrameType | None) -> None:
        if next(signals) > 1:
            os._exit(EXIT_SECOND_SIGNAL)
        asked.put(number)

    def listen() -> None:
        log.info("service.stopping", extra={"signal": signal.Signals(asked.get()).name})
        stop.set()

    threading.Thread(target=listen, name="signals", daemon=True).start()
    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def wait_until_stopped(stop: threading.Event) -> None:
    """Return once `stop` is set.

    In slices: the kernel may give a signal to another thread (it does when a frozen process is woken and at once asked
    to stop), and Python runs the handler only when the main thread next wakes.
    """
    while not stop.wait(1.0):
        pass


def leave(code: int) -> NoReturn:
    """End the process at once, its logs flushed. For a service that has stopped: everything it owed is written, and
    whatever a library still does in a thread or at its exit must not keep the process alive."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
