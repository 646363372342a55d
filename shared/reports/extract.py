"""The rows a report stands on, read once and kept as Parquet: every format is made from this one file.

It may be kept beside `extract.json`, which is written last. An attempt that finds both whole and made for the same
question starts where the one before it ended.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from shared.catalog.model import Format, ReportType
from shared.reports import duck
from shared.reports.columns import DECIMAL_DIGITS, SourceColumn, unique_names
from shared.reports.interface import ReportError
from shared.reports.progress import RowProgress
from shared.reports.sources.result import SourceResult

_ROWS, _ABOUT = "extract.parquet", "extract.json"
_ROW_GROUP_ROWS = 20_480
"""Two of them stand in memory at a time, and what is rendered from one."""
_ZSTD_LEVEL = 1
"""A tenth larger than the usual 3, and a tenth faster."""
_USUAL_LINE, _LONGEST_LINE = 512 << 10, 8 << 20
"""Bytes of one row's text: what is enough at first, and the most. DuckDB fills a buffer of twice that, then works on
it: with a small one the source goes on meanwhile, and the processor's caches hold it (an eighth faster, measured)."""


@dataclass(frozen=True, slots=True)
class ExtractColumn:
    """One column of the result, as the extract holds it."""

    source: SourceColumn
    name: str
    """Its name in files: the source's, made different from all others."""
    stored_as: str
    """DuckDB type in the extract."""
    decimal: tuple[int, int] | None = None
    """Precision and scale that hold every value, for a number that the extract keeps as text."""
    text_name: str | None = None
    """The column that holds the source's own text, where DuckDB would write the value in another way."""

    @property
    def quoted(self) -> str:
        """For SQL over the extract."""
        return duck.identifier(self.name)

    @property
    def as_source_text(self) -> str:
        """SQL for what the source would write in a CSV."""
        if self.text_name:
            return duck.identifier(self.text_name)
        if self.stored_as == "BOOLEAN":
            return f"CASE WHEN {self.quoted} THEN 't' WHEN NOT {self.quoted} THEN 'f' END"
        return self.quoted if self.stored_as == "VARCHAR" else f"{self.quoted}::VARCHAR"

    @property
    def as_float_text(self) -> str:
        """SQL for a floating point number as PostgreSQL has it: no `.0`, and NaN and Infinity in its words."""
        if self.text_name:
            return self.as_source_text
        value = self.quoted
        return (
            f"CASE WHEN isfinite({value}) THEN regexp_replace({value}::VARCHAR, '\\.0$', '') "
            f"WHEN isnan({value}) THEN 'NaN' WHEN {value} > 0 THEN 'Infinity' WHEN {value} < 0 THEN '-Infinity' END"
        )

    @property
    def as_final(self) -> str:
        """SQL for the value in its final type, under its name."""
        return (
            self.quoted if self.final_type == self.stored_as else f"{self.quoted}::{self.final_type} AS {self.quoted}"
        )

    @property
    def final_type(self) -> str:
        """The type in files that have types."""
        return "DECIMAL({}, {})".format(*self.decimal) if self.decimal else self.stored_as


@dataclass(frozen=True, slots=True)
class Extract:
    """Where the rows are and what they are."""

    path: Path
    columns: Sequence[ExtractColumn]
    rows: int
    snapshot: Mapping[str, object]
    """What tells this state of the source from others."""

    @property
    def table(self) -> str:
        """For FROM: the rows in the source's order."""
        return f"read_parquet({duck.literal(str(self.path))})"

    @property
    def numbered(self) -> str:
        """The same, with `file_row_number` counting from 0."""
        return f"read_parquet({duck.literal(str(self.path))}, file_row_number = true)"


def load(
    kept: Path, folder: Path, report: ReportType, parameters: Mapping[str, object], formats: Sequence[Format]
) -> Extract | None:
    """The extract that an earlier attempt left in `kept`, if it is whole and answers this very question.

    It is linked into `folder` before it is looked at, so that another attempt cannot change it meanwhile.
    """
    path = folder / _ROWS
    try:
        found = json.loads((kept / _ABOUT).read_text())
        path.hardlink_to(kept / _ROWS)
        if found["question"] == _question(report, parameters, formats) and found["sha256"] == _digest(path):
            return Extract(path, [_column(one) for one in found["columns"]], found["rows"], found["snapshot"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    path.unlink(missing_ok=True)
    return None


def keep(
    extract: Extract, kept: Path, report: ReportType, parameters: Mapping[str, object], formats: Sequence[Format]
) -> None:
    """Leave the extract for an attempt that follows. Whole or not at all: the description comes last."""
    kept.mkdir(parents=True, exist_ok=True)
    about = {
        "question": _question(report, parameters, formats),
        "sha256": _digest(extract.path),
        "rows": extract.rows,
        "snapshot": extract.snapshot,
        "columns": [asdict(column) for column in extract.columns],
    }
    part = kept / f".part-{os.getpid()}"
    part.hardlink_to(extract.path)
    part.rename(kept / _ROWS)
    part.write_text(json.dumps(about))
    part.rename(kept / _ABOUT)


def make(
    source: SourceResult, folder: Path, report: ReportType, formats: Sequence[Format], progress: RowProgress
) -> Extract:
    """Read everything into `folder`. Raises what the source raises, ReportError, OSError, duckdb.Error."""
    path = folder / _ROWS
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
    """Read as most results allow; once more where a value or a row shows that this one does not."""
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
    """Find the precision of numbers that PostgreSQL's type leaves open, from the numbers themselves."""
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


def _question(report: ReportType, parameters: Mapping[str, object], formats: Sequence[Format]) -> str:
    asked = [report.name, report.version, report.source, report.query, parameters, Format.CSV in formats]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _column(found: dict[str, Any]) -> ExtractColumn:
    decimal = tuple(found.pop("decimal") or ()) or None
    return ExtractColumn(SourceColumn(**found.pop("source")), decimal=decimal, **found)
