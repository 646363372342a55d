"""`Range` as in RFC 9110, section 14.2: a header that cannot be understood is ignored, and a range outside the file is
a 416.
"""

import re
from collections.abc import Iterator

_MOST = 20
"""The most ranges of one request. No client needs more, and each costs time."""
_SPEC = re.compile(r"([0-9]{0,20})-([0-9]{0,20})")


class NotSatisfiable(ValueError):
    """The file has none of the requested ranges."""


def the_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the end of the requested part; None if the whole file is the answer.

    The whole file answers a `Range` that is malformed or has another unit, and parts that do not touch: a server may
    ignore those, and few clients can read an answer in several parts. Raises NotSatisfiable.
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
