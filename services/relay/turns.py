"""Whose message is next: tenants take turns, so that the many messages of one do not delay the few of another."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def in_turns(items: Iterable[T], whose: Callable[[T], str]) -> list[T]:
    """All items, so that their owners take turns: the first of each, the second of each, and so on.

    Owners stand in the order of their first items, and the items of each keep their order.
    """
    own: dict[str, list[T]] = {}
    for item in items:
        own.setdefault(whose(item), []).append(item)
    if len(own) == 1:
        return next(iter(own.values()))
    longest = max(map(len, own.values()), default=0)
    return [queue[turn] for turn in range(longest) for queue in own.values() if turn < len(queue)]
