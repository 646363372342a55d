"""Decides how wide the columns of a typeset table are, so that no cell runs into its neighbour."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4, LETTER

from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.pdf.summary import Table

SIZE = 8.0
"""The usual type size of a cell, in points."""
READABLE = 6.5
"""The smallest type size of rows in the document itself; rows that need a smaller one go to the appendix."""
_SMALLEST = 4.5
_INSET = 6.0
"""Points left and right of a cell together, as in todoke.typ."""
_MARGINS = 2 * 18 * 72 / 25.4
"""Points left and right of a page together: 18 mm each, as in todoke.typ."""
_WIDEST_TEXT = 220.0
"""Points that a text may take before it is broken into lines."""
_SHORT_TITLE = 55.0
"""Points of a title that is not broken into lines."""
_TITLE_LINES, _RAGGED = 3, 1.15
_SLACK = 1.02
"""A factor, because Typst measures text a little differently."""
# A line may break at white space, behind a hyphen, and anywhere between the letters of East Asian scripts.
_UNBROKEN = re.compile(r"[^\s\-\u2e80-\U0010ffff]+-?|[\u2e80-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Layout:
    """The sizes of one table, in points."""

    size: float
    widths: Sequence[float]
    fills: bool
    """True if the table takes the whole width: then the widths are shares."""


def layout(table: Table, paper: str, font_set: FontSet) -> Layout:
    """Lay out a table. Text breaks into lines, numbers never do; type shrinks if the longest words do not fit."""
    room = (LETTER if paper == "us-letter" else A4)[0] - _MARGINS - _INSET * len(table.columns)
    columns = [_Needs(table, at, font_set) for at in range(len(table.columns))]
    least, wanted = [c.least for c in columns], [c.wanted for c in columns]
    if sum(wanted) <= room:
        texts = [c.wanted for c in columns if not c.number]
        share = (room - sum(wanted)) / sum(texts) if texts else 0.0
        widths = [c.wanted * (1 if c.number else 1 + share) for c in columns]
        return Layout(SIZE, [w + _INSET for w in widths], fills=bool(texts))
    if sum(least) <= room:
        share = (room - sum(least)) / (sum(wanted) - sum(least))
        widths = [low + (high - low) * share for low, high in zip(least, wanted, strict=True)]
        return Layout(SIZE, [w + _INSET for w in widths], fills=True)
    scale = room / sum(least)
    return Layout(max(_SMALLEST, SIZE * scale), [w * scale + _INSET for w in least], fills=True)


class _Needs:
    """The least width of one column and the wanted one, in points at the usual type size."""

    def __init__(self, table: Table, at: int, font_set: FontSet) -> None:
        head = table.columns[at]
        title, cells = str(head["title"]), {row[at] for row in table.rows}
        self.number = bool(head["number"])

        def width(text: str, *, bold: bool = False) -> float:
            return float(font_set.font_for(text, bold=bold).stringWidth(text, SIZE)) * _SLACK

        title_least = max((width(word, bold=True) for word in _UNBROKEN.findall(title)), default=0.0)
        in_one = width(title, bold=True)
        title_wanted = max(title_least, min(in_one, _SHORT_TITLE), in_one / _TITLE_LINES * _RAGGED)
        whole = max((width(text) for text in cells), default=0.0)
        words = (
            whole if self.number else max((width(w) for text in cells for w in _UNBROKEN.findall(text)), default=0.0)
        )
        self.least = max(title_least, words, 1.0)
        self.wanted = max(self.least, title_wanted, whole if self.number else min(whole, _WIDEST_TEXT))
