"""Keeps the relay from claiming while the queue is away."""

import time
from collections.abc import Callable

from shared.backoff import full_jitter


class Breaker:
    """Opens when a whole pass was refused. After each back-off it lets one pass through, until one succeeds."""

    def __init__(self, *, base_s: float = 0.5, cap_s: float = 30, clock: Callable[[], float] = time.monotonic) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._clock = clock
        self._refusals = 0
        self._closed_again_at = 0.0

    @property
    def open(self) -> bool:
        """True while passes should not be made."""
        return self._refusals > 0 and self._clock() < self._closed_again_at

    @property
    def probing(self) -> bool:
        """True when the next pass is a trial: keep it small."""
        return self._refusals > 0

    def refused(self) -> float:
        """Record a pass of which nothing was accepted. Returns for how many seconds to make none."""
        self._refusals += 1
        # At least half the step. Full jitter may draw almost zero, which is fair among many clients, but a single
        # relay would ask again at once.
        step = min(self._cap_s, self._base_s * 2.0 ** min(self._refusals - 1, 40))
        wait_s = step / 2 + full_jitter(1, base_s=step / 2, cap_s=step / 2)
        self._closed_again_at = self._clock() + wait_s
        return wait_s

    def accepted(self) -> bool:
        """Record a pass of which something was accepted, and close. Returns True if this ended an outage."""
        ended = self._refusals > 0
        self._refusals = 0
        return ended
