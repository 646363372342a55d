"""Lays out a table of any length: which columns are on a page, how wide, and in which type size."""

# Typst takes some hundred times as long for such a table; `make bench-reports` measures this method and WeasyPrint's.

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from reportlab.lib.pagesizes import A4, LETTER, landscape

from shared.reports.extract import ExtractColumn
from shared.reports.formats.bands import Bands, bands_of, whole_rows
from shared.reports.formats.edition import data_date, footer_text
from shared.reports.formats.labels import labels_of, left_to_right
from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.pdf.letters import composed
from shared.reports.formats.pdf.lines import broken, pieces
from shared.reports.formats.rendering import Rendering

MARGIN = 40.0
TOP, BOTTOM = 54.0, 52.0
"""Points above and below the table, as on the typeset pages."""
GAP, APART = 8.0, 8.0
"""Points between two columns, and the additional ones between a number and the text after it."""
LEADING, CAP_HEIGHT, PADDING = 1.264, 0.714, 3.4 / 7.5
"""In ems, as in the tables of todoke.typ: from line to line, height of a capital letter, above and below a row."""
_LARGEST, _SMALLEST = 7.5, 7.0
"""Type sizes in points. The size is reduced until all columns fit, but not below what can be read."""
_IN_BLOCKS = 7.0
"""The type size with which columns are distributed, if they do not all fit on one page's width."""
_SAMPLE = 500
_WIDEST = 260.0
"""Points that one column may take at first; longer text is broken into lines."""
_SHORT_TITLE = 3.0
"""Ems of the longest title that is not broken into lines."""
_TITLE_LINES, _RAGGED = 3, 1.15
WIDEST_LABEL = 140.0
"""Points that the label of a total may take in the first column."""
_MOST_SPARE = 70.0
"""Points that a column gets at most beyond what it needs: the eye would lose the row if it were wider."""


@dataclass(frozen=True, slots=True)
class PlacedColumn:
    """A column of a long table on its pages, in points."""

    title: str
    right: bool
    """True if its texts end at its right edge: numbers, and all others in a right-to-left document."""
    x: float
    width: float
    name: str = ""


def long_tables(rendering: Rendering, font_set: FontSet) -> Sequence["LongTable"]:
    """Return the appendix: one table of all columns, or several if they do not fit on one page's width.

    Each table has the key columns, or the first one, by which a reader finds the row.
    """
    bands = bands_of(rendering)
    # The columns that define groups are shown in the headings.
    columns = [
        c for c in rendering.extract.columns if bands is None or c not in bands.levels
    ] or rendering.extract.columns
    whole = LongTable(rendering, columns, font_set, bands)
    if whole.fits or len(columns) <= 1:
        return [whole]
    tables: list[LongTable] = []
    wanted = {c.name: GAP + w * _IN_BLOCKS for c, w in zip(columns, whole.wanted, strict=True)}
    room, at = whole.width - 2 * MARGIN, 0
    keys = [c for c in columns if rendering.shown(c).key]
    if not keys or sum(wanted[c.name] for c in keys) > room / 2:  # keep only as many as a reader needs to find the row
        keys = list(keys[:1] or columns[:1])
    columns = [c for c in columns if c not in keys]
    while at < len(columns):
        taken, end = sum(wanted[c.name] for c in keys), at
        while end < len(columns):
            taken += wanted[columns[end].name]
            if taken > room and end > at:
                break
            end += 1
        tables.append(LongTable(rendering, [*keys, *columns[at:end]], font_set, bands, block=len(tables) + 1))
        at = end
    return tables


