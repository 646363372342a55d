"""Decides how wide the columns of a typeset table are, so that no cell runs into its neighbour."""

from collections.abc import Sequence
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4, LETTER

from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.pdf.letters import composed
from shared.reports.formats.pdf.lines import longest_piece, with_broken_pieces
from shared.reports.formats.pdf.summary import Table

SIZE = 8.0
"""The usual type size of a cell, in points."""
_READABLE = 6.5
"""The smallest type size. Columns that need a smaller one go on in a further block."""
_INSET = 6.0
"""Points left and right of a cell together, as in todoke.typ."""
_MARGINS = 2 * 18 * 72 / 25.4
"""Points left and right of a page together: 18 mm each, as in todoke.typ."""
_WIDEST_TEXT = 220.0
"""Points that a text may take before it is broken into lines, and a number before it is broken at all."""
_WIDEST_WORD = 120.0
"""Points of a word that is not broken between its letters."""
_SHORT_TITLE = 55.0
"""Points of a title that is not broken into lines."""
_TITLE_LINES, _RAGGED = 3, 1.15
_SLACK = 1.02
"""A factor, because Typst measures text a little differently."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some columns of a table that stand beside each other, with sizes in points."""

    columns: Sequence[object]
    rows: Sequence[Sequence[str]]
    size: float
    widths: Sequence[float]
    fills: bool
    """True if the block takes the whole width: then the widths are shares."""


def blocks(table: Table, paper: str, font_set: FontSet) -> Sequence[Block]:
    """Lay out a table: in one block, or in several below each other, each with the first column again.

    Text breaks into lines, numbers do not; type shrinks a little if the longest words do not fit.
    """
    page = (LETTER if paper == "us-letter" else A4)[0] - _MARGINS
    needs = [_Needs(table, at, font_set) for at in range(len(table.columns))]
    parts: list[list[int]] = [[]]
    for at in range(len(needs)):
        if not _fits([needs[n] for n in [*parts[-1], at]], page) and len(parts[-1]) > (len(parts) > 1):
            parts.append([0])
        parts[-1].append(at)
    return [_block(table, [needs[n] for n in part], page, font_set) for part in parts]


def _fits(needs: Sequence["_Needs"], page: float) -> bool:
    return sum(n.least for n in needs) * _READABLE / SIZE + _INSET * len(needs) <= page


def _block(table: Table, needs: Sequence["_Needs"], page: float, font_set: FontSet) -> Block:
    room = page - _INSET * len(needs)
    size, widths, fills = _sizes(needs, room)
    columns = [table.columns[n.at] for n in needs]

    def cell(row: Sequence[str], at: int) -> str:
        return with_broken_pieces(row[needs[at].at], widths[at], lambda text: font_set.width(text, size) * _SLACK)

    rows = [[cell(row, at) for at in range(len(needs))] for row in table.rows]
    return Block(columns, rows, size, [width + _INSET for width in widths], fills)


def _sizes(needs: Sequence["_Needs"], room: float) -> tuple[float, list[float], bool]:
    """Return the type size, the columns' widths, and whether they take the whole width."""
    least, wanted = [n.least for n in needs], [n.wanted for n in needs]
    if sum(wanted) <= room:
        texts = [n.wanted for n in needs if not n.number]
        share = (room - sum(wanted)) / sum(texts) if texts else 0.0
        return SIZE, [n.wanted * (1 if n.number else 1 + share) for n in needs], bool(texts)
    if sum(least) <= room:
        share = (room - sum(least)) / (sum(wanted) - sum(least))
        return SIZE, [low + (high - low) * share for low, high in zip(least, wanted, strict=True)], True
    scale = room / sum(least)
    return SIZE * scale, [low * scale for low in least], True


class _Needs:
    """The least width of one column and the wanted one, in points at the usual type size."""

    def __init__(self, table: Table, at: int, font_set: FontSet) -> None:
        head = table.columns[at]
        title, cells = str(head["title"]), {composed(row[at]) for row in table.rows}
        self.at, self.number = at, bool(head["number"])

        def width(text: str) -> float:
            return font_set.width(text, SIZE) * _SLACK

        def bold(text: str) -> float:
            return font_set.width(text, SIZE, bold=True) * _SLACK

        title_least, in_one = longest_piece(title, bold), bold(title)
        title_wanted = max(title_least, min(in_one, _SHORT_TITLE), in_one / _TITLE_LINES * _RAGGED)
        whole = max((width(line) for text in cells for line in text.splitlines()), default=0.0)
        words = max((longest_piece(text, width) for text in cells), default=0.0)
        cell = min(whole, _WIDEST_TEXT) if self.number else min(words, _WIDEST_WORD)
        self.least = max(min(title_least, _WIDEST_WORD), cell, 1.0)
        self.wanted = max(self.least, min(title_wanted, _WIDEST_TEXT), min(whole, _WIDEST_TEXT))
