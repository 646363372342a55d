"""Waiting in tests: bounded, and with a reason when it was in vain."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_pause = threading.Event()


def eventually(look: Callable[[], T], *, within_s: float = 60, what: str = "") -> T:
    """Look until the result is true, and return it. Fails with the last result after `within_s` seconds."""
    give_up_at = time.monotonic() + within_s
    while not (found := look()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {within_s:g} s: {what or look}; last seen: {found!r}")
        _pause.wait(0.02)
    return found
