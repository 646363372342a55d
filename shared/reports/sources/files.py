"""The source of files: Parquet, CSV and JSON in a folder or below an S3 prefix, queried in DuckDB's SQL.

In `SELECT * FROM 'orders/*.parquet' WHERE day >= :from` paths are relative to the source. Nothing outside is read.
"""

import contextlib
import datetime as dt
import shutil
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb

from shared.artifacts.open import open_store
from shared.catalog.model import Limits, Parameter, ReportType
from shared.catalog.parameters import validate_parameters
from shared.catalog.query import python_value, sql_type
from shared.catalog.sql import Kind, scan
from shared.reports import duck, errors
from shared.reports.columns import SourceColumn
from shared.reports.extract import duckdb_column
from shared.reports.progress import RowProgress
from shared.reports.sources.result import SourceResult

_PROGRESS_BYTES = 1 << 20
_TOO_LONG = "row_too_long"


class FilesResult(SourceResult):
    """One report's result over files. It cannot be read again, because files may change meanwhile."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, query: str, limits: Limits) -> None:
        self._connection = connection
        self._query = query
        self._limits = limits
        described = connection.execute(f"DESCRIBE ({query}\n)").fetchall()
        self._columns = [duckdb_column(name, type_) for name, type_, *_ in described]

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order."""
        return [c.source for c in self._columns]

    def snapshot(self) -> Mapping[str, object]:
        """Return the time of reading, because files have no snapshot."""
        return {"id": None, "takenAt": dt.datetime.now(dt.UTC).isoformat()}

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows as `SourceResult.feed` says."""
        del lenient  # DuckDB's moments are its own
        texts = [c.as_float_text if c.source.is_float else c.as_source_text for c in self._columns]
        texts += [texts[at] for at in as_text]
        cells = ", ".join(f"({text})::VARCHAR AS c{n}" for n, text in enumerate(texts))
        most, sent, seen = self._limits.max_rows, 0, 0
        copied = duck.Copied()
        # One row more than allowed is enough to tell.
        size = " + ".join(f"coalesce(strlen(c{n}), 0)" for n, _ in enumerate(texts))
        query = f"""SELECT * FROM (SELECT {cells} FROM ({self._query}\n))
                     WHERE if({size} > {longest}, error({duck.literal(_TOO_LONG)}), true) LIMIT {most + 1}"""
        try:
            for piece in duck.copied(self._connection, query, duck.AS_CSV, copied):
                sent += len(piece)
                if sent > self._limits.max_mb << 20:
                    raise errors.byte_limit_exceeded(self._limits)
                duck.write_all(descriptor, piece)
                seen += piece.count(b"\n")
                progress(min(seen, most))
        except duckdb.InvalidInputException as error:
            if _TOO_LONG in str(error):
                raise errors.row_too_long() from None
            raise
        if copied.rows > most:
            raise errors.row_limit_exceeded(self._limits)
        return copied.rows


@contextlib.contextmanager
def open_result(
    url: str, report: ReportType, parameters: Mapping[str, object], scratch: Path, /
) -> Iterator[FilesResult]:
    """Open the result of the report's query over the files below `url`. Raises ReportError."""
    folder = _local(url, scratch, report.limits)
    # Relative paths are the process's own: a report has a process to itself.
    with contextlib.closing(duck.connect(scratch, report.limits.memory_mb)) as connection, contextlib.chdir(folder):
        values = dict(_variables(report, parameters))
        for name, value in values.items():
            connection.execute(f"SET VARIABLE {duck.identifier(name)} = ?", [value])
        duck.confine(connection, folder=folder)
        try:
            yield FilesResult(connection, _query(report, values), report.limits)
        except (duckdb.OutOfMemoryException, duckdb.ConversionException):
            raise
        except duckdb.Error as error:
            raise errors.files_query_failed(str(error).splitlines()[0].replace(str(folder), "")) from None


def _local(url: str, scratch: Path, limits: Limits) -> Path:
    """Return the folder itself, or one with a copy of what lies below the S3 prefix."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    store, folder, size = open_store(url), scratch / "files", 0
    for one in store.list(""):
        size += one.size_bytes
        if size > limits.scratch_mb << 20:
            raise errors.scratch_limit_exceeded(limits)
        target = folder / one.key
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open(one.key) as source, target.open("wb") as copy:
            shutil.copyfileobj(source, copy, _PROGRESS_BYTES)
    return folder


def _variables(report: ReportType, parameters: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    values = validate_parameters(report, parameters)
    for parameter in report.parameters:
        yield parameter.name, python_value(parameter, values[parameter.name])


def _query(report: ReportType, values: Mapping[str, object]) -> str:
    """Return the query with each `:name` as a typed variable: bound, never pasted."""
    parts = []
    for token in scan(report.query):
        if token.kind is Kind.PLACEHOLDER:
            name = token.text[1:]
            parameter = report.parameter(name)
            if parameter is None:
                raise LookupError(f"{report.name}: {token.text} is not declared")  # the loader refuses it
            parts.append(f"CAST(getvariable({duck.literal(name)}) AS {_type(parameter, values[name])})")
        elif token.text != ";":
            parts.append(token.text)
    return "".join(parts)


def _type(parameter: Parameter, value: object) -> str:
    # The names are PostgreSQL's; DuckDB knows them all, but its numeric has three decimals unless told otherwise.
    numbers = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Decimal)]
    places = max((-int(number.as_tuple().exponent) for number in numbers), default=0)
    return sql_type(parameter).replace("numeric", f"DECIMAL(38, {max(0, places)})")
