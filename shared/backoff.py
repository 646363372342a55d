"""How long to wait before trying again."""

import random


def full_jitter(tries: int, *, base_s: float, cap_s: float) -> float:
    """Return a random wait between 0 and `base_s` · 2^(tries - 1), at most `cap_s` seconds; `tries` counts from 1.

    Full jitter spreads a crowd that failed together better than adding a little noise to a fixed step (AWS Architecture
    Blog, "Exponential Backoff And Jitter", 2015, read 2026-11-23).
    """
    return random.uniform(0, min(cap_s, base_s * 2.0 ** min(tries - 1, 40)))  # noqa: S311 - spreading load, not a secret
