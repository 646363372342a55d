"""Writes a row of a worksheet as one DuckDB expression: no cell ever becomes a Python object.

Nothing is rounded: a number that Excel cannot hold exactly (over 15 digits) becomes text, and so does a date that Excel
does not have. Text stays text, even if it looks like a formula or a link.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.reports.formats.xlsx.limits import EXACT_DIGITS, column_letters, escape_itself

# Characters that XML 1.0 cannot carry, and CR, which XML turns into LF. ECMA-376 part 1, 22.9.2.19 (ST_Xstring), read
# 2026-11-24: such a character is written _xHHHH_, and a text that looks so already gets its underscore escaped.
_UNWRITABLE = [n for n in (*range(0x20), 0xFFFE, 0xFFFF) if n not in {0x09, 0x0A}]
_SUSPECT = r"[\x00-\x08\x0B-\x1F]|\x{FFFE}|\x{FFFF}|_x[0-9A-Fa-f]{4}_"
SUSPECT = re.compile(_SUSPECT.replace(r"\x{FFFE}|\x{FFFF}", "\ufffe|\uffff"))
"""Finds what XML cannot carry, as DuckDB's regular expression does."""
EPOCH_DAYS = 25_569
"""Days from Excel's day 0, 1899-12-30, to 1970-01-01."""
DAY_US = 86_400_000_000
# Excel treats 1900 as a leap year, so dates before this one would move by a day.
FIRST_DAY, _LAST_DAY = "1900-03-01", "9999-12-31"
_FIRST_US, LAST_US = -25_508 * DAY_US, 2_932_897 * DAY_US - 1_000_000
"""The same for moments, in microseconds from 1970-01-01. Parts of the last second would be rounded up to a day that
Excel does not have, which it shows as #######."""
LONGEST_US = 2_958_465 * DAY_US
"""The longest duration: as many days as there are between Excel's day 0 and its last one. Excel shows no negative
ones."""
_SMALLEST, _LARGEST = "2.2251e-308", "9.99999999999999e307"


class CellKind(StrEnum):
    """The kind of cell for a value."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    """A DECIMAL, or text in plain decimal notation."""
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    """A TIMESTAMP, or a TIMESTAMP WITH TIME ZONE, which is shown in the session's zone."""
    DURATION = "duration"
    """Microseconds."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The cells of one column."""

    value: str
    """An SQL expression; NULL also if `text` is not a value of this kind."""
    kind: CellKind
    text: str
    """An SQL expression for the value as text, for values that Excel cannot hold."""
    stored: str
    """An SQL expression for whatever the extract stores; NULL is an empty cell."""
    style: int = 0
    """An index into the workbook's formats."""
    sure: bool = False
    """True if Excel can hold every value of the column as this kind, which makes the expression much smaller."""
    plain: bool = False
    """True if no text of the column contains anything that XML cannot carry, which makes the expression much
    smaller."""
    bare: bool = False
    """True if no text of the column contains `&`, `<` or `>` either."""


def row_parts(cells: Sequence[Cell], row_number: str, *, outline: int = 0) -> Sequence[str]:
    """Return SQL for the parts of a `<row>` element. `row_number` is SQL, 1 for the first row of the sheet.

    `outline` is the number of groups that the row is in.
    """
    filled = [_cell(column_letters(at), cell, row_number) for at, cell in enumerate(cells)]
    # Some readers skip a row that has no cell at all.
    empty = " AND ".join(f"{cell.stored} IS NULL" for cell in cells)
    alone = f"""CASE WHEN {empty} THEN concat('<c r="A', {row_number}, '"/>') ELSE '' END"""
    return ["'<row r=\"'", row_number, f"""'"{_outlined(outline)}>'""", *filled, alone, "'</row>'"]


def _outlined(level: int) -> str:
    return f' outlineLevel="{level}"' if level else ""


def fields(cells: Sequence[Cell]) -> Sequence[str]:
    """Return SQL for the fields that `rows_in_python` needs: for each cell its number, if Excel can hold
    it, and its text.
    """
    return [field for cell in cells for field in _fields(cell)]


def _fields(cell: Cell) -> Sequence[str]:
    if cell.kind is CellKind.TEXT:
        return ["NULL", f"({cell.text})::VARCHAR"]
    number = f"({_number(cell)})::VARCHAR"
    if cell.sure:
        return [f"CASE WHEN {cell.stored} IS NOT NULL THEN {number} END", "NULL"]
    return [f"CASE WHEN {cell.stored} IS NOT NULL AND {_fits(cell)} THEN {number} END", f"({cell.text})::VARCHAR"]


def rows_in_python(
    cells: Sequence[Cell], rows: Iterable[Sequence[str | None]], numbers: Iterable[int] | None = None,
    *, outline: int = 0,
) -> Iterator[str]:  # fmt: skip
    """Yield what `row_parts` makes of each row, from its fields: faster for small results.

    `numbers` are those of the rows; without them, the first is the second row of the sheet.
    """
    openings = [f'<c r="{column_letters(at)}' for at in range(len(cells))]
    number_openings = [f'"{_style(cell)}><v>' for cell in cells]
    columns = list(zip(openings, number_openings, [cell.plain for cell in cells], strict=True))
    outlined = _outlined(outline)
    for row_number, row in zip(itertools.count(2) if numbers is None else numbers, rows, strict=False):
        parts = []
        fields = iter(row)
        for opening, number_opening, is_plain_ in columns:
            number, text = next(fields), next(fields)
            if number is not None:
                parts.append(f"{opening}{row_number}{number_opening}{number}</v></c>")
            elif text is not None:
                shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                if not is_plain_ and SUSPECT.search(text):
                    shown = escape_itself(shown).translate(_WRITTEN)
                parts.append(f'{opening}{row_number}" t="inlineStr"><is><t xml:space="preserve">{shown}</t></is></c>')
        yield f'<row r="{row_number}"{outlined}>{"".join(parts) or _empty(row_number)}</row>'


