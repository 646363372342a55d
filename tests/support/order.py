"""The order in which a run starts its tests: the longest first, on every lane, since otherwise one would run alone at
the end.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(longest: Sequence[T], others: Sequence[T], lanes: int) -> list[T]:
    """Return all items in an order that gives each lane a share of the longest first. `--dist worksteal` deals out
    equal chunks.
    """
    left, chunks = len(longest) + len(others), []
    begin = 0
    for lane in range(lanes):
        own = longest[lane::lanes]
        size = left // (lanes - lane)
        chunks += [*own, *others[begin : begin + max(0, size - len(own))]]
        begin += max(0, size - len(own))
        left -= size
    return [*chunks, *others[begin:]]
