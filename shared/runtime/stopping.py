"""Stopping is ordinary: the first signal lets a service finish its work, the second ends the process."""

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
"""Exit code after a second signal. The leases cover the jobs that were in progress."""


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM or SIGINT sets. A second signal ends the process at once."""
    stop = threading.Event()
    # The handler interrupts the main thread anywhere, even inside `stop.wait`, which holds the event's lock for a
    # moment when it begins and ends. Setting the event there, or logging, could deadlock with the main thread itself.
    # `SimpleQueue.put` may be called there (Python library reference, "queue", read 2026-11-25).
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
    """Return once `stop` is set, at most a second later. For the main thread."""
    # In slices: the kernel may deliver a signal to another thread, as it does when a frozen process is woken and asked
    # to stop at once, and Python runs the handler only when the main thread next wakes.
    while not stop.wait(1.0):
        pass


def leave(code: int) -> NoReturn:
    """Flush the logs and end the process at once, with this exit code.

    For a service that has stopped: everything it owed is written, and no library's thread or exit handler may keep it
    alive.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
