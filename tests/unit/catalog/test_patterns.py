"""A pattern whose matching can take for ever is found before anybody sends a text for it."""

import pytest

from shared.catalog.pattern import explosive


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+", r"(\w+\s?)*", "(a|aa)+", "(.*)*", "(a*)*", "(a+b?)+", r"(\d+|[a-z]+)*", "((ab)*)*", "(x+x+)+y",
     "(aa?)+", "([a-z]+,?)*", "^(([a-z])+.)+[A-Z]([a-z])+$"],
)  # fmt: skip
def test_a_pattern_that_can_cut_a_text_in_many_ways_is_found(pattern: str) -> None:
    assert explosive(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["[a-z]+(-[a-z]+)*", r"(\w+\s)+", "(a|b)+", "(ab|ac)+", r"([a-z0-9]+\.)*[a-z]+", "(?:x+y)+", "[A-Z]{3}",
     r"([A-Z]{2}\d{3},?)+", "^(?:[^,]+,)*[^,]+$", r"\+?[0-9 ]{5,20}", "(a+){3}", r"[^@]+@[^@]+\.[a-z]+", "(?i:ab)*"],
)  # fmt: skip
def test_a_pattern_with_one_way_to_cut_is_fine(pattern: str) -> None:
    assert not explosive(pattern)
