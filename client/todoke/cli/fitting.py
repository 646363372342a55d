"""Fits a table to a terminal: chooses the columns that have room, and their widths."""

import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_GAP = 2
_LEAST = 12
"""Sentences in narrower columns are unreadable."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The positions and widths of the columns shown, and the columns that have no room."""

    widths: dict[int, int]
    left_out: tuple[int, ...] = ()


def width(text: str) -> int:
    """Return the terminal cells that a text occupies: East Asian letters take two, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) != 0 for one in text)


def fit(rows: Sequence[Sequence[str]], prose: Sequence[bool], room: int) -> Fit:
    """Choose the columns that fit into `room`. `rows` has the titles first.

    All are shown if they fit. Otherwise columns without values are dropped, then as many are shown, from the left, as
    fit: prose is wrapped to the space left, and any other column is shown whole or not at all.
    """
    widths = {at: max(width(row[at]) for row in rows) for at in range(len(rows[0]))}
    if sum(widths.values()) + _GAP * (len(widths) - 1) <= room:
        return Fit(widths)
    filled = [at for at in widths if any(row[at] for row in rows[1:])]
    shown: dict[int, int] = {}
    left_out = []
    free = room + _GAP
    for at in filled:
        wide = widths[at]
        if prose[at]:
            after = [it for it in filled if it > at]
            wide = min(wide, _for_prose(free - _GAP, after, widths, prose))
        if wide + _GAP <= free or not shown:
            shown[at] = wide
            free -= wide + _GAP
        else:
            left_out.append(at)
    return Fit(shown, tuple(left_out))


def _for_prose(free: int, after: Sequence[int], widths: dict[int, int], prose: Sequence[bool]) -> int:
    """Return the room for sentences that leaves enough for the columns after them, or at least for other sentences."""
    sentences = sum(min(widths[at], _LEAST) + _GAP for at in after if prose[at])
    beside_all = free - sentences - sum(widths[at] + _GAP for at in after if not prose[at])
    return beside_all if beside_all >= _LEAST else max(free - sentences, _LEAST)


def lines(row: Sequence[str], kept: Fit, prose: Sequence[bool], right: Sequence[bool]) -> list[str]:
    """Return a row as lines of a terminal: more than one if prose is wrapped."""
    cells = {at: _broken(row[at], wide) if prose[at] else [row[at]] for at, wide in kept.widths.items()}
    high = max(map(len, cells.values()))
    return [
        (" " * _GAP)
        .join(
            _padded(cell[line] if line < len(cell) else "", kept.widths[at], right=right[at])
            for at, cell in cells.items()
        )
        .rstrip()
        for line in range(high)
    ]


def _broken(text: str, wide: int) -> list[str]:
    if width(text) <= wide:
        return [text]
    if width(text) == len(text):
        return textwrap.wrap(text, wide)
    found = [""]
    for one in text:  # written without spaces, such as Japanese
        if width(found[-1] + one) > wide:
            found.append("")
        found[-1] += one
    return found


def _padded(text: str, to: int, *, right: bool) -> str:
    space = " " * (to - width(text))
    return space + text if right else text + space
