"""How often somebody without a key may ask for what a link leads to, by address."""

import time
from collections.abc import Callable

from services.api.auth.access import RateLimited
from services.api.auth.rate_limit import RateLimit

_PER_S, _AT_ONCE = 1.0, 60
"""Requests with links from one address: an office behind one address gets through, and a flood does not."""


class Visitors:
    """Counts them, whatever they bring."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = RateLimit(_PER_S, _AT_ONCE, clock)

    def count(self, address: str) -> None:
        """Count a request from there. Raises RateLimited, before anything is looked up."""
        if wait_s := self._limit.take(f"visits of {address}").wait_s:
            raise RateLimited("Too many requests for shared files came from this address", wait_s)