def _empty(row_number: int) -> str:
    return f'<c r="A{row_number}"/>'


def _style(cell: Cell) -> str:
    style = f' s="{cell.style}"' if cell.style else ""
    return f'{style} t="b"' if cell.kind is CellKind.BOOLEAN else style


_WRITTEN = {number: f"_x{number:04X}_" for number in _UNWRITABLE}


def is_bare(expression: str) -> str:
    """Return SQL that is true for a text that XML can carry unescaped."""
    return f"NOT regexp_matches({expression}, '{_SUSPECT}|[&<>]')"


def is_plain(expression: str) -> str:
    """Return SQL that is true for a text without anything that XML cannot carry."""
    return f"NOT regexp_matches({expression}, '{_SUSPECT}')"


def text_length(expression: str) -> str:
    """Return SQL for a text's length as Excel counts it."""
    return f"(length({expression}) + length(regexp_replace({expression}, '[^\\x{{10000}}-\\x{{10FFFF}}]', '', 'g')))"


def _cell(letters: str, cell: Cell, row_number: str) -> str:
    opening = f"""'<c r="{letters}', {row_number}, '" t="inlineStr"><is><t xml:space="preserve">'"""
    text = f"concat({opening}, {_escaped(cell)}, '</t></is></c>')"
    if cell.kind is CellKind.TEXT:
        return f"CASE WHEN {cell.stored} IS NOT NULL THEN {text} ELSE '' END"
    number = f"""concat('<c r="{letters}', {row_number}, '"{_style(cell)}><v>', {_number(cell)}, '</v></c>')"""
    if cell.sure:
        return f"CASE WHEN {cell.stored} IS NULL THEN '' ELSE {number} END"
    fits = _fits(cell)
    return f"CASE WHEN {cell.stored} IS NULL THEN '' WHEN {fits} THEN {number} ELSE {text} END"


def _number(cell: Cell) -> str:
    value = cell.value
    match cell.kind:
        case CellKind.BOOLEAN:
            return f"({value})::INTEGER"
        case CellKind.DATE:
            return f"(datediff('day', DATE '1970-01-01', {value}) + {EPOCH_DAYS})"
        case CellKind.DATETIME:
            days = f"(epoch_us({value}) // {DAY_US} + {EPOCH_DAYS})"
            part = f"(epoch_us({value}) % {DAY_US})"
            return f"CASE WHEN {part} = 0 THEN {days}::VARCHAR ELSE ({days} + {part} / {DAY_US}.0::DOUBLE)::VARCHAR END"
        case CellKind.DURATION:
            return f"({value} / {DAY_US}.0::DOUBLE)"
        case _:
            return f"{value}"


def _fits(cell: Cell) -> str:
    value = cell.value
    match cell.kind:
        case CellKind.INTEGER:
            return f"{value} BETWEEN -{10**EXACT_DIGITS - 1} AND {10**EXACT_DIGITS - 1}"
        case CellKind.DECIMAL:
            digits = f"trim(replace(ltrim({value}::VARCHAR, '-'), '.', ''), '0')"
            return (
                f"(length({digits}) <= {EXACT_DIGITS} AND length({value}::VARCHAR) < 300 "
                f"AND regexp_full_match({value}::VARCHAR, '-?[0-9.]+'))"
            )
        case CellKind.FLOAT:
            return f"({value} = 0 OR abs({value}) BETWEEN {_SMALLEST} AND {_LARGEST})"
        case CellKind.DURATION:
            return f"coalesce({value} BETWEEN 0 AND {LONGEST_US}, false)"
        case CellKind.DATETIME:
            return f"epoch_us({value}) BETWEEN {_FIRST_US} AND {LAST_US}"
        case CellKind.DATE:
            return f"({value})::DATE BETWEEN DATE '{FIRST_DAY}' AND DATE '{_LAST_DAY}'"
        case _:
            return "true"


def is_text(cell: Cell) -> str:
    """Return SQL that is true if a cell of a kind other than text contains text."""
    return f"{cell.stored} IS NOT NULL AND ({_fits(cell)}) IS NOT TRUE"


def _escaped(cell: Cell) -> str:
    text = written = cell.text
    if cell.bare:
        return text
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        written = f"replace({written}, '{character}', '{entity}')"
    if cell.plain:
        return written
    strange = f"regexp_replace({written}, '_(x[0-9A-Fa-f]{{4}}_)', '_x005F_\\1', 'g')"
    for number in _UNWRITABLE:
        strange = f"replace({strange}, chr({number}), '_x{number:04X}_')"
    return f"CASE WHEN regexp_matches({text}, '{_SUSPECT}') THEN {strange} ELSE {written} END"
