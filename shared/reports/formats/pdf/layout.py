"""Decides how wide the columns of a typeset table are, so that no cell runs into its neighbour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4, LETTER

from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.pdf.letters import composed
from shared.reports.formats.pdf.lines import longest_piece, with_broken_pieces
from shared.reports.formats.pdf.table import APART, WIDEST_LABEL, fitted
from shared.reports.formats.summary import Table

SIZE = 7.5
"""The usual type size of a cell, in points."""
_READABLE = 7.0
"""The smallest type size. Columns that need a smaller one go to a further block."""
_INSET = 8.0
"""Points left and right of a cell together, as in todoke.typ."""
_MARGINS = 2 * 40.0
"""Points left and right of a page together, as in todoke.typ."""
_WIDEST_TEXT = 220.0
"""Points that a text may take before it is broken into lines, and a number before it is broken at all."""
_WIDEST_WORD = 120.0
"""Points of the longest word that is not broken between its letters."""
_SHORT_TITLE = 55.0
"""Points of the longest title that is not broken into lines."""
_TITLE_LINES, _RAGGED = 3, 1.15
_SHORT = 60.0
"""Points of a text that is broken only if there is no room."""
_MOST_INDENT = 20.0
"""Points of the largest indent of an inner group's heading."""
_SLACK = 1.02
"""A factor, because Typst measures text slightly differently."""


@dataclass(frozen=True, slots=True)
class Block:
    """Columns of a table that are side by side, with sizes in points."""

    columns: Sequence[object]
    rows: Sequence[Sequence[str]]
    size: float
    widths: Sequence[float]
    kinds: Mapping[str, str]
    """The rows that are headings or totals, by their numbers from 0."""
    room: int
    """How many columns a total's label may take: those before the first total."""


def blocks(table: Table, paper: str, font_set: FontSet) -> Sequence[Block]:
    """Lay out a table: in one block, or in several below each other that each repeat the key columns, or the first one.

    Text breaks into lines, numbers do not; type shrinks a little if the longest words do not fit.
    """
    page = (LETTER if paper == "us-letter" else A4)[0] - _MARGINS
    needs = [_Needs(table, at, font_set) for at in range(len(table.columns))]
    keys = [at for at, head in enumerate(table.columns) if head.get("key")]
    if not keys or not _fits([needs[n] for n in keys], page / 2):
        keys = keys[:1] or [0]
    order = range(len(needs)) if _fits(needs, page) else [*keys, *(n for n in range(len(needs)) if n not in keys)]
    parts: list[list[int]] = [[]]
    for at in order:
        if not _fits([needs[n] for n in [*parts[-1], at]], page) and len(parts[-1]) > len(keys) * (len(parts) > 1):
            parts.append([*keys])
        parts[-1].append(at)
    return [_block(table, [needs[n] for n in part], page, font_set) for part in parts]


def _fits(needs: Sequence["_Needs"], page: float) -> bool:
    return sum(n.least for n in needs) * _READABLE / SIZE + _INSET * len(needs) <= page


def _block(table: Table, needs: Sequence["_Needs"], page: float, font_set: FontSet) -> Block:
    """Set the columns of one block, with texts broken to their widths."""
    apart = [APART if at and needs[at - 1].number and not n.number else 0.0 for at, n in enumerate(needs)]
    size, widths = _sizes(needs, page - _INSET * len(needs) - sum(apart))
    columns = [{**table.columns[n.at], "apart": gap} for n, gap in zip(needs, apart, strict=True)]

    wide = [width + _INSET + gap for width, gap in zip(widths, apart, strict=True)]
    totals = [table.rows[at] for at, kind in table.kinds.items() if kind == "total"]
    filled = (at for at in range(1, len(needs)) if any(row[needs[at].at] for row in totals))
    room = next(filled, len(needs))
    across = {"heading": sum(wide), "label": sum(wide), "total": sum(wide[:room])}

    def cell(row: Sequence[str], at: int, kind: str) -> str:
        bold = bool(kind)
        width = across.get(kind, 0.0) - _INSET - _MOST_INDENT * (kind == "heading") if at == 0 else 0.0
        text = composed(row[needs[at].at])
        width = max(width, widths[at])
        return with_broken_pieces(text, width, lambda piece: font_set.width(piece, size, bold=bold) * _SLACK)

    rows = [
        [cell(row, at, table.kinds.get(n, "").rstrip("0123456789")) for at in range(len(needs))]
        for n, row in enumerate(table.rows)
    ]
    kinds = {str(at): kind for at, kind in table.kinds.items()}
    return Block(columns, rows, size, wide, kinds, room)


def _sizes(needs: Sequence["_Needs"], room: float) -> tuple[float, list[float]]:
    """Return the type size and the columns' widths."""
    least, wanted = [n.least for n in needs], [n.wanted for n in needs]
    if sum(wanted) <= room:
        return SIZE, fitted(wanted, room)
    if sum(whole := [n.short for n in needs]) <= room:
        least = whole
    if sum(least) <= room:
        share = (room - sum(least)) / (sum(wanted) - sum(least))
        return SIZE, [low + (high - low) * share for low, high in zip(least, wanted, strict=True)]
    scale = room / sum(least)
    return SIZE * scale, [low * scale for low in least]


class _Needs:
    """The least and the preferred width of one column, in points at the default type size."""

    def __init__(self, table: Table, at: int, font_set: FontSet) -> None:
        head = table.columns[at]
        plain = [row for n, row in enumerate(table.rows) if n not in table.kinds]
        title, cells = str(head["title"]), {composed(row[at]) for row in plain}
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
        if at:
            texts = (table.rows[n][at] for n, kind in table.kinds.items() if kind.startswith("total"))
            cell = max(cell, *(bold(text) for text in texts), 0.0)
        self.least = max(min(title_least, _WIDEST_WORD), cell, 1.0)
        totals = [table.rows[n] for n, kind in table.kinds.items() if kind == "total"]
        if at == 0 and any(len(row) > 1 and row[1] for row in totals):  # the label has this column alone
            whole = max([whole, *(min(bold(row[0]), WIDEST_LABEL) for row in totals)])
        self.short = max(self.least, *(one for one in (in_one, whole) if one <= _SHORT), 0.0)
        self.wanted = max(self.short, min(title_wanted, _WIDEST_TEXT), min(whole, _WIDEST_TEXT))
