"""Computes groups and totals of small results from their texts, with the same digits as `bands` in DuckDB."""

import functools
import operator
from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from fractions import Fraction

from shared.reports.extract import ExtractColumn

_EXACT = Context(prec=400)


def runs_in_python(
    columns: Sequence[ExtractColumn], cells: Sequence[Sequence[str | None]]
) -> Sequence[tuple[int, int]]:
    """Return the first and the last row, from 0, of each run of rows with the same values in these columns.

    `cells` are those of the columns.
    """
    same = [float if c.source.is_float else str for c in columns]  # the two zeros are equal values with different texts
    keys = [[None if text is None else of(text) for of, text in zip(same, row, strict=True)] for row in cells]
    starts = [at for at, key in enumerate(keys) if at == 0 or key != keys[at - 1]]
    return [(first, end - 1) for first, end in zip(starts, [*starts[1:], len(keys)], strict=True)]


def total_in_python(what: str, column: ExtractColumn, texts: Sequence[str | None]) -> str | None:
    """Return the total of a number column, or the count of any, with all its digits; None if there are no values."""
    filled = [text for text in texts if text is not None]
    if what == "count":
        return str(len(filled))
    if not filled:
        return None
    if column.source.is_float:
        return repr(_of_floats(what, [float(text) for text in filled]))
    function = "sum" if what == "mean" else what
    total = functools.reduce(_EXACT_FUNCTIONS[function], map(Decimal, filled))
    return exact_text(what, column, total, len(filled))


def exact_text(what: str, column: ExtractColumn, total: Decimal, count: int) -> str:
    """Return the text of an exact number: for a mean, whose sum is `total`, the double nearest to
    the exact quotient.
    """
    if what == "mean":
        return repr(float(Fraction(total) / count))
    return f"{total:.{places_of(column)}f}"


def _of_floats(what: str, values: Sequence[float]) -> float:
    # Added in sequence, as in DuckDB: sum() compensates rounding from Python 3.12 on.
    total = functools.reduce(_FLOAT_FUNCTIONS[what], values)
    return total / len(values) if what == "mean" else total


def places_of(column: ExtractColumn) -> int:
    """Return the places of the decimals that hold the column's numbers."""
    if column.source.type_name != "numeric":
        return 0
    return column.decimal[1] if column.decimal else column.source.declared[1]


_EXACT_FUNCTIONS: dict[str, Callable[[Decimal, Decimal], Decimal]] = {"sum": _EXACT.add, "min": min, "max": max}
_FLOAT_FUNCTIONS: dict[str, Callable[[float, float], float]] = {
    "sum": operator.add, "mean": operator.add, "min": min, "max": max,
}  # fmt: skip
