"""The types of MariaDB's columns, and their values as PostgreSQL would write them.

The server sends every value as text, with all digits: nothing passes through floating point here.
"""

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from pymysql.constants import FIELD_TYPE, FLAG

from shared.catalog.shape import UTC_NAME
from shared.reports.columns import SourceColumn
from shared.reports.sources.rows import Write

_BINARY = 63
"""The number of the character set `binary`."""
_WHOLE: Mapping[int, tuple[str, str]] = {
    FIELD_TYPE.TINY: ("int2", "int2"), FIELD_TYPE.SHORT: ("int2", "int4"), FIELD_TYPE.INT24: ("int4", "int4"),
    FIELD_TYPE.LONG: ("int4", "int8"), FIELD_TYPE.YEAR: ("int2", "int2"),
}  # fmt: skip
"""Type → PostgreSQL's type, signed and unsigned. Larger ones are below."""
_OTHERS: Mapping[int, str] = {
    FIELD_TYPE.FLOAT: "float4", FIELD_TYPE.DOUBLE: "float8", FIELD_TYPE.DATE: "date", FIELD_TYPE.NEWDATE: "date",
    FIELD_TYPE.DATETIME: "timestamp", FIELD_TYPE.TIMESTAMP: "timestamptz", FIELD_TYPE.TIME: "interval",
}  # fmt: skip
_SHORT_BIT = 63


class NotShown(ValueError):
    """The column contains bytes, which no report can show."""


def column(name: str, field: Any) -> SourceColumn:
    """Return the column that PyMySQL describes by `field`. Raises NotShown."""
    code, unsigned = field.type_code, bool(field.flags & FLAG.UNSIGNED)
    if code in {FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL}:
        return SourceColumn(name, "numeric", field.length - bool(field.scale) - (not unsigned), field.scale)
    if code in _WHOLE:
        return SourceColumn(name, _WHOLE[code][unsigned])
    if code == FIELD_TYPE.LONGLONG or code == FIELD_TYPE.BIT:
        large = unsigned if code == FIELD_TYPE.LONGLONG else field.length > _SHORT_BIT
        return SourceColumn(name, "numeric", 20, 0) if large else SourceColumn(name, "int8")
    if code in _OTHERS:
        return SourceColumn(name, _OTHERS[code])
    if code == FIELD_TYPE.GEOMETRY:
        raise NotShown(f"column {name!r} is a geometry: write ST_AsText() or ST_AsGeoJSON() of it")
    if field.charsetnr == _BINARY and code != FIELD_TYPE.NULL:
        raise NotShown(f"column {name!r} is binary, which no report can show: write HEX() of it, or leave it out")
    return SourceColumn(name, "text")


def writer(of: SourceColumn, field: Any, zone: str) -> Write:
    """Return a function that writes the column's values in a session of this time zone."""
    if field.type_code == FIELD_TYPE.BIT:
        return _bits
    if of.has_zone:
        return partial(_instant, ZoneInfo(zone) if zone != UTC_NAME else None)
    return {"date": _date, "timestamp": _moment, "interval": _shorter}.get(of.type_name, str)


def _bits(value: object) -> str:
    return str(int.from_bytes(value)) if isinstance(value, bytes) else str(value)


def _date(value: object) -> str:
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise ValueError(f"holds {value!r}, which is not a day; write NULLIF(column, 0)") from None


def _moment(value: object) -> str:
    day, _, clock = str(value).partition(" ")
    return f"{_date(day)} {_shorter(clock)}"


def _shorter(value: object) -> str:
    """Return the clock time without trailing zeros of its seconds, as in PostgreSQL."""
    whole, point, parts = str(value).partition(".")
    parts = parts.rstrip("0")
    return f"{whole}{point}{parts}" if parts else whole


def _instant(zone: ZoneInfo | None, value: object) -> str:
    text = _moment(value)
    if zone is None:
        return f"{text}+00"
    local = dt.datetime.fromisoformat(str(value)).replace(tzinfo=zone)
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        raise ValueError(
            f"holds {text} of {zone.key}, an hour that clocks there show twice, and MariaDB does not tell which; "
            "write UNIX_TIMESTAMP(column), or ask without timeZone"
        )
    return local.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ") + "+00"
