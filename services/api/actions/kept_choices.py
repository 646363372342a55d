"""Caches the choices that sources returned for a short while: a form asks for the same ones again and again."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

from shared.catalog.choices import Choices

_KEPT_S, _MOST_KEPT = 30.0, 500
"""Seconds for which an answer is reused without asking the source, and how many answers a process keeps."""


class KeptChoices:
    """Recent answers of sources. For one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[Hashable, tuple[float, Choices]] = OrderedDict()

    def get(self, key: Hashable) -> Choices | None:
        """Return the answer if it is recent enough."""
        until, found = self._kept.get(key, (0.0, None))
        return found if self._clock() < until else None

    def keep(self, key: Hashable, found: Choices) -> None:
        """Keep an answer for a while."""
        self._kept[key] = self._clock() + _KEPT_S, found
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
