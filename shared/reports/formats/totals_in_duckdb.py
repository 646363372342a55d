"""Computes totals in DuckDB; those of exact numbers in parts, which Python combines to all digits."""

import re
from collections.abc import Sequence
from decimal import Context, Decimal

from shared.reports.columns import DECIMAL_DIGITS
from shared.reports.extract import ExtractColumn
from shared.reports.formats.totals_in_python import exact_text, places_of

_DECIMAL = re.compile(r"DECIMAL\((\d+), ?\d+\)")
_HALF = 10 ** (DECIMAL_DIGITS // 2)
_EXACT = Context(prec=400)


def is_exact(what: str, column: ExtractColumn) -> bool:
    """True if the total is one of whole or decimal numbers, or a count."""
    return what == "count" or column.source.is_integer or _DECIMAL.fullmatch(_type(column)) is not None


def added_up(what: str, column: ExtractColumn) -> str:
    """Return SQL for the values that such totals of a column are made from: for durations the microseconds.

    It fails for a duration with months, which cannot be compared with days.
    """
    if what == "count":
        return column.asked
    if column.source.type_name == "float4":
        return f"{column.asked}::VARCHAR::DOUBLE"  # 0.1, as it is shown, and not the double nearest to the float
    if column.source.type_name != "interval":
        return column.asked
    text = column.as_source_text
    wrong = f"error(concat('nobody knows how long ', {text}, ' lasts'))::BIGINT"
    # PostgreSQL writes `-1 days +02:00:00`, and DuckDB reads no plus sign.
    lasted = f"epoch_us(replace({text}, '+', '')::INTERVAL)"
    return f"CASE WHEN regexp_matches({text}, 'mon|year') THEN {wrong} ELSE {lasted} END"


def parts_of(what: str, column: ExtractColumn, name: str, rows: int) -> Sequence[str]:
    """Return SQL for the parts of a column's total over at most this many rows: aggregates over its values, `name`."""
    count = f"count({name})"
    if not is_exact(what, column):
        total = f"{'avg' if what == 'mean' else what}({name})"
        return [f"to_microseconds({total}::BIGINT)" if column.source.type_name == "interval" else total]
    if what in {"count", "min", "max"}:
        return [count] if what == "count" else [f"{what}({name})", count]
    if not _may_overflow(column, rows):
        return [f"sum({name})", count]
    # DuckDB adds up at most 38 digits; two halves of the digits have room for the sums of 10^19 rows.
    digits = f"replace({name}::VARCHAR, '.', '')::HUGEINT"
    return [f"sum({digits} // {_HALF})", f"sum({digits} % {_HALF})", count]


def total_in_duckdb(what: str, column: ExtractColumn, parts: Sequence[str | None]) -> str | None:
    """Return an exact total with all its digits, combined from the texts of its parts; None if there are no values."""
    *found, count = (Decimal(text or 0) for text in parts)
    if what == "count":
        return str(count)
    if not count:
        return None
    if len(found) == 1:
        return exact_text(what, column, found[0], int(count))
    digits = _EXACT.fma(found[0], _HALF, found[1])
    return exact_text(what, column, digits.scaleb(-places_of(column), _EXACT), int(count))


def _may_overflow(column: ExtractColumn, rows: int) -> bool:
    decimal = _DECIMAL.fullmatch(_type(column))
    return decimal is not None and int(decimal[1]) + len(str(rows)) > DECIMAL_DIGITS


def _type(column: ExtractColumn) -> str:
    """Return the DuckDB type in which the column is added up."""
    return column.asked_as or column.stored_as
