"""The types of SQLite's columns, by their declared types, and which values are exact in them.

SQLite's types belong to values: any column may contain any of them. A value that is not of its column's type is refused
with its row, and so is one whose text would stand for another value than the one that was meant.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import NoReturn

from shared.reports.columns import DECIMAL_DIGITS, SourceColumn
from shared.reports.sources.rows import Row, Write

_MOST_WHOLE = 2**53
"""Up to here every integer is exact in floating point."""
_EXACT_DIGITS = 15
"""SQLite keeps a decimal as binary floating point if 15 significant digits of it survive that (sqlite.org,
"Datatypes In SQLite", 3, read 2026-11-29); each of these decimals is the shortest text of its number."""
_TYPE = re.compile(r"([A-Z_ ]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?(?:\s+([A-Z ]+))?")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DATE = re.compile(r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?")
_MOMENT = re.compile(rf"({_DATE.pattern})[T ]({_TIME.pattern})\s?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?")
_CAST = "write CAST(… AS INTEGER), AS REAL or AS TEXT"


def column(name: str, declared: str, met: Sequence[object]) -> SourceColumn:
    """Return the column.

    `met` are some of its values, which decide the type if none is declared, as for an expression.
    """
    found = _TYPE.fullmatch(declared.upper().strip())
    base, precision, scale, more = found.groups() if found else (declared.upper(), None, None, None)
    type_name = _named(f"{base} {more}" if more else base)
    if type_name == "numeric" and precision and int(precision) <= DECIMAL_DIGITS:
        return SourceColumn(name, type_name, int(precision), int(scale or 0))
    return SourceColumn(name, type_name or _as_met(met))


def _named(declared: str) -> str | None:
    """Return PostgreSQL's name of the type; None if the values decide."""
    if declared in {"TIMESTAMPTZ", "DATETIMETZ", "TIMESTAMP WITH TIME ZONE"}:
        return "timestamptz"
    words = (
        ("BOOL", "bool"), ("INT", "int8"), ("CHAR", "text"), ("CLOB", "text"), ("TEXT", "text"), ("STRING", "text"),
        ("JSON", "json"), ("REAL", "float8"), ("FLOA", "float8"), ("DOUB", "float8"), ("NUMERIC", "numeric"),
        ("DEC", "numeric"), ("DATETIME", "timestamp"), ("TIMESTAMP", "timestamp"), ("DATE", "date"), ("TIME", "time"),
    )  # fmt: skip
    return next((name for word, name in words if word in declared), None)


def _as_met(met: Sequence[object]) -> str:
    kinds = {type(value) for value in met if value is not None}
    if kinds and kinds <= {int, float}:
        return "float8" if float in kinds else "int8"
    return "text"


def writer(of: SourceColumn) -> Write:
    """Return a function that writes the column's values, and refuses those that are not of its type."""
    if of.type_name == "numeric":
        return partial(_decimal, of.precision, of.scale)
    return _WRITERS[of.type_name]


def values_of(rows: Sequence[Row], at: int) -> Sequence[object]:
    """Return one column of the rows."""
    return [row[at] for row in rows]


def _refused(value: object, wanted: str) -> NoReturn:
    if isinstance(value, bytes):
        told = "holds a BLOB, which no report can show; write hex(column), or leave it out"
        raise ValueError(told)  # noqa: TRY004 - as all that is refused
    kind = {int: "INTEGER", float: "REAL", str: "TEXT"}[type(value)]
    raise ValueError(f"{wanted}, and holds {kind} {str(value)[:60]!r}; {_CAST}")


def _integer(value: object) -> str:
    if not isinstance(value, int):
        _refused(value, "is of whole numbers")
    return str(value)


def _boolean(value: object) -> str:
    if not isinstance(value, int) or value not in {0, 1}:
        _refused(value, "is BOOLEAN: 0 or 1")
    return "t" if value else "f"


def _float(value: object) -> str:
    if isinstance(value, int) and abs(value) <= _MOST_WHOLE:
        return str(value)
    if not isinstance(value, float):
        _refused(value, "is of floating point numbers")
    text = repr(value).removesuffix(".0")
    return {"inf": "Infinity", "-inf": "-Infinity"}.get(text, text)


def _decimal(precision: int | None, scale: int | None, value: object) -> str:
    if isinstance(value, float):
        exact = Decimal(repr(value))
        if not exact.is_finite() or len(exact.normalize().as_tuple().digits) > _EXACT_DIGITS:
            raise ValueError(
                f"is DECIMAL, and holds the binary floating point number {value!r}, which is no decimal of "
                f"{_EXACT_DIGITS} digits: round() it, or keep it as TEXT or as a whole number of a smaller unit"
            )
    elif isinstance(value, int) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        exact = Decimal(value)
    else:
        _refused(value, "is DECIMAL")
    return _at_scale(exact, precision, scale)


def _at_scale(exact: Decimal, precision: int | None, scale: int | None) -> str:
    text = format(exact or abs(exact), "f")  # SQLite has a -0.0
    whole, _, places = text.partition(".")
    places = places.rstrip("0")
    if precision is None or scale is None:
        return f"{whole}.{places}" if places else whole
    if len(places) > scale or len(whole.lstrip("-").lstrip("0")) > precision - scale:
        raise ValueError(f"holds {text[:60]}, which is not a DECIMAL({precision}, {scale})")
    return f"{whole}.{places.ljust(scale, '0')}" if scale else whole


def _text(value: object) -> str:
    if not isinstance(value, str):
        _refused(value, "is of texts")
    return value


def _date(value: object) -> str:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        _refused(value, "is DATE: texts such as 2026-01-31")
    return dt.date.fromisoformat(value).isoformat()


def _time(value: object) -> str:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        _refused(value, "is TIME: texts such as 09:30:00")
    return _clock(value)


def _clock(text: str) -> str:
    """Return the seconds with at most six decimals. Raises ValueError for another format, or more decimals."""
    whole, _, parts = text.partition(".")
    if parts[6:].strip("0"):
        raise ValueError(f"holds {text!r}, and parts of a microsecond would be lost")
    time = dt.time.fromisoformat(whole)
    return time.isoformat() + (f".{parts[:6].rstrip('0')}" if parts[:6].strip("0") else "")


def _moment(value: object) -> str:
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        _refused(value, "is of moments: texts such as 2026-01-31 09:30:00")
    if found[3]:
        raise ValueError(f"holds {value!r}, with a zone, and others may have none; declare it TIMESTAMPTZ")
    return f"{_date(found[1])} {_clock(found[2])}"


def _instant(value: object) -> str:
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if not found or not found[3]:
        _refused(value, "is of instants: texts with their offset, such as 2026-01-31 09:30:00+09:00 or …Z")
    offset = found[3].replace("Z", "+00:00")
    clock, _, parts = _clock(found[2]).partition(".")
    at = dt.datetime.fromisoformat(f"{_date(found[1])} {clock}{offset}").astimezone(dt.UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}".rjust(19, "0") + (f".{parts}" if parts else "") + "+00"


def _json(value: object) -> str:
    text = _text(value)
    try:
        json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("is JSON, and is nested too deep") from None
    except ValueError:
        raise ValueError(f"is JSON, and holds {text[:60]!r}, which is not") from None
    return text


def _no_constant(word: str) -> NoReturn:
    raise ValueError(word)


_WRITERS: Mapping[str, Callable[[object], str]] = {
    "int8": _integer, "bool": _boolean, "float8": _float, "text": _text, "json": _json,
    "date": _date, "time": _time, "timestamp": _moment, "timestamptz": _instant,
}  # fmt: skip
