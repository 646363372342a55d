"""Services start in any order: each waits for what it needs, and logs what it waits for."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from shared.backoff import full_jitter
from shared.errors import TodokeError

log = logging.getLogger(__name__)


class StartupFailed(TodokeError):
    """A dependency of the service did not come up in time."""


def wait_for_all(checks: Mapping[str, Callable[[], None]], *, stop: threading.Event, timeout_s: float) -> bool:
    """`wait_for` each of them.

    Returns False if `stop` was set before all had answered: the service was never ready, and ends silently.
    """
    there = all(wait_for(what, check, stop=stop, timeout_s=timeout_s) for what, check in checks.items())
    if not there:
        log.info("service.stopped", extra={"reason": "told to stop before it was ready"})
    return there


def wait_for(what: str, check: Callable[[], None], *, stop: threading.Event, timeout_s: float) -> bool:
    """Call `check` until it returns, with back-off. Returns False if `stop` is set first.

    `check` raises a TodokeError that says what is missing. After `timeout_s` seconds this raises StartupFailed, so that
    the platform restarts the container and shows why.
    """
    give_up_at = time.monotonic() + timeout_s
    tries = 0
    while not stop.is_set():
        try:
            check()
        except TodokeError as error:
            tries += 1
            if time.monotonic() >= give_up_at:
                raise StartupFailed(f"gave up waiting for {what} after {timeout_s:g} s: {error}") from error
            log.info("service.waiting", extra={"waiting_for": what, "reason": str(error), "tries": tries})
            stop.wait(0.1 + full_jitter(tries, base_s=0.5, cap_s=5))
        else:
            return not stop.is_set()
    return False
