"""Waiting in tests: bounded, and with a reason when it was in vain."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_pause = threading.Event()


class NotYet(Exception):
    """Raised while looking: not true yet, and this is what is seen instead."""


def eventually(look: Callable[[], T], *, within_s: float = 60, what: str = "", every_s: float = 0.02) -> T:
    """Look until the result is true, and return it. Fails with what was last seen after `within_s` seconds."""
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
