"""The longest tests come first on each lane of a run."""

from collections.abc import Sequence

import pytest

from tests.support.order import spread


def _chunks(items: Sequence[str], lanes: int) -> Sequence[Sequence[str]]:
    """As xdist deals them out."""
    dealt, left = [], list(items)
    for lane in range(lanes):
        size = len(left) // (lanes - lane)
        dealt.append(left[:size])
        left = left[size:]
    return dealt


@pytest.mark.parametrize("lanes", [1, 2, 3])
@pytest.mark.parametrize(("long", "short"), [(0, 10), (1, 10), (5, 100), (7, 2), (3, 0)])
def test_every_test_is_there_once_and_each_lane_begins_with_its_share_of_the_longest(
    lanes: int, long: int, short: int
) -> None:
    longest, others = [f"long {n}" for n in range(long)], [f"short {n:03}" for n in range(short)]
    order = spread(longest, others, lanes)

    assert sorted(order) == sorted([*longest, *others])
    if short >= long * lanes:
        for lane, chunk in enumerate(_chunks(order, lanes)):
            own = longest[lane::lanes]
            assert list(chunk[: len(own)]) == own
