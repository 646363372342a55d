"""Keeps the first rows of a report beside its files, as JSON Lines, for whoever looks before downloading.

The first line tells what follows: `{"columns": [{"name": …, "title": …, "type": …}], "rows": 2, "of": 185}`. Each
other line is a row: an array of values in the order of the columns. A value is null, a whole number of at most 32 bits,
true or false; every other one is the text that a CSV has of it, so that no digit is lost.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from json.encoder import encode_basestring
from pathlib import Path

import duckdb

from shared.catalog.model import Column, ReportType
from shared.catalog.shape import UTC_NAME
from shared.reports import duck
from shared.reports.columns import SourceColumn
from shared.reports.extract import Extract, ExtractColumn

log = logging.getLogger(__name__)

NAME = ".rows.jsonl"
"""No file of a report begins with a dot, so this name is free."""
MEDIA_TYPE = "application/x-ndjson"
MOST_ROWS = 1_000
MOST_BYTES = 1 << 20
"""The size of the rows together. Whole rows are kept as long as they fit."""
_KINDS = {
    "int8": "bigint", "numeric": "decimal", "bool": "boolean", "date": "date", "timestamp": "timestamp",
    "timestamptz": "timestamptz", "json": "json", "jsonb": "json",
}  # fmt: skip


def kind(column: SourceColumn) -> str:
    """Return the type's name for clients. `integer` and `boolean` are JSON's own; all others are text."""
    if found := _KINDS.get(column.type_name):
        return found
    if column.is_integer:
        return "integer"
    return "float" if column.is_float else "text"


def keep(whole: Extract, report: ReportType, folder: Path, zone: str = UTC_NAME) -> None:
    """Write the first rows of the extract into `folder`, as a CSV would have them, with times in `zone`.

    The report is complete without them, so a failure is only logged.
    """
    try:
        if whole.cells is not None:
            lines: Iterable[bytes] = _lines_from_cells(whole)
        else:
            lines = _lines_in_duckdb(whole, report, folder, zone)
        write(folder / NAME, described([(c.source, c.name) for c in whole.columns], report), lines, of=whole.rows)
    except (duckdb.Error, OSError) as error:
        not_kept(error)


def _lines_in_duckdb(whole: Extract, report: ReportType, folder: Path, zone: str) -> Iterable[bytes]:
    with duck.opened(folder, report.limits.memory_mb, columns=len(whole.columns), zone=zone) as connection:
        return _lines(whole, connection)


def _lines_from_cells(whole: Extract) -> Iterable[bytes]:
    writers = [writer(c.source) for c in whole.columns]
    return (as_line(row, writers) for row in whole.cells or ())


def as_line(row: Sequence[str | None], writers: Sequence[Callable[[str], str]]) -> bytes:
    """Return the line of a row of cells, each written by the `writer` of its column."""
    values = ["null" if text is None else write(text) for text, write in zip(row, writers, strict=True)]
    return f"[{','.join(values)}]\n".encode()


def writer(column: SourceColumn) -> Callable[[str], str]:
    """Return a function that writes a cell's text as JSON."""
    # Not json.dumps, each call of which creates an encoder: without it a row of nine cells takes half as long.
    return _WRITERS.get(kind(column), encode_basestring)


_WRITERS: Mapping[str, Callable[[str], str]] = {"integer": str, "boolean": {"t": "true", "f": "false"}.__getitem__}
"""How kinds with values of JSON's own are written; all others are JSON strings."""


def not_kept(error: Exception) -> None:
    """Tell the operator that a report has no first rows."""
    log.warning("report.no_first_rows", extra={"reason": repr(error)[:500]})


def described(columns: Sequence[tuple[SourceColumn, str]], report: ReportType) -> Sequence[dict[str, str]]:
    """Return what the first line says about the columns, each with its name in files."""
    told = []
    for column, name in columns:
        shown = report.columns.get(column.name) or Column(column.name, column.name)
        title = f"{shown.title} ({shown.unit})" if shown.unit else shown.title
        told.append({"name": name, "title": title, "type": kind(column)})
    return told


def write(path: Path, columns: Sequence[dict[str, str]], lines: Iterable[bytes], *, of: int) -> None:
    """Write the file. Raises OSError."""
    kept: list[bytes] = []
    size = 0
    for line in lines:
        size += len(line)
        if size > MOST_BYTES or len(kept) == MOST_ROWS:
            break
        kept.append(line)
    head = json.dumps({"columns": columns, "rows": len(kept), "of": of}, ensure_ascii=False)
    path.write_bytes(head.encode() + b"\n" + b"".join(kept))


def _lines(whole: Extract, connection: duckdb.DuckDBPyConnection) -> Iterable[bytes]:
    """Return the lines of the first rows, somewhat more than fit."""
    line = f"json_array({', '.join(map(_value, whole.columns))})::VARCHAR"
    if whole.is_small:
        return [f"{text}\n".encode() for (text,) in connection.execute(f"SELECT {line} FROM {whole.table}").fetchall()]
    # If rows are long, a thousand of them might not fit into the memory of a report that needs none otherwise.
    most = min(MOST_ROWS, 4 * MOST_BYTES * whole.rows // max(1, whole.text_bytes))
    pieces, size = [], 0
    for piece in duck.lines(connection, f"SELECT {line} FROM {whole.table} LIMIT {most}"):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_BYTES:
            break
    return b"".join(pieces).splitlines(keepends=True)


def _value(column: ExtractColumn) -> str:
    if kind(column.source) in {"integer", "boolean"}:
        return column.quoted
    return column.as_float_text if column.source.is_float else column.as_source_text
