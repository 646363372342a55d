"""Writes a table of any length as PDF pages, drawn cell by cell on a canvas."""

# Typst takes some hundred times as long over such a table; `make bench-reports` measures this way and WeasyPrint's.

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportlab import rl_config
from reportlab.lib.pagesizes import A4, LETTER, landscape
from reportlab.lib.rl_accel import escapePDF
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from shared.reports.extract import ExtractColumn
from shared.reports.formats.display import displayed
from shared.reports.formats.labels import labels_of
from shared.reports.formats.pdf.fonts import FontSet
from shared.reports.formats.rendering import Rendering

_MARGIN = 36.0
_GAP = 7.0
_LARGEST, _SMALLEST = 7.5, 4.0
"""Type sizes in points. The size falls until all columns fit, but not below what can be read."""
_IN_BLOCKS = 6.0
"""The type size by which columns are shared out, if they do not all fit on one page's width."""
_LEADING = 1.45
_SAMPLE = 500
_WIDEST = 260.0
"""Points that one column may take at first."""
_TITLE_LINES, _RAGGED = 3, 1.15
_TITLE_HEIGHT = 22.0
_FOOTER_HEIGHT = 16.0
_PAGES_PER_FILE = 500
_REMEMBERED = 50_000
"""Cells whose fitted text is kept, because most columns repeat themselves."""
_SMALL_PRINT = 7.0
_ESCAPES = str.maketrans({"\\": "\\\\", "(": "\\(", ")": "\\)"})
_QUIET, _INK, _LINE = 0.45, 0.1, 0.8


rl_config.useA85 = 0  # ASCII85, for mail gateways that are not 8-bit clean, makes pages a quarter larger


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    number: bool
    x: float
    width: float


def long_tables(rendering: Rendering) -> Sequence["LongTable"]:
    """Return the appendix: one table of all columns, or several if they do not fit on one page's width.

    Each further table has the first column again, by which a reader finds the row.
    """
    columns = rendering.extract.columns
    whole = LongTable(rendering, columns)
    if whole.fits or len(columns) <= 1:
        return [whole]
    tables: list[LongTable] = []
    room, at = whole.width - 2 * _MARGIN, 1
    while at < len(columns):
        taken, end = whole.wanted[0] * _IN_BLOCKS, at
        while end < len(columns):
            taken += _GAP + whole.wanted[end] * _IN_BLOCKS
            if taken > room and end > at:
                break
            end += 1
        tables.append(LongTable(rendering, [columns[0], *columns[at:end]], block=len(tables) + 1))
        at = end
    return tables


