"""Decides the types of an extract's columns: each from its own values, whatever the other columns hold."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import duckdb

from shared.reports import duck
from shared.reports.columns import DECIMAL_DIGITS
from shared.reports.extract import AS_EXTRACT, NUMBER, USUAL_MOMENTS, Extract, ExtractColumn

_NUMBER = re.compile(NUMBER)


def settled(extract: Extract, connection: duckdb.DuckDBPyConnection) -> Extract:
    """Give each column the type that the source declares if all its values are usual ones; otherwise keep it as text.

    For extracts that were read without types because a value of some column did not fit, and for those of sources that
    can be read only once.
    """
    doubtful = [c for c in extract.columns if c.source.stored_as() != "VARCHAR" and _check(c)]
    if not doubtful:
        return extract
    checks = ", ".join(f"coalesce(bool_and({_check(c)}), true)" for c in doubtful)
    found: Any = connection.execute(f"SELECT {checks} FROM {extract.table}").fetchone()
    usual = dict(zip((c.name for c in doubtful), found, strict=True))
    columns = [_settled(c, usual=usual.get(c.name, True)) for c in extract.columns]
    if all(new.stored_as == old.stored_as for new, old in zip(columns, extract.columns, strict=True)):
        return replace(extract, columns=columns)
    fields = [_field(old, new) for old, new in zip(extract.columns, columns, strict=True)]
    fields += [duck.identifier(name) for c in columns for name in (c.text_name, c.json_name) if name]
    path = extract.path.with_suffix(".settled")
    connection.execute(
        f"COPY (SELECT {', '.join(fields)} FROM {extract.table}) TO {duck.literal(str(path))} ({AS_EXTRACT})"
    )
    path.replace(extract.path)
    return replace(extract, columns=columns)


def _check(column: ExtractColumn) -> str:
    """Return SQL that is true for a usual value; empty for types without unusual values."""
    if column.source.type_name == "numeric" and column.stored_as == "VARCHAR":
        return f"regexp_full_match({column.quoted}, '{NUMBER}')"
    if not column.source.is_moment:
        return ""
    if column.stored_as == "VARCHAR":
        return f"regexp_full_match({column.quoted}, '{USUAL_MOMENTS[column.source.type_name]}')"
    return f"({column.quoted} >= '0001-01-01' AND {column.quoted} < '10000-01-01')"


def _settled(column: ExtractColumn, *, usual: bool) -> ExtractColumn:
    if usual:
        return replace(column, stored_as=column.source.stored_as())
    asked_as = column.source.stored_as() if column.source.is_moment else "DOUBLE"
    return replace(column, stored_as="VARCHAR", strange=True, asked_as=asked_as)


def _field(old: ExtractColumn, new: ExtractColumn) -> str:
    if new.stored_as == old.stored_as:
        return new.quoted
    if new.stored_as == "VARCHAR":  # as PostgreSQL writes it: with the era last and without brackets
        return f"regexp_replace({old.quoted}::VARCHAR, '^([^ ]+) [(]BC[)](.*)$', '\\1\\2 BC') AS {new.quoted}"
    return f"{old.quoted}::{new.stored_as} AS {new.quoted}"


def with_decimals(extract: Extract, connection: duckdb.DuckDBPyConnection) -> Sequence[ExtractColumn]:
    """Return the columns, and for numbers kept as text the decimal type that can hold them."""
    texts = [c for c in extract.columns if c.source.type_name == "numeric" and c.stored_as == "VARCHAR"]
    if not texts:
        return extract.columns
    measured = (_measured_in_python if extract.is_small else _measured)(texts, extract, connection)
    new: Mapping[str, ExtractColumn] = {
        c.name: _with_decimal(c, *found) for c, found in zip(texts, measured, strict=True)
    }
    return [new.get(c.name, c) for c in extract.columns]


_Measure = tuple[bool, int | None, int | None, int | None]
"""Whether all values of a column are numbers, and their most digits before the point, after it, and after it without
trailing zeros."""


def _measured(
    texts: Sequence[ExtractColumn], extract: Extract, connection: duckdb.DuckDBPyConnection
) -> Iterator[_Measure]:
    asked = [sql for c in texts for sql in _measures(c)]
    found: Any = connection.execute(f"SELECT {', '.join(asked)} FROM {extract.table}").fetchone()
    width = len(asked) // len(texts)
    return (found[width * at : width * (at + 1)] for at in range(len(texts)))


def _measured_in_python(
    texts: Sequence[ExtractColumn], extract: Extract, connection: duckdb.DuckDBPyConnection
) -> Iterator[_Measure]:
    """Measure a small result here, because DuckDB would take longer to parse the query than Python to answer it."""
    rows = connection.execute(f"SELECT {', '.join(c.quoted for c in texts)} FROM {extract.table}").fetchall()
    return map(_measure, zip(*rows, strict=True) if rows else [()] * len(texts))


def with_decimals_of(
    columns: Sequence[ExtractColumn], cells: Sequence[Sequence[str | None]]
) -> Sequence[ExtractColumn]:
    """Return what `with_decimals` does, for rows whose texts are at hand."""
    return [
        _with_decimal(c, *_measure([row[at] for row in cells]))
        if c.source.type_name == "numeric" and c.stored_as == "VARCHAR" else c
        for at, c in enumerate(columns)
    ]  # fmt: skip


def _measure(column: Sequence[str | None]) -> _Measure:
    values = [value for value in column if value is not None]
    numbers = [value.lstrip("-").partition(".") for value in values if _NUMBER.fullmatch(value)]
    whole, places, needed = (
        max(map(len, of), default=None)
        for of in (
            [whole for whole, _, _ in numbers],
            [places for _, _, places in numbers],
            [places.rstrip("0") for _, _, places in numbers],
        )
    )
    return len(numbers) == len(values), whole, places, needed


def _measures(column: ExtractColumn) -> Sequence[str]:
    """Return SQL for a `_Measure`."""
    text = f"ltrim({column.quoted}, '-')"
    number = f"regexp_full_match({column.quoted}, '{NUMBER}')"
    places = f"split_part({text}, '.', 2)"
    return (
        f"coalesce(bool_and({number}), true)",
        f"max(length(split_part({text}, '.', 1))) FILTER ({number})",
        f"max(length({places})) FILTER ({number})",
        f"max(length(rtrim({places}, '0'))) FILTER ({number})",
    )


def _with_decimal(
    column: ExtractColumn, numbers: bool, whole: int | None, places: int | None, needed: int | None
) -> ExtractColumn:
    precision, scale = column.source.declared
    fits = numbers and (whole or 0) <= max(precision - scale, 1) and (needed or 0) <= scale
    typed_as = f"DECIMAL({precision}, {scale})" if fits else None
    if whole is None or places is None:  # no row has a number, so any decimal type can add them up
        asked_as = f"DECIMAL({precision}, {scale if column.source.precision else 0})" if numbers else "DOUBLE"
        return replace(column, strange=not numbers, typed_as=typed_as, asked_as=asked_as)
    # A declared precision may be narrower than its values: numeric(3, -2) holds 12300.
    places = max(places, column.source.scale or 0)
    decimal = None
    if whole + places <= DECIMAL_DIGITS:
        decimal = (max(min(column.source.precision or 0, DECIMAL_DIGITS), whole + places), places)
    asked_as = f"DECIMAL({decimal[0]}, {decimal[1]})" if decimal and numbers else "DOUBLE"
    return replace(column, decimal=decimal, strange=not numbers, typed_as=typed_as, asked_as=asked_as)
