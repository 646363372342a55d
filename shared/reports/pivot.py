"""Turns the rows of an extract into a two-dimensional table, for the formats that people read."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from shared.catalog.pivot import Pivot
from shared.reports import duck, errors
from shared.reports.columns import unique_names
from shared.reports.extract import Extract, ExtractColumn, Heading, duckdb_column
from shared.reports.formats.totals_in_duckdb import added_up

MOST_COLUMNS = 500
"""The most values of the column that becomes columns: nobody reads a wider table."""


def pivoted(extract: Extract, pivot: Pivot, connection: duckdb.DuckDBPyConnection, path: Path) -> Extract:
    """Return the pivoted rows, in a file at `path`; the rows as they are if one of the pivot's columns is not shown.

    The columns are the values of the pivot's column, smallest first, NULL last. Raises ReportError.
    """
    columns = {c.source.name: c for c in reversed(extract.columns)}
    if any(name not in columns for name in pivot.names):
        return extract
    key, value = columns[pivot.column], columns[pivot.value]
    texts = _texts(extract, key, connection)
    rows = [columns[name] for name in pivot.rows]
    total = [pivot.total] if pivot.total else []
    names = unique_names([*(c.name for c in rows), *(text or "" for text in texts), *total])
    of_values = names[len(rows) :]
    asked = _asked(pivot, value) if _has_values(extract, value, connection) else "NULL::DOUBLE"
    text, place = extract.unused("text", *names), extract.unused("place", *names)
    lasts = _lasts(pivot, value)  # as text, because Parquet keeps only milliseconds of an INTERVAL
    shown = "to_microseconds(({})::BIGINT)::VARCHAR" if lasts else "{}"
    fields = [*(c.quoted for c in rows), *_cells(pivot.aggregate, asked, shown, text, texts, of_values)]
    groups = ", ".join(c.quoted for c in rows)
    try:
        [count] = connection.execute(
            f"COPY (SELECT {', '.join(fields)} FROM "
            f"(SELECT *, ({_text(key)}) AS {text}, {extract.row_number} AS {place} FROM {extract.numbered}) "
            f"GROUP BY {groups} ORDER BY min({place})) "
            f"TO {duck.literal(str(path))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        ).fetchone() or [0]
    except duckdb.OutOfRangeException:
        raise errors.pivot_too_large(pivot.aggregate, pivot.value) from None
    except duckdb.InvalidInputException as error:  # a duration with months
        raise errors.summary_failed("pivot", duck.said(error)) from None
    except duckdb.BinderException:
        raise errors.pivot_not_of_numbers(pivot.aggregate, pivot.value) from None
    described = connection.execute(f"DESCRIBE FROM read_parquet({duck.literal(str(path))})").fetchall()
    types = {name: type_ for name, type_, *_ in described}
    headings = [Heading(text, key, value.source.name) for text in texts]
    headings += [Heading(title, None, value.source.name) for title in total]
    found = [replace(c, text_name=None, json_name=None) for c in rows]
    made = [duckdb_column(name, "INTERVAL" if lasts else types[name]) for name in of_values]
    for column, heading in zip(made, headings, strict=True):
        found.append(replace(column, heading=heading, stored_as="VARCHAR" if lasts else column.stored_as))
    return replace(extract, path=path, columns=found, rows=count)


def _text(key: ExtractColumn) -> str:
    """Return SQL for the source's text of a value. Equal values have one text: zero and minus zero are both `0`."""
    if key.source.is_float:
        return f"CASE WHEN {key.quoted} = 0 THEN '0' ELSE {key.as_float_text} END"
    return key.as_source_text


def _texts(extract: Extract, key: ExtractColumn, connection: duckdb.DuckDBPyConnection) -> Sequence[str | None]:
    """Return the source's texts of the values that become columns, in the values' order."""
    found = connection.execute(
        f"SELECT any_value({_text(key)}) FROM {extract.table} GROUP BY {key.quoted} "
        f"ORDER BY {key.as_sortable} NULLS LAST LIMIT {MOST_COLUMNS + 1}"
    ).fetchall()
    if len(found) > MOST_COLUMNS:
        raise errors.pivot_too_wide(key.source.name, MOST_COLUMNS)
    return [text for (text,) in found]


def _has_values(extract: Extract, value: ExtractColumn, connection: duckdb.DuckDBPyConnection) -> bool:
    """False for a text column with nothing but NULL: SQLite has no other type for a column without values."""
    if value.source.type_name != "text":
        return True
    [count] = connection.execute(f"SELECT count({value.quoted}) FROM {extract.table}").fetchone() or [0]
    return bool(count)


def _asked(pivot: Pivot, value: ExtractColumn) -> str:
    """Return SQL for the values that fill the cells."""
    if pivot.aggregate == "sum" and value.source.is_integer:  # duckDB's sum is wider than what Parquet can hold
        return f"{value.as_sortable}::DECIMAL(38, 0)"
    return (
        added_up(pivot.aggregate, value)
        if _lasts(pivot, value) or value.source.type_name == "float4"
        else value.as_sortable
    )


def _lasts(pivot: Pivot, value: ExtractColumn) -> bool:
    """True if the cells are durations, which are computed in microseconds."""
    return value.source.type_name == "interval" and pivot.aggregate != "count"


def _cells(
    aggregate: str, asked: str, shown: str, key: str, texts: Sequence[str | None], names: Sequence[str]
) -> Sequence[str]:  # fmt: skip
    """Return SQL for the cell of each column, and for the total.

    `key` is SQL for the text of a row's column; `shown` has `{}` for an aggregate over `asked`.
    """
    fields = []
    for at, name in enumerate(names):
        of = f"{aggregate}({asked})"
        if at < len(texts):
            text = texts[at]
            same = f"{key} IS NULL" if text is None else f"{key} = {duck.literal(text)}"
            of = f"{of} FILTER (WHERE {same})"
        fields.append(f"{shown.replace('{}', of)} AS {duck.identifier(name)}")
    return fields
