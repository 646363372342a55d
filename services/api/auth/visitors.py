"""Limits, by address, how often visitors without a key may use links."""

import time
from collections.abc import Callable

from services.api.auth.access import RateLimited
from services.api.auth.rate_limit import RateLimit

_PER_S, _AT_ONCE = 1.0, 60
"""Requests with links from one address: enough for an office behind one address, too few for a flood."""


class Visitors:
    """Counts requests of visitors, whatever link they present."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = RateLimit(_PER_S, _AT_ONCE, clock)

    def count(self, address: str) -> None:
        """Count a request from this address. Raises RateLimited, before anything is looked up."""
        if wait_s := self._limit.take(f"visits of {address}").wait_s:
            raise RateLimited("Too many requests for shared files from this address", wait_s)
