"""What Excel can hold without loss. Everything else becomes text, never a rounded number."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

# Excel specifications and limits (support.microsoft.com, read 2026-11-23).
SHEET_ROWS = 1_048_576
CELL_CHARACTERS = 32_767
_EXACT_DIGITS = 15
_LARGEST = 9.99999999999999e307
_SMALLEST = 2.2251e-308

_FIRST_DAY = date(1900, 3, 1)
"""Excel believes that 1900 was a leap year, so dates before this one would move by a day."""

ExcelValue = bool | int | float | date | str
"""`datetime` is a `date`; a datetime has no zone."""


def excel_value(value: object) -> ExcelValue:
    """A number, a date (datetimes in UTC, without zone), or text.

    float8 is approximate by nature: a float is a number, written by XlsxWriter with 16 digits (Excel shows 15).
    """
    match value:
        case bool() | str():
            return value
        case int():
            return value if abs(value) < 10**_EXACT_DIGITS else str(value)
        case Decimal():
            return _decimal(value)
        case float():
            return value if value == 0 or _SMALLEST <= abs(value) <= _LARGEST else _text(value)
        case datetime():
            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return moment if moment.date() >= _FIRST_DAY else moment.isoformat(sep=" ")
        case date():
            return value if value >= _FIRST_DAY else value.isoformat()
        case _:
            return str(value)


def characters(text: str) -> int:
    """Length as Excel counts it: in UTF-16 units, so that an emoji is two."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _decimal(value: Decimal) -> float | str:
    if not value.is_finite():
        return _text(value)
    if value == 0:
        return 0.0
    number = float(value)
    digits = len(value.normalize().as_tuple().digits)
    return number if digits <= _EXACT_DIGITS and _SMALLEST <= abs(number) <= _LARGEST else format(value, "f")


def _text(value: float | Decimal) -> str:
    """As PostgreSQL writes it, so that a workbook and a CSV agree."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value)
