"""Draws a long table on a canvas, cell by cell, and numbers its pages once all of them are known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from reportlab import rl_config
from reportlab.lib.rl_accel import escapePDF
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from shared.reports.formats.pdf.table import FOOTER_HEIGHT, LEADING, MARGIN, TITLE_HEIGHT, LongTable, PlacedColumn

_PAGES_PER_FILE = 500
_REMEMBERED = 50_000
"""Cells whose operators are kept, in all columns together, because most columns repeat themselves."""
_SMALL_PRINT = 7.0
_ESCAPES = str.maketrans({"\\": "\\\\", "(": "\\(", ")": "\\)"})
_QUIET, _INK, _LINE = 0.45, 0.1, 0.8

rl_config.useA85 = 0  # ASCII85, for mail gateways that are not 8-bit clean, makes pages a quarter larger


@dataclass(frozen=True, slots=True)
class Part:
    """A file of some hundred pages: the canvas keeps all of them in memory until it is saved."""

    path: Path
    pages: int
    footer: "_Footer"


def draw(table: LongTable, folder: Path) -> Sequence[Part]:
    """Draw all rows into files below `folder`, without page numbers, and return the files in order."""
    pages = _Pages(table, folder)
    for row in table.rows():
        pages.row(row)
    return pages.close()


class _Pages:
    """Writes drawing operators, because the canvas itself would handle the text letter by letter."""

    def __init__(self, table: LongTable, folder: Path) -> None:
        self._table = table
        self._folder = folder
        self._parts: list[Part] = []
        self._leading = table.size * LEADING
        self._heads = [table.lines_of(column.title, column, bold=True) for column in table.columns]
        most = max(map(len, self._heads), default=1)
        self._first_y = table.height - MARGIN - TITLE_HEIGHT - (most - 1) * self._leading - 4
        """The baseline of the heading's last line."""
        self._lowest_y = MARGIN + FOOTER_HEIGHT
        self._begin_file()
        self._begin_page()

    def row(self, row: Sequence[str]) -> None:
        """Write the next row: on this page, or whole on the next one, or over several if it is longer than a page."""
        cells = self._cells_of(row)
        height = max(map(len, cells), default=1)
        if self._y - height * self._leading < self._lowest_y and self._y < self._first_y:
            self._turn_page()
            cells = self._cells_of(row)
        for at in range(height):
            if self._y - self._leading < self._lowest_y and at:
                self._turn_page()
                cells = self._cells_of(row)
            self._y -= self._leading
            baseline = f"{self._y:.2f} Tm"
            for lines in cells:
                if at < len(lines):
                    self._show(lines[at], baseline)

    def close(self) -> Sequence[Part]:
        """End the last page and file, and return the files in order."""
        self._end_page()
        self._end_file()
        return self._parts

    def _cells_of(self, row: Sequence[str]) -> Sequence[Sequence["_Line"]]:
        return [memory[text] for memory, text in zip(self._cells, row, strict=True) if text]

    def _begin_file(self) -> None:
        first = self._table.font_set.latin
        # Without a first font of ours, every page refers to a Helvetica that nobody embeds.
        pdfmetrics.registerFont(first)
        path = self._folder / f"{self._table.name}-{len(self._parts)}.pdf"
        size = (self._table.width, self._table.height)
        self._canvas: Any = Canvas(
            str(path), pagesize=size, invariant=1, pageCompression=1, initialFontName=first.fontName
        )
        self._strings = _Strings(self._table, self._canvas._doc)  # noqa: SLF001 - subsets belong to a document
        self._cells = [_Cells(self._strings, column) for column in self._table.columns]
        self._parts.append(Part(path, 0, _Footer(self._strings)))

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
        top = table.height - MARGIN
        self._font = ""
        self._code = ["BT", f"{_QUIET} g"]
        title = f"{table.title} · {table.labels.appendix}"
        self._show(_Line(f"1 0 0 1 {MARGIN:.2f} ", strings.of(title, _SMALL_PRINT)), f"{top - 8:.2f} Tm")
        self._code.append(f"{_INK} g")
        for column, lines in zip(table.columns, self._heads, strict=True):
            for at, line in enumerate(lines):
                y = top - TITLE_HEIGHT - at * self._leading
                self._show(strings.line(line, column, bold=True), f"{y:.2f} Tm")
        self._y = self._first_y

    def _end_page(self) -> None:
        self._code.append("ET")
        self._canvas._code.extend(self._code)  # noqa: SLF001 - ReportLab's own way to add operators, without a name
        self._canvas.setStrokeGray(_LINE)
        rule_y = self._first_y - 1
        self._canvas.line(MARGIN, rule_y, self._table.width - MARGIN, rule_y)
        self._canvas.showPage()

    def _show(self, line: "_Line", baseline: str) -> None:
        """Set the place, and show each string in its font (PDF 32000-1, 9.4)."""
        code = self._code
        code.append(line.x + baseline)
        for font, string in line.strings:
            if font != self._font:
                code.append(font)
                self._font = font
            code.append(string)


