"""`Range` as RFC 9110 14.2 has it: what is not understood is ignored, and what the file does not have is a 416."""

import re
from collections.abc import Iterator

_MOST = 20
"""Ranges of one request. More are no client's need, and every one costs a look."""
_SPEC = re.compile(r"([0-9]{0,20})-([0-9]{0,20})")


class NotSatisfiable(ValueError):
    """The file has none of the ranges that were asked for."""


def the_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and end of the part that was asked for; None where the whole file is the answer.

    The whole is the answer to a `Range` that is malformed or of another unit, and to parts that do not touch: a server
    may ignore those, and one answer in many parts is what few clients can read. Raises NotSatisfiable.
    """
    unit, equals, specs = (header or "").partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    listed = [spec.strip() for spec in specs.split(",") if spec.strip()]
    matches = [_SPEC.fullmatch(spec) for spec in listed[: _MOST + 1]]
    if not matches or len(matches) > _MOST or None in matches:
        return None
    wanted = [(m[1], m[2]) for m in matches if m]
    if any(not (first or last) or (first and last and int(last) < int(first)) for first, last in wanted):
        return None
    found = sorted(_of_the_file(wanted, size))
    if not found:
        raise NotSatisfiable
    begin, end = found[0]
    for first, last in found[1:]:
        if first > end:
            return None
        end = max(end, last)
    return begin, end


def _of_the_file(wanted: list[tuple[str, str]], size: int) -> Iterator[tuple[int, int]]:
    for first, last in wanted:
        if not first:
            begin, end = max(0, size - int(last)), size
        else:
            begin, end = int(first), min(size, int(last) + 1) if last else size
        if begin < end:
            yield begin, end
