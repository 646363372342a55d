"""Lays out a table of any length: which columns stand on a page, how wide, and in which size of type."""

# Typst takes some hundred times as long over such a table; `make bench-reports` measures this way and WeasyPrint's.

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reportlab.lib.pagesizes import A4, LETTER, landscape

from shared.reports.extract import ExtractColumn
from shared.reports.formats.display import displayed
from shared.reports.formats.labels import labels_of
from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.pdf.letters import composed
from shared.reports.formats.pdf.lines import broken, pieces
from shared.reports.formats.rendering import Rendering

MARGIN = 36.0
GAP = 7.0
LEADING = 1.45
TITLE_HEIGHT, FOOTER_HEIGHT = 22.0, 16.0
_LARGEST, _SMALLEST = 7.5, 4.0
"""Type sizes in points. The size falls until all columns fit, but not below what can be read."""
_IN_BLOCKS = 6.0
"""The type size by which columns are shared out, if they do not all fit on one page's width."""
_SAMPLE = 500
_WIDEST = 260.0
"""Points that one column may take at first; longer text is broken into lines."""
_SHORT_TITLE = 3.0
"""Ems of a title that is not broken into lines."""
_TITLE_LINES, _RAGGED = 3, 1.15


@dataclass(frozen=True, slots=True)
class PlacedColumn:
    """A column of a long table on its pages, in points."""

    title: str
    number: bool
    x: float
    width: float


def long_tables(rendering: Rendering, font_set: FontSet) -> Sequence["LongTable"]:
    """Return the appendix: one table of all columns, or several if they do not fit on one page's width.

    Each further table has the first column again, by which a reader finds the row.
    """
    columns = rendering.extract.columns
    whole = LongTable(rendering, columns, font_set)
    if whole.fits or len(columns) <= 1:
        return [whole]
    tables: list[LongTable] = []
    room, at = whole.width - 2 * MARGIN, 1
    while at < len(columns):
        taken, end = whole.wanted[0] * _IN_BLOCKS, at
        while end < len(columns):
            taken += GAP + whole.wanted[end] * _IN_BLOCKS
            if taken > room and end > at:
                break
            end += 1
        tables.append(LongTable(rendering, [columns[0], *columns[at:end]], font_set, block=len(tables) + 1))
        at = end
    return tables


class LongTable:
    """A table of some columns of one report, with its layout."""

    def __init__(
        self, rendering: Rendering, columns: Sequence[ExtractColumn], font_set: FontSet, *, block: int = 0
    ) -> None:
        self._rendering = rendering
        self._columns = columns
        self.name = f"appendix-{block}" if block else "appendix"
        self.title = rendering.report.title
        self.labels = labels_of(rendering.language)
        self.font_set = font_set
        # Asked for once, because the question takes longer than these rows.
        small = rendering.extract.is_small
        self._few = self._ask(f"SELECT {self._shown()} FROM {rendering.extract.table}") if small else None
        paper = LETTER if rendering.report.pdf.paper == "us-letter" else A4
        self.wanted = wanted = self._wanted_widths()
        upright = paper[0] - 2 * MARGIN >= sum(wanted) * _LARGEST + GAP * (len(wanted) - 1)
        self.width, self.height = paper if upright else landscape(paper)
        self.size, self.columns = self._layout(wanted)

    def rows(self) -> Iterator[Sequence[str]]:
        """Yield all rows as they are shown, and tell the progress."""
        if self._few is not None:
            yield from self._few
            self._rendering.progress(len(self._few))
            return
        # Through a pipe, because DuckDB 2.0 holds its own results whole in memory.
        rest = b""
        for piece in self._rendering.lines(f"json_array({self._shown()})::VARCHAR"):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield json.loads(line)

    def lines_of(self, text: str, column: PlacedColumn, *, bold: bool = False) -> Sequence[str]:
        """Return the text in lines that fit the column."""
        text = composed(text).expandtabs(4)
        return broken(text, column.width + 0.1, lambda one: self.font_set.width(one, self.size, bold=bold))

    def _wanted_widths(self) -> list[float]:
        """Return the widths that titles, in a few lines, and rows need, in points at type size 1.

        Texts are measured in the first rows, numbers in all of them, because a number is not broken into lines.
        """
        measure, wanted = self.font_set.width, []
        for column in self._columns:
            title = self._rendering.title(column)
            in_one = measure(title, 1.0, bold=True)
            least = max(in_one / _TITLE_LINES * _RAGGED, min(in_one, _SHORT_TITLE))
            wanted.append(max(least, *(measure(piece, 1.0, bold=True) for piece in pieces(title) or [""])))
        for row in self._sample():
            for at, text in enumerate(row):
                widest = max((measure(line, 1.0) for line in text.splitlines()), default=0.0)
                wanted[at] = max(wanted[at], min(widest, _WIDEST / _LARGEST))
        digit = measure("0", 1.0)
        for at, length in self._longest_numbers():
            wanted[at] = max(wanted[at], min(length * digit, _WIDEST / _LARGEST))
        return wanted

    def _sample(self) -> Sequence[tuple[str, ...]]:
        if self._few is not None:
            return self._few[:_SAMPLE]
        return self._ask(f"SELECT {self._shown()} FROM {self._rendering.extract.table} LIMIT {_SAMPLE}")

    def _longest_numbers(self) -> Iterator[tuple[int, int]]:
        """Yield the place of each column of numbers with the letters of its longest one."""
        numbers = [at for at, column in enumerate(self._columns) if column.source.is_number]
        if self._few is not None:
            yield from ((at, max((len(row[at]) for row in self._few), default=0)) for at in numbers)
        elif numbers:
            rendering, columns = self._rendering, self._columns
            most = ", ".join(f"max(length({displayed(columns[at], rendering.shown(columns[at]))}))" for at in numbers)
            [found] = self._ask(f"SELECT {most} FROM {rendering.extract.table}")
            yield from ((at, int(length or 0)) for at, length in zip(numbers, found, strict=True))

    def _layout(self, wanted: Sequence[float]) -> tuple[float, Sequence[PlacedColumn]]:
        """Return the largest type size at which all columns fit. At the smallest, the widest columns give way."""
        columns = self._columns
        room = self.width - 2 * MARGIN - GAP * (len(columns) - 1)
        size = max(_SMALLEST, min(_LARGEST, room / max(sum(wanted), 1e-9)))
        self.fits = sum(wanted) * size <= room + 0.1
        widths = _fit([w * size for w in wanted], [not c.source.is_number for c in columns], room)
        placed, x = [], MARGIN
        for column, width in zip(columns, widths, strict=True):
            placed.append(PlacedColumn(self._rendering.title(column), column.source.is_number, x, width))
            x += width + GAP
        return size, placed

    def _shown(self) -> str:
        """SQL for the cells of a row, as text."""
        return ", ".join(f"coalesce({displayed(c, self._rendering.shown(c))}, '')" for c in self._columns)

    def _ask(self, statement: str) -> Sequence[tuple[str, ...]]:
        return self._rendering.connection.execute(statement).fetchall()


def _fit(widths: list[float], texts: list[bool], room: float) -> list[float]:
    """Shrink the widest columns to one common width, so that the narrow ones stay whole; or widen those of text."""
    spare = room - sum(widths)
    if spare >= 0:
        share = spare / max(sum(w for w, text in zip(widths, texts, strict=True) if text), 1e-9)
        return [w * (1 + share) if text else w for w, text in zip(widths, texts, strict=True)]
    low, high = 0.0, max(widths, default=0.0)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if sum(min(w, middle) for w in widths) > room else (middle, high)
    return [min(w, low) for w in widths]
