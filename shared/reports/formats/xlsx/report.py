"""Writes a report as an Excel workbook with typed cells, in constant memory for any number of rows."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from shared.reports.columns import DECIMAL_DIGITS
from shared.reports.errors import cell_too_long, output_too_large
from shared.reports.extract import ExtractColumn
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.xlsx.cells import (
    SUSPECT,
    Cell,
    CellKind,
    fields,
    is_plain,
    row_expression,
    row_here,
    text_length,
)
from shared.reports.formats.xlsx.limits import (
    CELL_CHARACTERS,
    EXACT_DIGITS,
    SHEET_COLUMNS,
    SHEET_ROWS,
    characters,
    sheet_name,
)
from shared.reports.formats.xlsx.workbook import SheetColumn, Workbook
from shared.reports.formats.xlsx.zip_file import PartTooLarge

_DEFAULT_FORMATS = {
    # What LibreOffice writes itself: without it, it shows 1 and 0. Excel shows booleans in words whatever the format.
    "bool": '"TRUE";"TRUE";"FALSE"',
    "date": "yyyy-mm-dd",
    "timestamp": "yyyy-mm-dd hh:mm:ss",
    "timestamptz": "yyyy-mm-dd hh:mm:ss",
}
_WIDTH_SAMPLE = 200
_WIDEST_TEXT = 60
_WIDEST_HEADER = 24


def write_xlsx(rendering: Rendering) -> int:
    """Write a workbook: bold frozen header with titles and units, filter, widths; a new sheet every 1,048,575 rows.

    Numbers that Excel cannot hold exactly (over 15 digits) are text, never rounded. Text is text, even if it looks
    like a formula or a link. Returns the data rows.
    """
    columns = rendering.extract.columns
    if len(columns) > SHEET_COLUMNS:
        raise output_too_large()
    strange = _check_texts(rendering)
    formats = [_number_format(rendering, c) for c in columns]
    looks = [SheetColumn(rendering.title(c), w) for c, w in zip(columns, _widths(rendering), strict=True)]
    try:
        with Workbook(rendering.path, title=rendering.report.title, formats=filter(None, formats)) as book:
            cells = [
                replace(_cell(c, book.style_of(f)), plain=c.name not in strange)
                for c, f in zip(columns, formats, strict=True)
            ]
            if rendering.extract.is_small and rendering.extract.rows < SHEET_ROWS:
                with book.sheet(sheet_name(rendering.report.title), looks) as sheet:
                    sheet.add([_rows_here(rendering, cells)], rendering.extract.rows)
                return rendering.extract.rows
            for number, start in enumerate(range(0, max(rendering.extract.rows, 1), SHEET_ROWS - 1), 1):
                with book.sheet(sheet_name(rendering.report.title, number), looks) as sheet:
                    end = min(start + SHEET_ROWS - 1, rendering.extract.rows)
                    row = row_expression(cells, f"(file_row_number - {start - 2})")
                    rows = f"{rendering.extract.numbered} WHERE file_row_number >= {start} AND file_row_number < {end}"
                    sheet.add(rendering.lines(row, source=rows), end - start)
    except PartTooLarge:
        raise output_too_large() from None
    return rendering.extract.rows


def _rows_here(rendering: Rendering, cells: Sequence[Cell]) -> bytes:
    asked = f"SELECT {', '.join(fields(cells))} FROM {rendering.extract.table}"
    rows = rendering.connection.execute(asked).fetchall()
    rendering.progress(len(rows))
    return "".join(f"{row_here(cells, row, number)}\n" for number, row in enumerate(rows, 2)).encode()


def _number_format(rendering: Rendering, column: ExtractColumn) -> str:
    return rendering.shown(column).number_format or _DEFAULT_FORMATS.get(column.source.type_name, "")


def _cell(column: ExtractColumn, style: int) -> Cell:
    value, text, source = column.quoted, column.as_source_text, column.source
    if source.is_integer:
        # A number is there if its text is.
        short = column.stored_as in {"SMALLINT", "INTEGER", "UINTEGER"}
        return Cell(value, CellKind.INTEGER, value if short else text, style, sure=short)
    if source.type_name == "numeric":
        short = _digits(column) <= EXACT_DIGITS
        return Cell(value, CellKind.DECIMAL, value if short else text, style, sure=short)
    if source.is_float:
        return Cell(value, CellKind.FLOAT, column.as_float_text, style)
    match column.stored_as, source.type_name:
        case "BOOLEAN", _:
            return Cell(value, CellKind.BOOLEAN, value, style, sure=True)
        case "DATE", _:
            return Cell(value, CellKind.DATE, text, style)
        case "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE", _:
            return Cell(value, CellKind.DATETIME, text, style)
        case _, "date" | "timestamp" | "timestamptz":
            return _lenient(column, style)
        case _:
            return Cell(value, CellKind.TEXT, text, style)


def _digits(column: ExtractColumn) -> int:
    """The most digits of a decimal number of the column."""
    if column.strange:
        return DECIMAL_DIGITS
    if column.stored_as != "VARCHAR":
        return column.source.precision or DECIMAL_DIGITS
    return column.decimal[0] if column.decimal else DECIMAL_DIGITS


def _lenient(column: ExtractColumn, style: int) -> Cell:
    """Return the cell for a moment that is text in the extract, because some row has one that only PostgreSQL knows."""
    kind = CellKind.DATE if column.source.type_name == "date" else CellKind.DATETIME
    return Cell(f"({column.as_usual_moment})", kind, column.quoted, style)


def _check_texts(rendering: Rendering) -> Collection[str]:
    """Refuse texts that an Excel cell cannot hold, naming how many there are. They are never cut.

    Returns the columns with characters that XML cannot carry.
    """
    texts = [c for c in rendering.extract.columns if c.stored_as == "VARCHAR"]
    if not texts:
        return ()
    if rendering.extract.is_small:
        return _checked_here(rendering, texts)
    checks = ", ".join(f"max(strlen({c.quoted})), bool_and({is_plain(c.quoted)})" for c in texts)
    found: Any = rendering.connection.execute(f"SELECT {checks} FROM {rendering.extract.table}").fetchone()
    for column, most_bytes in zip(texts, found[::2], strict=True):
        if (most_bytes or 0) <= CELL_CHARACTERS:
            continue
        length = text_length(column.quoted)
        count, row, most = rendering.connection.execute(
            f"SELECT count(*), min(file_row_number) + 1, max({length}) FROM {rendering.extract.numbered} "
            f"WHERE {length} > {CELL_CHARACTERS}"
        ).fetchone() or (0, 0, 0)
        if count:
            raise cell_too_long(column.source.name, count, row, most)
    return {c.name for c, plain in zip(texts, found[1::2], strict=True) if plain is False}


def _checked_here(rendering: Rendering, texts: Sequence[ExtractColumn]) -> Collection[str]:
    """The same, for few rows: DuckDB takes longer over the question than Python over the answer."""
    asked = f"SELECT {', '.join(c.quoted for c in texts)} FROM {rendering.extract.table}"
    rows = rendering.connection.execute(asked).fetchall()
    strange = set()
    for column, cells in zip(texts, zip(*rows, strict=True), strict=True) if rows else ():
        lengths = [characters(text or "") for text in cells]
        if too_long := [row for row, length in enumerate(lengths, 1) if length > CELL_CHARACTERS]:
            raise cell_too_long(column.source.name, len(too_long), too_long[0], max(lengths))
        if any(text and SUSPECT.search(text) for text in cells):
            strange.add(column.name)
    return strange


def _widths(rendering: Rendering) -> Sequence[float]:
    """Return widths for the titles and the first rows."""
    columns = rendering.extract.columns
    longest = ", ".join(f"max(length({c.quoted}::VARCHAR))" for c in columns)
    sample = f"(FROM {rendering.extract.table} LIMIT {_WIDTH_SAMPLE})"
    found: Any = rendering.connection.execute(f"SELECT {longest} FROM {sample}").fetchone()
    widths = []
    for column, most in zip(columns, found, strict=True):
        source = column.source
        least = 12 if source.is_number else 20 if source.type_name.startswith("timestamp") else 11
        text = min(most or 0, _WIDEST_TEXT) + 2 if column.stored_as == "VARCHAR" and not source.is_number else 0
        title = min(len(rendering.title(column)), _WIDEST_HEADER) + 3
        widths.append(rendering.shown(column).width or max(least, text, title))
    return widths
