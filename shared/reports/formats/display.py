"""Shows values as people read them, in HTML and PDF, by report.toml's number formats, as SQL over the extract."""

import re

from shared.catalog.model import Column
from shared.reports.extract import ExtractColumn

_NUMBER = re.compile(r"(?P<comma>#,##)?0(?:\.(?P<places>0+))?(?P<percent>%)?")
_MOMENT_CODES = (
    # Excel tells minutes from months by what stands beside them.
    ("yyyy", "%Y"), ("hh:mm:ss", "%H:%M:%S"), ("hh:mm", "%H:%M"), ("mmm", "%b"), ("mm", "%m"), ("dd", "%d"),
)  # fmt: skip
_EXACT_IN_DOUBLE = 1e15


def displayed(column: ExtractColumn, shown: Column) -> str:
    """Return SQL for the value as text, NULL as NULL. A format that is not known here gives the source's own text."""
    plain = column.as_float_text if column.source.is_float else column.as_source_text
    if column.source.is_number:
        return _number(column, shown.number_format, plain)
    if column.source.is_moment and column.stored_as != "VARCHAR":
        return _moment(column, shown.number_format)
    return plain


def _number(column: ExtractColumn, number_format: str, plain: str) -> str:
    shape = _NUMBER.fullmatch(number_format)
    if shape is None:
        return plain
    number = f"TRY_CAST({column.quoted} AS DOUBLE)"
    places = len(shape["places"] or "")
    comma = "," if shape["comma"] else ""
    scaled, sign = (f"{number} * 100", "%") if shape["percent"] else (number, "")
    # Half away from zero, as a spreadsheet shows it; format() alone would round half to even.
    rounded = f"format('{{:{comma}.{places}f}}', round({scaled}, {places})) || '{sign}'"
    return f"CASE WHEN abs({number}) < {_EXACT_IN_DOUBLE:.0f} THEN {rounded} ELSE {plain} END"


def _moment(column: ExtractColumn, number_format: str) -> str:
    default = "%Y-%m-%d" if column.stored_as == "DATE" else "%Y-%m-%d %H:%M:%S"
    pattern = number_format
    for code, meaning in _MOMENT_CODES:
        pattern = pattern.replace(code, meaning)
    if not re.fullmatch(r"(?:%[YHMSbmdy]|[-/:. ])+", pattern):
        pattern = default
    return f"strftime({column.quoted}, '{pattern}')"
