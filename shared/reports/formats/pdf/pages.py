"""Draws a long table on a canvas, cell by cell, and numbers its pages once all of them are known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reportlab import rl_config
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from shared.reports.formats.bands import Group
from shared.reports.formats.pdf.strings import QUIET, SMALL_PRINT, Cells, Footer, Line, Strings
from shared.reports.formats.pdf.table import (
    BOTTOM,
    CAP_HEIGHT,
    GAP,
    LEADING,
    MARGIN,
    PADDING,
    TOP,
    LongTable,
    PlacedColumn,
)

_PAGES_PER_FILE = 500
_INK, _LINE = "0.122 0.161 0.2", "0.835 0.859 0.882"
"""Colours, as in todoke.typ."""
_ROWS_BELOW_A_HEADING = 2
_INDENT, _ABOVE, _LEAST_LABEL = 10.0, 0.6, 30.0
"""Points by which an inner group is indented; space above a heading, in rows; points below which a label takes a line
of its own."""
_HEAD_Y, _RULE_Y = 27.0, 31.5
"""Points from the paper's edge to the running title and to the line below it."""

rl_config.useA85 = 0  # ASCII85, for mail gateways that are not 8-bit clean, makes pages a quarter larger


@dataclass(frozen=True, slots=True)
class Part:
    """A file of some hundred pages: the canvas keeps all of them in memory until it is saved."""

    path: Path
    pages: int
    footer: "Footer"


def draw(table: LongTable, folder: Path, *, below: float | None = None) -> Sequence[Part]:
    """Draw all rows into files below `folder`, without page numbers, and return the files in order.

    `below` is where the table begins on the first page, in points from the paper's top, if something else precedes it.
    """
    pages = _Pages(table, folder, below)
    if table.bands is None:
        for row in table.rows():
            pages.row(row)
        return pages.close()
    at, between = 0, table.bands.at()
    for at, row in enumerate(table.rows()):
        if at in between:
            _draw_between(pages, *between[at])
        pages.row(row)
    _draw_between(pages, *between.get(at + 1, ((), ())))
    if table.bands.has_totals:
        pages.totals(table.bands.all_rows)
    return pages.close()


def _draw_between(pages: "_Pages", ended: Sequence[Group], begun: Sequence[Group]) -> None:
    for group in ended:
        pages.totals(group)
    for group in begun:
        pages.heading(group, room_for=len(begun) - begun.index(group) + _ROWS_BELOW_A_HEADING)


