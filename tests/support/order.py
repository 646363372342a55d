"""The order in which a run begins its tests: what takes longest first, on every lane, or it would end alone."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(longest: Sequence[T], others: Sequence[T], lanes: int) -> list[T]:
    """All of them, so that each lane begins with a share of the longest. `--dist worksteal` deals out equal chunks."""
    left, chunks = len(longest) + len(others), []
    begin = 0
    for lane in range(lanes):
        own = longest[lane::lanes]
        size = left // (lanes - lane)
        chunks += [*own, *others[begin : begin + max(0, size - len(own))]]
        begin += max(0, size - len(own))
        left -= size
    return [*chunks, *others[begin:]]
