"""Makes PDF operators from texts: the cells of a long table, and the line below each page."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from reportlab.lib.rl_accel import escapePDF

from shared.reports.formats.pdf.shaping import Shaped
from shared.reports.formats.pdf.table import MARGIN, LongTable, PlacedColumn

_REMEMBERED = 50_000
"""Cells whose operators are cached, for all columns together, because most columns repeat themselves."""
SMALL_PRINT = 7.0
QUIET = "0.361 0.408 0.459"
"""The colour of small print, as todoke.typ has it."""
_FOOT_Y = 26.0
"""Points from the paper's edge to the footer."""
_ESCAPES = str.maketrans({"\\": "\\\\", "(": "\\(", ")": "\\)"})


class Line(NamedTuple):
    """One line of a cell, ready to be written at any height of the page."""

    x: str
    """The operator for its position, up to the height."""
    strings: Sequence[tuple[str, str]]
    """Operators that choose a font and show a string, in pairs."""


class Strings:
    """Makes operators for text in one file, whose fonts number their letters."""

    def __init__(self, table: LongTable, document: Any) -> None:
        self.table = table
        self._document = document

    def of(self, text: str, size: float, *, bold: bool = False) -> Sequence[tuple[str, str]]:
        """Return the operators for the text."""
        font_set = self.table.font_set
        if font_set.is_joined(text):
            pieces = font_set.drawn(text, bold=bold)
            return [pair for font, piece in pieces for pair in self._of_piece(font, piece, size)]
        return self._plain(font_set.runs(text, bold=bold), size)

    def _of_piece(self, font: Any, piece: str | Shaped, size: float) -> Sequence[tuple[str, str]]:
        return self._plain([(font, piece)], size) if isinstance(piece, str) else self._placed(font, piece, size)

    def _placed(self, font: Any, piece: Shaped, size: float) -> Sequence[tuple[str, str]]:
        """Return the operators for shaped glyphs at their positions (PDF 32000-1, 9.4.3), with the text to copy for
        them (14.9.4).
        """
        owed = 0.0
        pairs: list[tuple[str, str]] = []
        coded = [(font.splitString(glyph.code, self._document)[0], glyph) for glyph in piece.glyphs]
        for (subset, up), members in groupby(coded, lambda one: (one[0][0], one[1].up)):
            shown = []
            for (_, code), glyph in members:
                owed += glyph.right
                shown += [*([f"{-owed:.0f}"] if round(owed) else []), f"({escapePDF(code)})"]
                owed = glyph.advance - glyph.width - glyph.right
            string = f"[{' '.join(shown)}] TJ"
            raised = f"{up * size / 1000:.2f} Ts {string} 0 Ts" if up else string
            pairs.append((f"{font.getSubsetInternalName(subset, self._document)} {size:.2f} Tf", raised))
        if round(owed):
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} [{-owed:.0f}] TJ")
        if piece.copied:
            text = piece.copied.encode("utf-16-be").hex().upper()
            pairs[0] = (pairs[0][0], f"/Span <</ActualText <FEFF{text}>>> BDC {pairs[0][1]}")
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} EMC")
        return pairs

    def _plain(self, runs: Sequence[tuple[Any, str]], size: float) -> Sequence[tuple[str, str]]:
        found = []
        for font, letters in runs:
            if letters.isascii() and letters.isprintable():
                # ReportLab keeps ASCII at its own codes in a font's first subset.
                name = font.getSubsetInternalName(0, self._document)
                found.append((f"{name} {size:.2f} Tf", f"({letters.translate(_ESCAPES)}) Tj"))
                continue
            for subset, codes in font.splitString(letters, self._document):
                name = font.getSubsetInternalName(subset, self._document)
                found.append((f"{name} {size:.2f} Tf", f"({escapePDF(codes)}) Tj"))
        return found

    def line(self, text: str, column: PlacedColumn, *, bold: bool = False) -> Line:
        """Return the operators for a line of a cell."""
        size, x = self.table.size, column.x
        if column.right:
            x += column.width - self.table.font_set.width(text, size, bold=bold)
        return Line(f"1 0 0 1 {x:.2f} ", self.of(text, size, bold=bold))


class Cells(dict[str, Sequence[Line]]):
    """Caches the lines of one column's cells, because most columns repeat themselves."""

    def __init__(self, strings: Strings, column: PlacedColumn) -> None:
        self._strings = strings
        self._column = column

    def __missing__(self, text: str) -> Sequence[Line]:
        strings, column = self._strings, self._column
        if len(self) * len(strings.table.columns) >= _REMEMBERED:
            self.clear()
        found = self[text] = [strings.line(line, column) for line in strings.table.lines_of(text, column)]
        return found


class Footer:
    """Makes the line below a page, whose number is known only after all pages are drawn."""

    def __init__(self, strings: Strings) -> None:
        font_set = strings.table.font_set
        self._right = strings.table.width - MARGIN
        [(self._digit_font, _)] = strings.of("0", SMALL_PRINT)
        self._digit_width = font_set.width("0", SMALL_PRINT)
        self._left = strings.of(strings.table.footer, SMALL_PRINT)
        self._from_right = strings.table.from_right
        self._left_width = font_set.width(strings.table.footer, SMALL_PRINT)
        pieces = re.split(r"\{(page|pages)\}", strings.table.labels.page)
        self._pieces = [
            piece if at % 2 else (strings.of(piece, SMALL_PRINT), font_set.width(piece, SMALL_PRINT))
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
        places = (self._right - self._left_width, MARGIN) if self._from_right else (MARGIN, self._right - width)
        left, right = (f"1 0 0 1 {x:.2f} {_FOOT_Y:.2f} Tm" for x in places)
        code = ["BT", f"{QUIET} rg", left, *_joined(self._left), right, *_joined(pairs), "ET"]
        return "\n".join(code).encode("latin-1")


def _joined(pairs: Sequence[tuple[str, str]]) -> Sequence[str]:
    """Return one string for each run of one font: programs that copy text look for whole words in each."""
    code: list[str] = []
    font = ""
    for wanted, string in pairs:
        if wanted == font and code[-1].endswith(") Tj") and string.endswith(") Tj"):
            code[-1] = code[-1].removesuffix(") Tj") + string[1:]
        else:
            code += [string] if wanted == font else [wanted, string]
            font = wanted
    return code
