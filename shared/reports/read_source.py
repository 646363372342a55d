"""Reads a source's rows once, into the extract."""

import codecs
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from shared.catalog.model import Format, ReportType
from shared.failures import FailureCode
from shared.reports import duck, errors
from shared.reports.column_types import settled, with_decimals
from shared.reports.columns import unique_names
from shared.reports.extract import ROWS_FILE, Extract, ExtractColumn
from shared.reports.interface import ReportError
from shared.reports.progress import RowProgress
from shared.reports.sources.result import SourceResult

_ROW_GROUP_ROWS = 20_480
"""Rows per row group. DuckDB holds two groups in memory at a time, and what is rendered from one."""
# `make bench-reports` measures what stands here. Level 1 gives files a tenth larger than the usual 3, a tenth faster.
_ZSTD_LEVEL = 1
# DuckDB fills a buffer of two lines, then works on it: with a small one the source goes on meanwhile, and the
# processor's caches hold it (an eighth faster).
_MOST_COLUMNS = 1_600
"""Columns that a source is asked for at once; PostgreSQL gives 1,664 (PostgreSQL 18, appendix K, read 2026-11-28)."""
_USUAL_LINE, _LONGEST_LINE = 512 << 10, 8 << 20
"""Bytes of one row's text: the limit of the first reading, and the most that any reading allows."""


def read(
    source: SourceResult,
    folder: Path,
    report: ReportType,
    formats: Sequence[Format],
    progress: RowProgress,
    *,
    hidden: Collection[str] = (),
) -> Extract:
    """Read all rows into `folder`, without the columns that are `hidden` from the asker.

    Raises what the source raises, ReportError, OSError, duckdb.Error.
    """
    path = folder / ROWS_FILE
    if missing := set(hidden) - {c.name for c in source.columns}:
        # Under another name its values would be shown to everybody.
        raise errors.scoped_column_missing(sorted(missing))
    with duck.opened(folder, report.limits.memory_mb, columns=2 * len(source.columns)) as connection:
        snapshot = source.snapshot()
        columns, rows, doubtful = _read(source, connection, path, formats, progress, hidden)
        if rows > report.limits.max_rows:
            raise errors.row_limit_exceeded(report.limits)
        extract = Extract(path, columns, rows, snapshot, source.sent_bytes)
        if doubtful or not source.repeatable:
            extract = settled(extract, connection)
        return replace(extract, columns=with_decimals(extract, connection))


def _read(
    source: SourceResult,
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    formats: Sequence[Format],
    progress: RowProgress,
    hidden: Collection[str],
) -> tuple[Sequence[ExtractColumn], int, bool]:
    """Read strictly, with short lines; once more, more generously, if a value or a row does not fit.

    The last of what it returns is true if columns are text only because one of them has to be.
    """
    lenient, longest = False, _USUAL_LINE if source.repeatable else _LONGEST_LINE
    while True:
        try:
            columns, rows = _read_as(
                source, connection, path, formats, progress, hidden, lenient=lenient, longest=longest
            )
        except duckdb.ConversionException as error:
            if lenient or not source.repeatable:
                raise errors.value_wrong(duck.said(error)) from None
            lenient = True
        except ReportError as error:
            if error.code != FailureCode.ROW_TOO_LONG or longest == _LONGEST_LINE:
                raise
            longest = _LONGEST_LINE
        else:
            return columns, rows, lenient


def _read_as(
    source: SourceResult,
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    formats: Sequence[Format],
    progress: RowProgress,
    hidden: Collection[str],
    *,
    lenient: bool,
    longest: int,
) -> tuple[Sequence[ExtractColumn], int]:
    names = unique_names(c.name for c in source.columns)
    # PostgreSQL and DuckDB write floating point differently; a CSV has PostgreSQL's text.
    twins = [at for at, c in enumerate(source.columns) if c.is_float and Format.CSV in formats]
    texts = dict(
        zip(twins, unique_names([*names, *(f"text of {names[at]}" for at in twins)])[len(names) :], strict=True)
    )
    twice = len(names) + len(twins) <= _MOST_COLUMNS
    columns = [
        ExtractColumn(column, name, column.stored_as(lenient=lenient), text_name=texts.get(at))
        for at, (column, name) in enumerate(zip(source.columns, names, strict=True))
    ]
    types = {c.name: c.stored_as for c in columns} | dict.fromkeys(texts.values(), "VARCHAR")
    if not twice:  # then only the text of a floating point number is read, and the number made of it
        types = {c.name: "VARCHAR" if c.text_name else c.stored_as for c in columns}
    fields = ", ".join(f"{duck.literal(name)}: {duck.literal(stored)}" for name, stored in types.items())

    def feed(descriptor: int) -> None:
        # The reader takes one byte order mark for its own; the first cell may begin with another.
        duck.write_all(descriptor, codecs.BOM_UTF8)
        source.feed(descriptor, lenient=lenient, longest=longest, as_text=twins if twice else (), progress=progress)

    shown = [c for c in columns if c.source.name not in hidden]
    with duck.fed(feed) as pipe:
        [rows] = connection.execute(f"""
            COPY (SELECT {_selected(shown, twice=twice, all_of_them=len(shown) == len(columns))}
                    FROM read_csv('{pipe}', columns = {{{fields}}}, header = false, auto_detect = false,
                         delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
                         new_line = '\\n', parallel = false, max_line_size = {longest}, buffer_size = {2 * longest}))
              TO {duck.literal(str(path))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {_ZSTD_LEVEL},
                                            ROW_GROUP_SIZE {_ROW_GROUP_ROWS})
        """).fetchone() or [0]
    return shown, rows


def _selected(columns: Sequence[ExtractColumn], *, twice: bool, all_of_them: bool) -> str:
    if twice and all_of_them:
        return "*"
    if twice:
        texts = (duck.identifier(c.text_name) for c in columns if c.text_name)
        return ", ".join([*(c.quoted for c in columns), *texts])
    numbers = [f"{c.quoted}::{c.stored_as} AS {c.quoted}" if c.text_name else c.quoted for c in columns]
    return ", ".join([*numbers, *(f"{c.quoted} AS {duck.identifier(c.text_name)}" for c in columns if c.text_name)])
