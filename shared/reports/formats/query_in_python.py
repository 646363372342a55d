"""Reads the answer to a query over a small result as Python values: run once, it reveals its types, and is shown in
Python.

For small results DuckDB takes longer to parse a query than to answer it, and longest for how values are shown (`python
-m tests.benchmarks.small_case`). What Python would write differently is left to DuckDB.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from shared.reports.extract import ExtractColumn, duckdb_column

_INTEGERS = frozenset({
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
})  # fmt: skip
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
_BY_WAY_OF_DOUBLE = 15
"""Digits of a decimal up to which DuckDB 2.0 converts it to JSON through a double."""


class _UnusualError(Exception):
    """The value must be written by DuckDB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The columns of a result, and its rows in two spellings."""

    columns: Sequence[ExtractColumn]
    texts: Sequence[Sequence[str | None]]
    """As a source would write them; None is NULL."""
    objects: Sequence[Mapping[str, Any]]
    """As JSON values."""


def answer_of(result: duckdb.DuckDBPyConnection) -> Answer | None:
    """Return a query's answer; None if DuckDB must write one of its types or values. Raises duckdb.Error."""
    types = [(name, str(type_)) for name, type_, *_ in result.description or ()]
    spellings = [_SPELLINGS.get(type_) or _of_decimals(type_) for _, type_ in types]
    known = [spelling for spelling in spellings if spelling is not None]
    if len(known) < len(types):
        return None
    names = [name for name, _ in types]
    columns = [duckdb_column(name, type_) for name, type_ in types]
    texts, objects = [], []
    try:
        for row in result.fetchall():
            texts.append([None if v is None else text(v) for v, (text, _) in zip(row, known, strict=True)])
            values = [None if v is None else value(v) for v, (_, value) in zip(row, known, strict=True)]
            objects.append(dict(zip(names, values, strict=True)))
    except _UnusualError:
        return None
    return Answer(columns, texts, objects)


_Spelling = tuple[Callable[[Any], str], Callable[[Any], Any]]
"""A function for a source's text of a value, and one for the value that JSON would give back."""


def _itself(value: Any) -> Any:
    return value


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise _UnusualError
    return repr(value).removesuffix(".0")


def _date(value: object) -> str:
    if type(value) is not date or value in {date.min, date.max}:  # these also stand for infinity
        raise _UnusualError
    return value.isoformat()


def _datetime(value: object) -> str:
    if not isinstance(value, datetime) or value in {datetime.min, datetime.max}:  # noqa: DTZ901 - of no zone
        raise _UnusualError
    text = value.isoformat(" ")
    return text.rstrip("0") if value.microsecond else text


def _of_decimals(type_: str) -> _Spelling | None:
    found = _DECIMAL.fullmatch(type_)
    if found is None:
        return None
    precision, scale = int(found[1]), int(found[2])
    if precision == scale:  # DuckDB 2.0 writes `.50`
        return None
    whole = scale == 0 and precision > _BY_WAY_OF_DOUBLE
    return "{:f}".format, int if whole else float


_SPELLINGS: Mapping[str, _Spelling] = {
    **dict.fromkeys(_INTEGERS, (str, _itself)),
    "DOUBLE": (_float, _itself),
    "VARCHAR": (str, _itself),
    "BOOLEAN": (lambda value: "t" if value else "f", _itself),
    "DATE": (_date, _date),
    "TIMESTAMP": (_datetime, _datetime),
}
"""By DuckDB type."""
