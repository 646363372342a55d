"""Ranges by RFC 9110."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.http.byte_ranges import NotSatisfiable, the_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-3", (0, 4)), ("bytes=2-", (2, 10)), ("bytes=-3", (7, 10)), ("bytes=-99", (0, 10)),
        ("bytes=0-99", (0, 10)), ("BYTES = 0-3", (0, 4)), ("bytes=0-3,99-", (0, 4)), ("bytes=99-,-2", (8, 10)),
        ("bytes=0-3,2-5", (0, 6)), ("bytes=4-5,0-3", (0, 6)), ("bytes=0-3,,", (0, 4)),
        # ignored: the whole file
        (None, None), ("", None), ("bytes", None), ("bytes=", None), ("bytes=-", None), ("bytes=abc", None),
        ("bytes=5-2", None), ("lines=0-3", None), ("bytes=0-1,5-6", None), ("bytes=0-3,x", None), ("bytes=+0-3", None),
        ("bytes=0--3", None), ("bytes=0x1-3", None), ("bytes=\u0661-3", None), ("bytes=" + "0-1," * 21, None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)  # fmt: skip
def test_what_is_understood_is_a_part_and_everything_else_is_the_whole(
    header: str | None, expected: tuple[int, int] | None
) -> None:
    assert the_range(header, 10) == expected


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99-,-0"])
def test_a_range_that_the_file_does_not_have_is_refused(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        the_range(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-5", "bytes=0-0"])
def test_an_empty_file_has_no_range(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        the_range(header, 0)


@given(st.text(max_size=60).map("bytes=".__add__) | st.from_regex(r"bytes=(\d{0,3}-\d{0,3},?){1,5}", fullmatch=True))
def test_no_header_asks_for_more_than_the_file_has(header: str) -> None:
    try:
        found = the_range(header, 100)
    except NotSatisfiable:
        return
    if found is not None:
        assert 0 <= found[0] < found[1] <= 100