class _Line(NamedTuple):
    """One line of a cell, ready to be written at any height of the page."""

    x: str
    """The operator for its place, up to the height."""
    strings: Sequence[tuple[str, str]]
    """Operators that choose a font and show a string, in pairs."""


class _Strings:
    """Makes operators for text in one file: the numbers of letters belong to the file's fonts."""

    def __init__(self, table: LongTable, document: Any) -> None:
        self.table = table
        self._document = document

    def of(self, text: str, size: float, *, bold: bool = False) -> Sequence[tuple[str, str]]:
        """Return the operators for the text."""
        found = []
        for font, letters in self.table.font_set.runs(text, bold=bold):
            if letters.isascii() and letters.isprintable():
                # ReportLab keeps ASCII at its own codes in a font's first subset.
                name = font.getSubsetInternalName(0, self._document)
                found.append((f"{name} {size:.2f} Tf", f"({letters.translate(_ESCAPES)}) Tj"))
                continue
            for subset, codes in font.splitString(letters, self._document):
                name = font.getSubsetInternalName(subset, self._document)
                found.append((f"{name} {size:.2f} Tf", f"({escapePDF(codes)}) Tj"))
        return found

    def line(self, text: str, column: PlacedColumn, *, bold: bool = False) -> _Line:
        """Return the operators for a line of a cell."""
        size, x = self.table.size, column.x
        if column.number:
            x += column.width - self.table.font_set.width(text, size, bold=bold)
        self.table.font_set.note_unjoined(text)
        return _Line(f"1 0 0 1 {x:.2f} ", self.of(text, size, bold=bold))


class _Cells(dict[str, Sequence[_Line]]):
    """Remembers the lines of one column's cells, because most columns repeat themselves."""

    def __init__(self, strings: _Strings, column: PlacedColumn) -> None:
        self._strings = strings
        self._column = column

    def __missing__(self, text: str) -> Sequence[_Line]:
        strings, column = self._strings, self._column
        if len(self) * len(strings.table.columns) >= _REMEMBERED:
            self.clear()
        found = self[text] = [strings.line(line, column) for line in strings.table.lines_of(text, column)]
        return found


class _Footer:
    """Makes the line below a page, whose number is known when all pages are drawn."""

    def __init__(self, strings: _Strings) -> None:
        font_set = strings.table.font_set
        self._right = strings.table.width - MARGIN
        [(self._digit_font, _)] = strings.of("0", _SMALL_PRINT)
        self._digit_width = font_set.width("0", _SMALL_PRINT)
        pieces = re.split(r"\{(page|pages)\}", strings.table.labels.page)
        self._pieces = [
            piece if at % 2 else (strings.of(piece, _SMALL_PRINT), font_set.width(piece, _SMALL_PRINT))
            for at, piece in enumerate(pieces)
        ]

    def code(self, page: int, pages: int) -> bytes:
        """Return the operators, to be added to the page's own."""
        numbers, pairs, width = {"page": str(page), "pages": str(pages)}, [], 0.0
        for piece in self._pieces:
            if isinstance(piece, str):
                pairs.append((self._digit_font, f"({numbers[piece]}) Tj"))
                width += len(numbers[piece]) * self._digit_width
            else:
                pairs += piece[0]
                width += piece[1]
        place = f"1 0 0 1 {self._right - width:.2f} {MARGIN - 8:.2f} Tm"
        return "\n".join(["BT", f"{_QUIET} g", place, *_joined(pairs), "ET"]).encode("latin-1")


def _joined(pairs: Sequence[tuple[str, str]]) -> Sequence[str]:
    """One string for what stands in one font: programs that copy text look for the words in each."""
    code: list[str] = []
    font = ""
    for wanted, string in pairs:
        if wanted == font:
            code[-1] = code[-1].removesuffix(") Tj") + string[1:]
        else:
            code += [wanted, string]
            font = wanted
    return code
