"""Converts a JSON value to a Python value and to the one JSON form that is stored, for each kind of parameter.

This is strict on purpose: `true` is not an integer, `"5"` is not an integer, null is not a value. The stored form is
canonical: reading it again gives the same value and the same stored form.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from shared.catalog.parameter import ParameterKind

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1
"""The bounds of PostgreSQL's bigint, to which every integer is cast."""

MAX_DECIMAL_DIGITS = 38
"""Digits of a decimal on both sides of the point: the most that DECIMAL columns of DuckDB and Parquet hold."""

MAX_DECIMAL_CHARACTERS = 100
"""The longest decimal written as a string; leading zeros are allowed, but not a megabyte of them."""

DECIMAL_PATTERN = r"-?[0-9]+(?:\.[0-9]+)?"
DATE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
DATETIME_PATTERN = DATE_PATTERN + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
"""RFC 3339 with at most microseconds: PostgreSQL's timestamptz keeps no more. The offset is not optional,
because a time without one is a different instant for each reader."""

_MOST_EXACT = 2**53
"""Beyond this not every integer can be a float, so a float may be another number than its sender meant."""

_DECIMAL = re.compile(DECIMAL_PATTERN)
_DATE = re.compile(DATE_PATTERN)
_DATETIME = re.compile(DATETIME_PATTERN)
_ALMOST_DATETIME = re.compile(
    DATE_PATTERN
    + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6}(?P<finer>[0-9]{0,9}))?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


class Refused(ValueError):
    """The value is not of its kind. `code` is stable; the message begins with "must" or "contains".

    `says` names what the message says, for those who say it in another language, with the `facts` in it.
    """

    def __init__(self, code: str, message: str, says: str = "", **facts: object) -> None:
        super().__init__(message)
        self.code = code
        self.says = says
        self.facts = facts


def parse(kind: ParameterKind, value: object) -> object:
    """Return the Python value of a JSON value: str, int, Decimal, bool, date or datetime in UTC. Raises Refused.

    A list must be parsed item by item. Bounds, choices and patterns are not looked at here.
    """
    return _PARSERS[kind](value)


def store(kind: ParameterKind, value: object) -> object:
    """Return the canonical JSON form of what `parse` returned."""
    if kind is ParameterKind.DECIMAL and isinstance(value, Decimal):
        return format(value, "f")
    if kind is ParameterKind.DATETIME and isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if kind is ParameterKind.DATE and isinstance(value, date):
        return value.isoformat()
    return value


def show(value: object) -> str:
    """Quote a value that came from outside for a message: short, printable, and safe to encode."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str):
        short = value if len(value) <= 60 else value[:57] + "..."
        return repr(short)
    if isinstance(value, int):
        # Python refuses to print very long integers, and nobody reads them.
        return str(value) if abs(value) < 10**40 else "a very long number"
    if isinstance(value, float | Decimal):
        return str(value)
    return "a list" if isinstance(value, list | tuple) else "an object"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused("type", f"must be a string, not {show(value)}", "string")
    if "\0" in value:
        raise Refused(
            "character", "contains the character U+0000, which PostgreSQL cannot store; remove it", "character"
        )
    if _SURROGATE.search(value):
        raise Refused(
            "character", "contains half of a surrogate pair, which is not a character; remove it", "character"
        )
    return value


def whole(value: object) -> int | None:
    """Return the whole number that a JSON value stands for; None if it stands for none.

    JSON Schema's integers have no fraction; 3.0 is one, for clients whose numbers are floats.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) <= _MOST_EXACT:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _integer(given: object) -> int:
    value = whole(given)
    if value is None:
        raise Refused("type", f"must be an integer such as 42, not {show(given)}", "integer")
    if not MIN_INTEGER <= value <= MAX_INTEGER:
        raise Refused(
            "range",
            f"must be between {MIN_INTEGER} and {MAX_INTEGER} (a 64-bit integer)",
            "between",
            least=MIN_INTEGER,
            most=MAX_INTEGER,
        )
    return value


def _decimal(value: object) -> Decimal:
    wrong = Refused("type", f'must be a decimal number such as 12.5 or "12.50", not {show(value)}', "decimal")
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise wrong
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise wrong
    if isinstance(value, str) and len(value) > MAX_DECIMAL_CHARACTERS:
        raise Refused(
            "range",
            f"must be written with at most {MAX_DECIMAL_CHARACTERS} characters",
            "too_long",
            most=MAX_DECIMAL_CHARACTERS,
        )
    if isinstance(value, int) and abs(value) >= 10**MAX_DECIMAL_DIGITS:
        raise Refused("range", f"must have at most {MAX_DECIMAL_DIGITS} digits", "digits", most=MAX_DECIMAL_DIGITS)
    # repr() of a float is the shortest text with its value: the number as the client wrote it.
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        raise wrong
    exponent = number.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 0
    if max(number.adjusted() + 1, 1) + places > MAX_DECIMAL_DIGITS:
        raise Refused("range", f"must have at most {MAX_DECIMAL_DIGITS} digits", "digits", most=MAX_DECIMAL_DIGITS)
    return abs(number) if number.is_zero() else number


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused("type", f"must be true or false, not {show(value)}", "boolean")
    return value


def _date(value: object) -> date:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        raise Refused("date", f"must be a day of the calendar; {show(value)} does not exist", "no_such_day") from None
    raise Refused("type", f'must be a date written "YYYY-MM-DD", not {show(value)}', "date")


def _datetime(value: object) -> datetime:
    try:
        if isinstance(value, str) and _DATETIME.fullmatch(value):
            return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(
            "datetime", f"must be an instant of the calendar; {show(value)} does not exist", "no_such_day"
        ) from None
    _say_what_lacks(value)
    hint = 'a date and time with its offset, such as "2026-01-31T09:00:00Z" or "2026-01-31T09:00:00+09:00"'
    raise Refused("type", f"must be {hint}, not {show(value)}", "datetime")


def _say_what_lacks(value: object) -> None:
    """Raise Refused for forms that many libraries write by default: .NET seven digits of a second, Python no offset."""
    found = _ALMOST_DATETIME.fullmatch(value) if isinstance(value, str) else None
    if found and found["finer"]:
        raise Refused("type", f"must have at most six digits of a second, not {show(value)}", "datetime")
    if found and not found["offset"]:
        raise Refused(
            "type",
            f"must say its offset: write {show(f'{value}Z')} for UTC, or end with one such as +09:00",
            "datetime",
        )


_PARSERS: Mapping[ParameterKind, Callable[[object], object]] = {
    ParameterKind.STRING: _text,
    ParameterKind.CHOICE: _text,
    ParameterKind.INTEGER: _integer,
    ParameterKind.DECIMAL: _decimal,
    ParameterKind.BOOLEAN: _boolean,
    ParameterKind.DATE: _date,
    ParameterKind.DATETIME: _datetime,
}
