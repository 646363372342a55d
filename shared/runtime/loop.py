"""The loop of every service calls one pass after another until it is told to stop."""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from shared.backoff import full_jitter
from shared.database.unavailable import is_unavailable
from shared.errors import TodokeError

log = logging.getLogger(__name__)


def run_until(
    stop: threading.Event,
    run_once: Callable[[], int],
    *,
    idle_s: float,
    busy_s: float = 0.0,
    failing_cap_s: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Call `run_once` until `stop` is set; wait up to `idle_s` seconds after an empty pass.

    `run_once` returns how many items it handled, so a full queue is drained without pausing, and an empty one costs one
    pass per `idle_s`. With `busy_s`, the wait begins there and grows to a twentieth of the time since the last item:
    items that keep coming are met within `busy_s`. A pass that raises is logged and tried again with back-off, up to
    `failing_cap_s` seconds: a service outlives its database.
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
        # SQLAlchemy appends the statement and a link to its errors. The first line says what happened.
        cause = str(getattr(error, "orig", None) or error) if isinstance(error, SQLAlchemyError) else str(error)
        log.warning("pass.failed", extra={"loop": name, "reason": cause.strip().splitlines()[:1], "failures": failures})
    elif not expected:
        log.error("pass.broken", exc_info=error, extra={"loop": name, "failures": failures})