class LongTable:
    """A table of some columns of one report, with its layout."""

    def __init__(
        self, rendering: Rendering, columns: Sequence[ExtractColumn], font_set: FontSet, bands: Bands | None = None,
        *, block: int = 0,
    ) -> None:  # fmt: skip
        self._rendering = rendering
        self._columns = columns
        self.bands = bands
        self.name = f"appendix-{block}" if block else "appendix"
        self.title = rendering.report.title
        self.theme = rendering.report.theme
        self.from_right = rendering.from_right
        self.labels = labels_of(rendering.language)
        self.head = f"{self.title} · {self.labels.appendix}"
        date = data_date(rendering)
        self.edition = f"{self.labels.data_of} {left_to_right(date, from_right=self.from_right)}" if date else ""
        self.footer = footer_text(rendering)
        self.font_set = font_set
        self._few = self._few_rows() if rendering.extract.is_small else None
        paper = LETTER if rendering.report.pdf.paper == "us-letter" else A4
        self.wanted = wanted = self._wanted_widths()
        # The blocks of one table are on one paper: that by whose width its columns were distributed.
        upright = not block and paper[0] - 2 * MARGIN >= sum(wanted) * _LARGEST + GAP * (len(wanted) - 1)
        self.width, self.height = paper if upright else landscape(paper)
        self.size, self.columns = self._layout(wanted)

    def _few_rows(self) -> Sequence[Sequence[str]]:
        extract = self._rendering.extract
        if extract.cells is not None:
            return self._rendering.shown_rows(self._columns, extract.cells_of(self._columns))
        # Fetched once, because the query takes longer than these rows.
        return self._ask(f"SELECT {self._shown()} FROM {extract.table}")

    def rows(self) -> Iterator[Sequence[str]]:
        """Yield all rows as they are shown, and report the progress."""
        if self._few is not None:
            yield from self._few
            self._rendering.progress(len(self._few))
            return
        # Through a pipe, because DuckDB 2.0 holds its own results in memory.
        for piece in whole_rows(self._rendering.lines(f"json_array({self._shown()})::VARCHAR"), b"\n"):
            yield from map(json.loads, piece[:-1].split(b"\n"))

    def lines_of(self, text: str, column: PlacedColumn, *, bold: bool = False) -> Sequence[str]:
        """Return the text in lines that fit the column."""
        text = composed(text)
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
        if self.bands is not None and self.bands.has_totals:
            self._make_room_for_totals(self.bands, wanted)
        digit = measure("0", 1.0)
        for at, length in self._longest_numbers():
            wanted[at] = max(wanted[at], min(length * digit, _WIDEST / _LARGEST))
        return wanted

    def _make_room_for_totals(self, bands: Bands, wanted: list[float]) -> None:
        for group in (*bands.groups, bands.all_rows):
            for at, column in enumerate(self._columns):
                if total := group.totals.get(column.name):
                    wanted[at] = max(wanted[at], self.font_set.width(total.shown, 1.0, bold=True))
            if len(self._columns) > 1 and self._columns[1].name in group.totals:  # the label has only the first one
                label = self.font_set.width(bands.label_of(group), 1.0, bold=True)
                wanted[0] = max(wanted[0], min(label, WIDEST_LABEL / _LARGEST))

    def _sample(self) -> Sequence[Sequence[str]]:
        if self._few is not None:
            return self._few[:_SAMPLE]
        return self._ask(f"SELECT {self._shown()} FROM {self._rendering.extract.table} LIMIT {_SAMPLE}")

    def _longest_numbers(self) -> Iterator[tuple[int, int]]:
        """Yield the place of each number column with the letters of its longest number."""
        numbers = [at for at, column in enumerate(self._columns) if column.source.is_number]
        if self._few is not None:
            yield from ((at, max((len(row[at]) for row in self._few), default=0)) for at in numbers)
        elif numbers:
            rendering, columns = self._rendering, self._columns
            most = ", ".join(f"max(length({rendering.displayed(columns[at])}))" for at in numbers)
            [found] = self._ask(f"SELECT {most} FROM {rendering.extract.table}")
            yield from ((at, int(length or 0)) for at, length in zip(numbers, found, strict=True))

    def _layout(self, wanted: Sequence[float]) -> tuple[float, Sequence[PlacedColumn]]:
        """Return the largest type size at which all columns fit. At the smallest, the widest columns are narrowed."""
        columns = self._columns
        numbers = [c.source.at_right for c in columns]
        gaps = [0.0, *(GAP + (APART if a and not b else 0.0) for a, b in pairwise(numbers))]
        room = self.width - 2 * MARGIN - sum(gaps)
        size = max(_SMALLEST, min(_LARGEST, room / max(sum(wanted), 1e-9)))
        self.fits = sum(wanted) * size <= room + 0.1
        widths = fitted([w * size for w in wanted], room)
        placed, x = [], MARGIN
        for column, width, gap in zip(columns, widths, gaps, strict=True):
            x += gap
            placed.append(PlacedColumn(self._rendering.title(column), column.source.at_right, x, width, column.name))
            x += width
        return size, [self._mirrored(one) for one in placed] if self.from_right else placed

    def _mirrored(self, column: PlacedColumn) -> PlacedColumn:
        return replace(column, right=not column.right, x=self.width - column.x - column.width)

    def _shown(self) -> str:
        """SQL for the cells of a row, as text."""
        return ", ".join(f"coalesce({self._rendering.displayed(c)}, '')" for c in self._columns)

    def _ask(self, statement: str) -> Sequence[tuple[str, ...]]:
        return self._rendering.connection.execute(statement).fetchall()


def fitted(widths: list[float], room: float) -> list[float]:
    """Shrink the widest columns to one common width, so that the narrow ones stay intact; or
    distribute what is spare.
    """
    spare = room - sum(widths)
    if spare >= 0:
        share = min(spare / max(len(widths), 1), _MOST_SPARE)
        return [w + share for w in widths]
    low, high = 0.0, max(widths, default=0.0)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if sum(min(w, middle) for w in widths) > room else (middle, high)
    return [min(w, low) for w in widths]