class _Pages:
    """Writes drawing operators, because the canvas itself would process the text letter by letter."""

    def __init__(self, table: LongTable, folder: Path, below: float | None) -> None:
        self._table = table
        self._below = below
        self._folder = folder
        self._parts: list[Part] = []
        self._code: list[str] = []
        self._y = 0.0
        self._leading, self._padding = table.size * LEADING, table.size * PADDING
        self._cap = table.size * CAP_HEIGHT
        self._heads = [table.lines_of(column.title, column, bold=True) for column in table.columns]
        most = max(map(len, self._heads), default=1)
        self._head_height = 2 * self._padding + self._cap + (most - 1) * self._leading
        self._left = min((column.x for column in table.columns), default=MARGIN)
        self._right = max((column.x + column.width for column in table.columns), default=MARGIN)
        self._first_y = 0.0
        self._accent, self._tint = _colours(table.theme.accent)
        self._open: list[Group] = []
        """The groups whose rows are being written, the outermost first."""
        self._begin_file()
        self._begin_page()

    def row(self, row: Sequence[str]) -> None:
        """Write the next row: on this page, or completely on the next one, or over several if it is
        longer than a page.
        """
        cells = self._cells_of(row)
        lines = max(map(len, cells), default=1)
        height = 2 * self._padding + self._cap + (lines - 1) * self._leading
        if self._y - height < BOTTOM and self._y < self._top_y:
            self._turn_page()
            cells = self._cells_of(row)
        top, y = self._y, self._y - self._padding - self._cap
        for at in range(lines):
            if y - self._padding < BOTTOM and at:
                self._end_row(top, y + self._leading - self._padding)
                self._turn_page()
                cells = self._cells_of(row)
                top, y = self._y, self._y - self._padding - self._cap
            baseline = f"{y:.2f} Tm"
            for one in cells:
                if at < len(one):
                    self._show(one[at], baseline)
            y -= self._leading
        self._end_row(top, y + self._leading - self._padding)

    def heading(self, group: Group, *, room_for: int) -> None:
        """Write a group's title, with room for this many rows below it on the same page."""
        self._open = self._open[: group.level]
        row = 2 * self._padding + self._cap
        if self._y - _ABOVE * row - room_for * row < BOTTOM and self._y < self._top_y:
            self._turn_page()
        self._open.append(group)
        self._title(group)

    def _title(self, group: Group) -> None:
        table, indent, row = self._table, _INDENT * group.level, 2 * self._padding + self._cap
        left = self._left if table.from_right else self._left + indent
        column = PlacedColumn("", table.from_right, left, self._right - self._left - indent)
        lines = [self._strings.line(one, column, bold=True) for one in table.lines_of(group.title, column, bold=True)]
        top = self._y if self._y == self._first_y else self._y - _ABOVE * row
        self._code.append(f"{self._accent} rg")
        y = top - self._padding - self._cap
        for line in lines:
            self._show(line, f"{y:.2f} Tm")
            y -= self._leading
        self._code.append(f"{_INK} rg")
        self._is_odd = False
        self._end_row(top, y + self._leading - self._padding)
        self._is_odd = False

    def totals(self, group: Group) -> None:
        """Write the totals below a group, with their label before the first of them."""
        table = self._table
        if table.bands is None:
            return
        numbers = [(column, total) for column in table.columns if (total := group.totals.get(column.name))]
        room = self._room_before(numbers[0][0] if numbers else None)
        width = room if room > _LEAST_LABEL else self._right - self._left
        label = PlacedColumn("", table.from_right, self._right - width if table.from_right else self._left, width)
        lines = table.lines_of(table.bands.label_of(group), label, bold=True)
        below = 0 if room > _LEAST_LABEL else len(lines)
        height = 2 * self._padding + self._cap + (max(len(lines), below + 1) - 1) * self._leading
        if self._y - height < BOTTOM and self._y < self._top_y:
            self._turn_page()
        self._open = [] if group is table.bands.all_rows else self._open[: group.level]
        first = self._y - self._padding - self._cap
        for at, line in enumerate(lines):
            self._show(self._strings.line(line, label, bold=True), f"{first - at * self._leading:.2f} Tm")
        for column, total in numbers:
            y = first - below * self._leading
            self._show(self._strings.line(total.shown, column, bold=True), f"{y:.2f} Tm")
        width = self._right - self._left
        self._fills.append(f"{self._left:.2f} {self._y - height:.2f} {width:.2f} {height:.2f} re")
        self._strong.append(f"{self._left:.2f} {self._y:.2f} m {self._right:.2f} {self._y:.2f} l")
        self._is_odd = False
        self._end_row(self._y, self._y - height)
        self._is_odd = False

    def _room_before(self, column: PlacedColumn | None) -> float:
        """Return the points between the edge where the table starts and the column."""
        if column is None:
            return self._right - self._left - GAP
        before = self._right - column.x - column.width if self._table.from_right else column.x - self._left
        return before - GAP

    def _end_row(self, top: float, bottom: float) -> None:
        self._rules.append(f"{self._left:.2f} {bottom:.2f} m {self._right:.2f} {bottom:.2f} l")
        if self._zebra and self._is_odd:
            self._fills.append(f"{self._left:.2f} {bottom:.2f} {self._right - self._left:.2f} {top - bottom:.2f} re")
        self._is_odd = not self._is_odd
        self._y = bottom

    def close(self) -> Sequence[Part]:
        """End the last page and file, and return the files in order."""
        self._end_page()
        self._end_file()
        return self._parts

    def _cells_of(self, row: Sequence[str]) -> Sequence[Sequence["Line"]]:
        return [memory[text] for memory, text in zip(self._cells, row, strict=True) if text]

    def _begin_file(self) -> None:
        first = self._table.font_set.latin
        # Without a first font of ours, every page would refer to a Helvetica that is not embedded.
        pdfmetrics.registerFont(first)
        path = self._folder / f"{self._table.name}-{len(self._parts)}.pdf"
        size = (self._table.width, self._table.height)
        self._canvas: Any = Canvas(
            str(path), pagesize=size, invariant=1, pageCompression=1, initialFontName=first.fontName
        )
        self._strings = Strings(self._table, self._canvas._doc)  # noqa: SLF001 - subsets belong to a document
        self._cells = [Cells(self._strings, column) for column in self._table.columns]
        self._parts.append(Part(path, 0, Footer(self._strings)))

    def _end_file(self) -> None:
        self._parts[-1] = replace(self._parts[-1], pages=self._canvas.getPageNumber() - 1)
        self._canvas.save()

    def _turn_page(self) -> None:
        self._end_page()
        if self._canvas.getPageNumber() > _PAGES_PER_FILE:
            self._end_file()
            self._begin_file()
        self._begin_page()

    def _begin_page(self) -> None:
        table, strings = self._table, self._strings
        self._font, self._zebra, self._is_odd = "", table.theme.rows == "zebra", False
        self._rules: list[str] = []
        self._fills: list[str] = []
        self._strong: list[str] = []
        self._code = ["BT", f"{QUIET} rg"]
        if self._below is None:
            head = f"{table.height - _HEAD_Y:.2f} Tm"
            texts = (table.edition, table.head) if table.from_right else (table.head, table.edition)
            self._show(Line(f"1 0 0 1 {MARGIN:.2f} ", strings.of(texts[0], SMALL_PRINT)), head)
            at = table.width - MARGIN - table.font_set.width(texts[1], SMALL_PRINT)
            self._show(Line(f"1 0 0 1 {at:.2f} ", strings.of(texts[1], SMALL_PRINT)), head)
        self._code.append(f"{_INK} rg")
        # The lower end of the column heads.
        self._first_y = table.height - (TOP if self._below is None else self._below) - self._head_height
        for column, lines in zip(table.columns, self._heads, strict=True):
            for at, line in enumerate(reversed(lines)):  # the last lines of all headings are aligned
                y = self._first_y + self._padding + at * self._leading
                self._show(strings.line(line, column, bold=True), f"{y:.2f} Tm")
        self._y = self._first_y
        for group in self._open:  # a page that begins within a group names the group
            self._title(group)
        self._top_y = self._y

    def _end_page(self) -> None:
        table = self._table
        head_y, left = table.height - _RULE_Y, MARGIN
        running = f"0.4 w {left:.2f} {head_y:.2f} m {table.width - left:.2f} {head_y:.2f} l S"
        below = [
            "q", *([f"{self._tint} rg", *self._fills, "f"] if self._fills else []),
            f"{_LINE} RG 0.3 w", *self._rules, "S",
            *([running] if self._below is None else []),
            f"{self._accent} RG 0.5 w", *self._strong, *(["S"] if self._strong else []),
            f"0.9 w {self._left:.2f} {self._first_y:.2f} m {self._right:.2f} {self._first_y:.2f} l S", "Q",
        ]  # fmt: skip
        # ReportLab's own way to add operators; it has no public name.
        self._canvas._code.extend([*below, *self._code, "ET"])  # noqa: SLF001
        self._canvas.showPage()
        self._below = None

    def _show(self, line: "Line", baseline: str) -> None:
        """Set the position, and show each string in its font (PDF 32000-1, 9.4)."""
        code = self._code
        code.append(line.x + baseline)
        for font, string in line.strings:
            if font != self._font:
                code.append(font)
                self._font = font
            code.append(string)


def _colours(accent: str) -> tuple[str, str]:
    """Return the accent colour for PDF, and a tint of it for fills."""
    parts = [int(accent[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    tint = (1 - (1 - part) * 0.07 for part in parts)
    return " ".join(f"{part:.3f}" for part in parts), " ".join(f"{part:.3f}" for part in tint)
