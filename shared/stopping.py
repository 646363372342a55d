"""Stopping is ordinary: one signal finishes the work at hand, a second one ends the process."""

import itertools
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from sqlalchemy.exc import SQLAlchemyError

from shared.backoff import full_jitter
from shared.database import is_unavailable
from shared.errors import TodokeError

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


def run_until(
    stop: threading.Event,
    run_once: Callable[[], int],
    *,
    idle_s: float,
    busy_s: float = 0.0,
    failing_cap_s: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Call `run_once` until `stop` is set.

    `run_once` returns how many items it handled. A full queue is drained without pausing, and an empty one costs
    one pass per `idle_s`. With `busy_s` the wait after an empty pass begins there and grows with the time since there
    was something to do, by a twentieth of it: a steady trickle is met within `busy_s`. A pass that raises is logged
    and tried again with back-off: a service outlives its database.
    """
    failures = 0
    busy_at = clock()
    while not stop.is_set():
        try:
            handled = run_once()
        except Exception as error:  # noqa: BLE001 - a loop is where a service decides to live on
            failures += 1
            _report(error, run_once, failures)
            stop.wait(full_jitter(failures, base_s=0.2, cap_s=failing_cap_s))
            continue
        failures = 0
        if handled:
            busy_at = clock()
        else:
            stop.wait(min(idle_s, max(busy_s, (clock() - busy_at) / 20)) if busy_s else idle_s)


def _report(error: Exception, run_once: Callable[[], int], failures: int) -> None:
    name = getattr(run_once, "__qualname__", repr(run_once))
    expected = isinstance(error, TodokeError) or is_unavailable(error)
    if expected and (failures in {1, 5} or failures % 50 == 0):
        # SQLAlchemy appends the statement and a link; the first line says what happened.
        cause = str(getattr(error, "orig", None) or error) if isinstance(error, SQLAlchemyError) else str(error)
        log.warning("pass.failed", extra={"loop": name, "reason": cause.strip().splitlines()[:1], "failures": failures})
    elif not expected:
        log.error("pass.broken", exc_info=error, extra={"loop": name, "failures": failures})
