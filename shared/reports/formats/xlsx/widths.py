"""Determines how wide the columns of a sheet are: a number or a date that is wider than its column is shown as ###."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.reports.extract import ExtractColumn
from shared.reports.formats.bands import Bands
from shared.reports.formats.rendering import Rendering

_SAMPLE = 200
"""How many rows are examined; for numbers the smallest and the largest as well."""
_WIDEST_TEXT, _WIDEST_NUMBER, _WIDEST_HEADER = 60, 40, 24
_EAST_ASIAN = "[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]"
_WIDE = re.compile(_EAST_ASIAN)
_SQL_LETTERS = f"length(regexp_replace({{0}}, '{_EAST_ASIAN}', 'xx', 'g'))"
_BOLD, _MARGIN = 1.1, 2.0
"""Widths, in characters, of a bold character, and of the space that a cell leaves free."""


def widths_of(rendering: Rendering, bands: Bands | None) -> Sequence[float]:
    """Return the widths of a sheet's columns in characters: for titles, the first rows, the extremes, and totals."""
    columns = rendering.extract.columns
    texts, shown = _longest(rendering), _longest_shown(rendering)
    totals = _totals(bands)
    widths = []
    for column, text, value in zip(columns, texts, shown, strict=True):
        source = column.source
        least = 12.0 if source.is_number else 20.0 if source.type_name.startswith("timestamp") else 11.0
        if column.stored_as == "VARCHAR" and not source.is_number:
            least = max(least, min(text or 0, _WIDEST_TEXT) + _MARGIN)
        longest = max((value or 0), totals.get(column.name, 0) * _BOLD)
        least = max(least, min(round(longest, 1), _WIDEST_NUMBER) + _MARGIN) if _may_be_hashes(column) else least
        title = min(letters(rendering.title(column)), _WIDEST_HEADER) + 3
        widths.append(rendering.shown(column).width or max(least, title))
    return widths


def letters(text: str) -> int:
    """Return how many letters wide the text is: East Asian ones count twice."""
    return len(text) if text.isascii() else len(_WIDE.sub("xx", text))


def longest_of(texts: Iterable[str]) -> int:
    """Return how many letters the widest of the texts has."""
    return max(map(letters, texts), default=0)


def _may_be_hashes(column: ExtractColumn) -> bool:
    """True for columns whose content cannot overflow: numbers, moments and durations."""
    return column.source.is_number or column.source.is_moment or column.source.is_duration


def _has_extremes(column: ExtractColumn) -> bool:
    return column.source.is_number and column.stored_as != "VARCHAR"


def _totals(bands: Bands | None) -> Mapping[str, int]:
    if bands is None:
        return {}
    groups = [*bands.groups, bands.all_rows]
    return {name: longest_of(group.totals[name].shown for group in groups) for name in bands.functions}


def _longest(rendering: Rendering) -> Sequence[int | None]:
    """Return the length of each column's longest value among the first rows; used for texts only."""
    columns = rendering.extract.columns
    if rendering.extract.cells is not None:
        sample = rendering.extract.cells[:_SAMPLE]
        return [max((letters(row[at] or "") for row in sample), default=None) for at in range(len(columns))]
    longest = ", ".join(f"max({_SQL_LETTERS.format(f'{c.quoted}::VARCHAR')})" for c in columns)
    rows = f"(FROM {rendering.extract.table} LIMIT {_SAMPLE})"
    found: Any = rendering.connection.execute(f"SELECT {longest} FROM {rows}").fetchone()
    return list(found)


def _longest_shown(rendering: Rendering) -> Sequence[int | None]:
    """Return the length of each column's longest value as a page shows it; None for a text column."""
    every = rendering.extract.columns
    columns = [column for column in every if _may_be_hashes(column)]
    if not columns:
        return [None] * len(every)
    found = (
        _shown_in_python(rendering, columns)
        if rendering.extract.cells is not None
        else _shown_in_duckdb(rendering, columns)
    )
    lengths = dict(zip((column.name for column in columns), found, strict=True))
    return [lengths.get(column.name) for column in every]


def _shown_in_python(rendering: Rendering, columns: Sequence[ExtractColumn]) -> Sequence[int]:
    rows = rendering.extract.cells_of(columns)
    lengths = []
    for at, column in enumerate(columns):
        show, some = rendering.show(column), [text for row in rows[:_SAMPLE] if (text := row[at]) is not None]
        if _has_extremes(column) and len(rows) > _SAMPLE:
            finite = [text for row in rows if (text := row[at]) is not None and math.isfinite(float(text))]
            some += [min(finite, key=float), max(finite, key=float)] if finite else []
        lengths.append(longest_of(show(text) for text in some))
    return lengths


def _shown_in_duckdb(rendering: Rendering, columns: Sequence[ExtractColumn]) -> Sequence[int]:
    asked = ", ".join(f"max({_SQL_LETTERS.format(f'({rendering.displayed(c)})::VARCHAR')})" for c in columns)
    table, connection = rendering.extract.table, rendering.connection
    found: Any = connection.execute(f"SELECT {asked} FROM (FROM {table} LIMIT {_SAMPLE})").fetchone()
    lengths = {column.name: length or 0 for column, length in zip(columns, found, strict=True)}
    numbers = [column for column in columns if _has_extremes(column)]
    if numbers and rendering.extract.rows > _SAMPLE:
        asked = ", ".join(f"max({_SQL_LETTERS.format(f'({rendering.displayed(c)})::VARCHAR')})" for c in numbers)
        ends = " UNION ALL ".join(f"SELECT {_ends(end, numbers)} FROM {table}" for end in ("min", "max"))
        found = connection.execute(f"SELECT {asked} FROM ({ends})").fetchone()
        for column, length in zip(numbers, found, strict=True):
            lengths[column.name] = max(lengths[column.name], length or 0)
    return list(lengths.values())


def _ends(end: str, numbers: Sequence[ExtractColumn]) -> str:
    fields = []
    for column in numbers:
        finite = f" FILTER (isfinite({column.quoted}))" if column.source.is_float else ""
        fields.append(f"{end}({column.quoted}){finite} AS {column.quoted}")
        if column.text_name:
            fields.append(f'NULL::VARCHAR AS "{column.text_name}"')
    return ", ".join(fields)
