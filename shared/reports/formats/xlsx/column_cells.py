"""Defines for each type of a source's column which cells of a workbook hold its values."""

from shared.catalog.cultures import ENGLISH, Culture
from shared.catalog.number_format import ERAS, NAMES, Part
from shared.catalog.number_format_text import WrongFormat, read_format
from shared.catalog.shape import UTC_NAME
from shared.reports import duck
from shared.reports.columns import DECIMAL_DIGITS
from shared.reports.extract import ExtractColumn
from shared.reports.formats.rendering import Rendering
from shared.reports.formats.xlsx.cells import Cell, CellKind
from shared.reports.formats.xlsx.limits import EXACT_DIGITS

_DEFAULT_FORMATS = {
    # As LibreOffice itself writes it: otherwise it shows 1 and 0. Excel shows booleans in words whatever the format.
    "bool": '"TRUE";"TRUE";"FALSE"',
    "date": "yyyy-mm-dd",
    "timestamp": "yyyy-mm-dd hh:mm:ss",
    "timestamptz": "yyyy-mm-dd hh:mm:ss",
    "time": "hh:mm:ss",
    "interval": "[h]:mm:ss",
}
_JAPANESE = 0x411


def number_format(rendering: Rendering, column: ExtractColumn) -> str:
    """Return the format of the column's cells: report.toml's, or the default of its type."""
    looks = column.heading.looks if column.heading else column.source.name
    given = rendering.report.columns.get(looks)
    found = (given and given.number_format) or _DEFAULT_FORMATS.get(column.source.type_name, "")
    return _in_language(found, rendering.culture) if column.source.is_moment else found


def _in_language(number_format: str, culture: Culture) -> str:
    """Return the format with the language of its names, unless it names one: Excel would use its user's own.

    Eras are Japanese whatever the language.
    """
    try:
        found = read_format(number_format)
    except WrongFormat:
        return number_format
    codes = {piece.text for section in found.sections for piece in section if piece.part is Part.DATE}
    if found.lcid is not None or len(found.sections) > 1:
        return number_format
    if codes & ERAS:
        return f"[$-{_JAPANESE:X}]{number_format}"
    return f"[$-{culture.lcid:X}]{number_format}" if culture is not ENGLISH and codes & NAMES else number_format


def cell_of(column: ExtractColumn, style: int, zone: str) -> Cell:
    """Return the cells of the column, whose moments are shown by the clocks of `zone`."""
    value, text, source = column.quoted, column.as_source_text, column.source
    if source.is_integer:
        # There is a number if there is a text.
        short = column.stored_as in {"SMALLINT", "INTEGER", "UINTEGER"}
        return Cell(value, CellKind.INTEGER, value if short else text, column.quoted, style, sure=short)
    if source.type_name == "numeric":
        short = _digits(column) <= EXACT_DIGITS
        return Cell(value, CellKind.DECIMAL, value if short else text, column.quoted, style, sure=short)
    if source.is_float:
        return Cell(value, CellKind.FLOAT, column.as_float_text, column.quoted, style)
    if source.is_duration:
        return Cell(f"({column.as_microseconds})", CellKind.DURATION, text, column.quoted, style)
    match column.stored_as, source.type_name:
        case "BOOLEAN", _:
            return Cell(value, CellKind.BOOLEAN, value, column.quoted, style, sure=True)
        case "DATE", _:
            return Cell(value, CellKind.DATE, text, column.quoted, style)
        case "TIMESTAMP" | "TIMESTAMP WITH TIME ZONE", _:
            return Cell(_on_the_clock(value, column, zone), CellKind.DATETIME, text, column.quoted, style)
        case _, "date" | "timestamp" | "timestamptz":
            return _lenient(column, style, zone)
        case _:
            return Cell(value, CellKind.TEXT, text, column.quoted, style)


def _digits(column: ExtractColumn) -> int:
    """Return the most digits of a decimal number of the column."""
    if column.strange:
        return DECIMAL_DIGITS
    if column.stored_as != "VARCHAR":
        return column.source.precision or DECIMAL_DIGITS
    return column.decimal[0] if column.decimal else DECIMAL_DIGITS


def _on_the_clock(moment: str, column: ExtractColumn, zone: str) -> str:
    """Return SQL for what the zone's clocks show at an instant: Excel has no zones."""
    return f"timezone({duck.literal(zone)}, {moment})" if column.source.has_zone and zone != UTC_NAME else moment


def _lenient(column: ExtractColumn, style: int, zone: str) -> Cell:
    """Return the cell for a moment that the extract stores as text, because some row has one that only PostgreSQL
    knows.
    """
    kind = CellKind.DATE if column.source.type_name == "date" else CellKind.DATETIME
    return Cell(_on_the_clock(f"({column.as_usual_moment})", column, zone), kind, column.quoted, column.quoted, style)