class LongTable:
    """A table of some columns of one report. Its layout is settled first, so that the number of pages is known."""

    def __init__(self, rendering: Rendering, columns: Sequence[ExtractColumn], *, block: int = 0) -> None:
        self._rendering = rendering
        self._columns = columns
        self._name = f"appendix-{block}" if block else "appendix"
        self.title = rendering.report.title
        self.labels = labels_of(rendering.language)
        self.font_set = FontSet(rendering.fonts)
        self._fitted: dict[tuple[str, float, bool], _Fitted] = {}
        paper = LETTER if rendering.report.pdf.paper == "us-letter" else A4
        self.wanted = wanted = self._wanted_widths()
        upright = paper[0] - 2 * _MARGIN >= sum(wanted) * _LARGEST + _GAP * (len(wanted) - 1)
        self.width, self.height = paper if upright else landscape(paper)
        self.size, self.columns = self._layout(wanted)
        body = self.height - 2 * _MARGIN - _TITLE_HEIGHT - _FOOTER_HEIGHT - self.header_height()
        self._rows_per_page = max(1, int(body // (self.size * _LEADING)))
        self.pages = -(-rendering.extract.rows // self._rows_per_page)

    def _wanted_widths(self) -> list[float]:
        """Return the widths that titles, in a few lines, and the first rows need, in points at type size 1."""
        wanted = []
        for column in self._columns:
            title = self._rendering.title(column)
            in_lines = self._measure(title, 1.0, bold=True) / _TITLE_LINES * _RAGGED
            wanted.append(max(self._measure(max(title.split(), key=len, default=""), 1.0, bold=True), in_lines))
        for row in self._rows(limit=_SAMPLE):
            for at, text in enumerate(row):
                wanted[at] = max(wanted[at], min(self._measure(text, 1.0), _WIDEST / _LARGEST))
        return wanted

    def _layout(self, wanted: Sequence[float]) -> tuple[float, Sequence[_Column]]:
        """Return the largest type size at which all columns fit. At the smallest, the widest columns give way."""
        columns = self._columns
        titles = [self._rendering.title(c) for c in columns]
        room = self.width - 2 * _MARGIN - _GAP * (len(columns) - 1)
        size = max(_SMALLEST, min(_LARGEST, room / max(sum(wanted), 1e-9)))
        self.fits = sum(wanted) * size <= room + 0.1
        widths = _fit([w * size for w in wanted], room)
        placed, x = [], _MARGIN
        for column, title, width in zip(columns, titles, widths, strict=True):
            placed.append(_Column(title, column.source.is_number, x, width))
            x += width + _GAP
        return size, placed

    def _rows(self, *, limit: int | None = None) -> Iterator[Sequence[str]]:
        rendering = self._rendering
        shown = ", ".join(f"coalesce({displayed(c, rendering.shown(c))}, '')" for c in self._columns)
        most = f" LIMIT {limit}" if limit else ""
        if limit:
            yield from rendering.connection.execute(f"SELECT {shown} FROM {rendering.extract.table}{most}").fetchall()
            return
        # Through a pipe, because DuckDB 2.0 holds its own results whole in memory.
        rest = b""
        for piece in rendering.lines(f"json_array({shown})::VARCHAR"):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield json.loads(line)

    def draw(self, folder: Path, *, first_page: int, pages: int) -> Sequence[Path]:
        """Write the pages, numbered from `first_page` of `pages`, and return their files in order.

        A file has some hundred pages, because the canvas keeps all of them in memory until it is saved.
        """
        paths: list[Path] = []
        canvas: Any = None
        page: _Page | None = None
        for number, row in enumerate(self._rows()):
            at, on_page = divmod(number, self._rows_per_page)
            if page is None or on_page == 0:
                if page is not None:
                    page.end(first_page + at - 1, pages)
                if at % _PAGES_PER_FILE == 0:
                    if canvas is not None:
                        canvas.save()
                    paths.append(folder / f"{self._name}-{len(paths)}.pdf")
                    canvas = self._canvas(paths[-1])
                page = _Page(self, canvas)
            page.row(row)
        if page is not None:
            page.end(pages, pages)
            canvas.save()
        return paths

    def _canvas(self, path: Path) -> Any:
        # Without a first font of ours, every page refers to a Helvetica that nobody embeds.
        pdfmetrics.registerFont(self.font_set.latin)
        first = self.font_set.latin.fontName
        return Canvas(
            str(path), pagesize=(self.width, self.height), invariant=1, pageCompression=1, initialFontName=first
        )

    def header_height(self) -> float:
        """Return the height of the header in points, for titles of one or more lines."""
        most = max((len(self.wrapped(c)) for c in self.columns), default=1)
        return most * self.size * _LEADING + 4

    def wrapped(self, column: _Column) -> list[str]:
        """Return the column's title in lines that fit."""
        lines = [""]
        for word in column.title.split():
            candidate = f"{lines[-1]} {word}".strip()
            if lines[-1] and self._measure(candidate, self.size, bold=True) > column.width:
                lines.append(word)
            else:
                lines[-1] = candidate
        return [self.fitted(line, column.width, bold=True).text for line in lines]

    def _measure(self, text: str, size: float, *, bold: bool = False) -> float:
        return float(self.font_set.font_for(text, bold=bold).stringWidth(text, size))

    def fitted(self, text: str, width: float, *, bold: bool = False) -> "_Fitted":
        """Return the text as it fits into `width` points."""
        key = (text, width, bold)
        found = self._fitted.get(key)
        if found is None:
            if len(self._fitted) > _REMEMBERED:
                self._fitted.clear()
            found = self._fitted[key] = self._fit_text(text, width, bold=bold)
        return found

    def _fit_text(self, text: str, width: float, *, bold: bool) -> "_Fitted":
        text = " ".join(text.split())
        font = self.font_set.font_for(text, bold=bold)
        taken = float(font.stringWidth(text, self.size))
        if taken <= width + 0.1:
            return _Fitted(text, font, taken, shortened=False)
        font = self.font_set.font_for(text + "…", bold=bold)
        keep = len(text)
        while keep and (taken := float(font.stringWidth(text[:keep] + "…", self.size))) > width:
            keep = min(keep - 1, int(keep * width / taken) + 1)
        return _Fitted(text[:keep] + "…", font, taken, shortened=True)


@dataclass(frozen=True, slots=True)
class _Fitted:
    text: str
    font: Any
    width: float
    shortened: bool


class _Page:
    """Writes one page's drawing operators, because the canvas itself would handle the text letter by letter."""

    def __init__(self, table: LongTable, canvas: Any) -> None:
        self._table = table
        self._canvas = canvas
        self._shortened = False
        self._font = ""
        top = table.height - _MARGIN
        self._code = ["BT", f"{_QUIET} g"]
        self._put(f"{table.title} · {table.labels.appendix}", _MARGIN, top - 8, _SMALL_PRINT)
        self._code.append(f"{_INK} g")
        leading = table.size * _LEADING
        for column in table.columns:
            for at, line in enumerate(table.wrapped(column)):
                self._cell(line, column, top - _TITLE_HEIGHT - at * leading, bold=True)
        self._y = top - _TITLE_HEIGHT - table.header_height() + leading
        self._rule_y = self._y - 1

    def row(self, row: Sequence[str]) -> None:
        """Write the next line of cells."""
        self._y -= self._table.size * _LEADING
        for text, column in zip(row, self._table.columns, strict=True):
            if text:
                self._cell(text, column, self._y)

    def end(self, number: int, pages: int) -> None:
        """Write the footer and end the page."""
        table = self._table
        self._code.append(f"{_QUIET} g")
        if self._shortened:
            self._put(table.labels.shortened, _MARGIN, _MARGIN - 8, _SMALL_PRINT)
        text = table.labels.page.format(page=number, pages=pages)
        right = table.width - _MARGIN - table.font_set.font_for(text).stringWidth(text, _SMALL_PRINT)
        self._put(text, right, _MARGIN - 8, _SMALL_PRINT)
        self._code.append("ET")
        self._canvas._code.extend(self._code)  # noqa: SLF001 - ReportLab's own way to add operators, without a name
        self._canvas.setStrokeGray(_LINE)
        self._canvas.line(_MARGIN, self._rule_y, table.width - _MARGIN, self._rule_y)
        self._canvas.showPage()

    def _cell(self, text: str, column: _Column, y: float, *, bold: bool = False) -> None:
        fitted = self._table.fitted(text, column.width, bold=bold)
        self._shortened = self._shortened or fitted.shortened
        x = column.x + column.width - fitted.width if column.number else column.x
        self._show(fitted.text, fitted.font, x, y, self._table.size)

    def _put(self, text: str, x: float, y: float, size: float) -> None:
        self._show(text, self._table.font_set.font_for(text), x, y, size)

    def _show(self, text: str, font: Any, x: float, y: float, size: float) -> None:
        """Set the font and the place, and show the string (PDF 32000-1, 9.4)."""
        document = self._canvas._doc  # noqa: SLF001 - subsets belong to a document
        self._code.append(f"1 0 0 1 {x:.2f} {y:.2f} Tm")
        if text.isascii():
            # ReportLab keeps ASCII at its own codes in a font's first subset.
            self._string(font.getSubsetInternalName(0, document), size, text.translate(_ESCAPES))
            return
        for subset, codes in font.splitString(text, document):
            self._string(font.getSubsetInternalName(subset, document), size, escapePDF(codes))

    def _string(self, font: str, size: float, escaped: str) -> None:
        selected = f"{font} {size:.2f} Tf"
        if selected != self._font:
            self._code.append(selected)
            self._font = selected
        self._code.append(f"({escaped}) Tj")


def _fit(widths: list[float], room: float) -> list[float]:
    """Shrink the widest columns to one common width, so that the narrow ones stay whole."""
    if sum(widths) <= room:
        return widths
    low, high = 0.0, max(widths, default=0.0)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if sum(min(w, middle) for w in widths) > room else (middle, high)
    return [min(w, low) for w in widths]
