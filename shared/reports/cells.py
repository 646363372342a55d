"""Small results as the texts of their cells.

Files and totals are made from these; only Parquet, and the queries of summaries and charts, need a database. For some
hundred rows DuckDB takes ten times as long to parse a query as Python takes to answer it (`python -m
tests.benchmarks.small_case`). Values of unusual kinds are left to DuckDB, however few.
"""

import re
from collections.abc import Callable, Sequence

from shared.catalog.grouping import Grouping
from shared.reports.extract import NUMBER, USUAL_MOMENTS, ExtractColumn

Text = str | None
Cells = Sequence[Sequence[Text]]
"""Rows of the source's texts, in the columns' order; None is NULL."""
_CELL = re.compile(r'("(?:[^"]|"")*"|[^,\n"]*)(,|\n)')
_NUMBER, _MOMENTS = re.compile(NUMBER), {name: re.compile(usual) for name, usual in USUAL_MOMENTS.items()}
_LEAST, _MOST = 1e-4, 1e15
"""Floating point numbers in this range have one spelling in Python and in DuckDB, without an exponent."""


def parsed(text: str, width: int) -> list[list[Text]] | None:
    """Return the cells of lines of PostgreSQL's CSV; None if a line does not have `width` cells."""
    if '"' not in text:
        rows: list[list[Text]] = [[cell or None for cell in line.split(",")] for line in text.split("\n")[:-1]]
    else:
        rows, row = [], []
        for cell, end in _CELL.findall(text):
            row.append(cell[1:-1].replace('""', '"') if cell[:1] == '"' else cell or None)
            if end == "\n":
                rows.append(row)
                row = []
    return rows if all(len(row) == width for row in rows) else None


def can_add_up(grouping: Grouping, columns: Sequence[ExtractColumn]) -> bool:
    """True if all totals of a grouping are of numbers, or counts."""
    return all(
        grouping.totals.get(c.source.name, "count") == "count"
        or (c.source.is_number and c.source.type_name != "float4")
        for c in columns
    )


def are_usual(columns: Sequence[ExtractColumn], rows: Cells) -> bool:
    """True if no value is of a kind that only DuckDB can write."""
    if not rows:
        return True
    for column, values in zip(columns, zip(*rows, strict=True), strict=True):
        is_usual = _check(column)
        if is_usual is not None and not all(is_usual(value) for value in values if value is not None):
            return False
    return True


def _check(column: ExtractColumn) -> Callable[[str], object] | None:
    """Return a function that is true for a usual value; None if all values are usual."""
    source = column.source
    if source.is_float:
        return _is_short_float
    if source.is_moment:
        return _MOMENTS[source.type_name].fullmatch
    if source.is_json:  # within JSON Lines, DuckDB must check it
        return _no_value_is
    return _NUMBER.fullmatch if source.type_name == "numeric" else None


def _is_short_float(text: str) -> bool:
    value = float(text)
    return value == 0 or _LEAST <= abs(value) < _MOST


def _no_value_is(_: str) -> bool:
    return False
