"""Waiting in tests: with a limit, and a reason if the wait fails."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_pause = threading.Event()


class NotYet(Exception):
    """Raised while looking: not true yet. The message is what was seen instead."""


def eventually(look: Callable[[], T], *, within_s: float = 60, what: str = "", every_s: float = 0.02) -> T:
    """Call `look` until its result is true, and return it. Fails with what was last seen after `within_s` seconds."""
    give_up_at = time.monotonic() + within_s
    while True:
        seen: object
        try:
            if found := look():
                return found
            seen = found
        except NotYet as reason:
            seen = reason
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {within_s:g} s: {what or look}; last seen: {seen!r}")
        _pause.wait(every_s)
