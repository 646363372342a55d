"""Reads a source's rows once, into the extract."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from shared.catalog.model import Format, ReportType
from shared.reports import duck
from shared.reports.columns import DECIMAL_DIGITS, unique_names
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
_USUAL_LINE, _LONGEST_LINE = 512 << 10, 8 << 20
"""Bytes of one row's text: the limit of the first reading, and the most that any reading allows."""


def read(
    source: SourceResult, folder: Path, report: ReportType, formats: Sequence[Format], progress: RowProgress
) -> Extract:
    """Read all rows into `folder`. Raises what the source raises, ReportError, OSError, duckdb.Error."""
    path = folder / ROWS_FILE
    with contextlib.closing(duck.connect(folder, report.limits.memory_mb)) as connection:
        snapshot = source.snapshot()
        columns, rows = _read(source, connection, path, formats, progress)
        extract = Extract(path, columns, rows, snapshot)
        return replace(extract, columns=_decimals(extract, connection))


def _read(
    source: SourceResult,
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    formats: Sequence[Format],
    progress: RowProgress,
) -> tuple[Sequence[ExtractColumn], int]:
    """Read strictly, with short lines; once more, more generously, if a value or a row does not fit."""
    lenient, longest = False, _USUAL_LINE if source.repeatable else _LONGEST_LINE
    while True:
        try:
            return _read_as(source, connection, path, formats, progress, lenient=lenient, longest=longest)
        except duckdb.ConversionException:
            if lenient or not source.repeatable:
                raise
            lenient = True
        except ReportError as error:
            if error.code != "row_too_long" or longest == _LONGEST_LINE:
                raise
            longest = _LONGEST_LINE


def _read_as(
    source: SourceResult,
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    formats: Sequence[Format],
    progress: RowProgress,
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
    columns = [
        ExtractColumn(column, name, column.stored_as(lenient=lenient), text_name=texts.get(at))
        for at, (column, name) in enumerate(zip(source.columns, names, strict=True))
    ]
    types = {c.name: c.stored_as for c in columns} | dict.fromkeys(texts.values(), "VARCHAR")
    fields = ", ".join(f"{duck.literal(name)}: {duck.literal(stored)}" for name, stored in types.items())
    rows = 0

    def feed(descriptor: int) -> None:
        nonlocal rows
        rows = source.feed(descriptor, lenient=lenient, longest=longest, as_text=twins, progress=progress)

    with duck.fed(feed) as pipe:
        connection.execute(f"""
            COPY (SELECT * FROM read_csv('{pipe}', columns = {{{fields}}}, header = false, auto_detect = false,
                         delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
                         new_line = '\\n', parallel = false, max_line_size = {longest}, buffer_size = {2 * longest}))
              TO {duck.literal(str(path))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL {_ZSTD_LEVEL},
                                            ROW_GROUP_SIZE {_ROW_GROUP_ROWS})
        """)
    return columns, rows


def _decimals(extract: Extract, connection: duckdb.DuckDBPyConnection) -> Sequence[ExtractColumn]:
    """Return the columns, with the precision of numbers whose type leaves it open, as the rows need it."""
    open_ = [c for c in extract.columns if c.source.type_name == "numeric" and c.stored_as == "VARCHAR"]
    if not open_:
        return extract.columns
    measured = []
    for column in open_:
        text = f"ltrim({column.quoted}, '-')"
        measured += [
            f"bool_and(regexp_full_match({text}, '[0-9]+(\\.[0-9]+)?'))",
            f"max(length(split_part({text}, '.', 1)))",
            f"max(length(split_part({text}, '.', 2)))",
        ]
    found: Any = connection.execute(f"SELECT {', '.join(measured)} FROM {extract.table}").fetchone()
    shapes = {}
    for at, column in enumerate(open_):
        numbers, whole, scale = found[3 * at : 3 * at + 3]
        if not numbers:  # or no row has a value
            continue
        # A declared precision may be narrower than its values: numeric(3, -2) holds 12300.
        scale = max(scale, column.source.scale or 0)
        if whole + scale <= DECIMAL_DIGITS:
            declared = min(column.source.precision or 0, DECIMAL_DIGITS)
            shapes[column.name] = (max(declared, whole + scale), scale)
    return [replace(c, decimal=shapes.get(c.name)) for c in extract.columns]
