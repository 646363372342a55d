"""The source of files: Parquet, CSV and JSON in a folder or below an S3 prefix, queried in DuckDB's SQL.

In `SELECT * FROM 'orders/*.parquet' WHERE day >= :from` paths are relative to the source. Nothing outside it is read.
"""

import contextlib
import datetime as dt
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb

from shared.artifacts.interface import ArtifactMissing, ArtifactStore, ArtifactStoreUnavailable, check_key
from shared.artifacts.open import UnknownArtifactUrl, open_store
from shared.catalog.model import Limits, ReportType
from shared.catalog.parameter import Parameter
from shared.catalog.parameters import validate_parameters
from shared.catalog.query import BUILT_IN, python_value, sql_type
from shared.catalog.sql import Kind, scan
from shared.failures import FailureCode
from shared.reports import duck, errors, source_errors
from shared.reports.arrange import arrangement_of, outer_query
from shared.reports.columns import SourceColumn
from shared.reports.explain import explain
from shared.reports.extract import ExtractColumn, duckdb_column
from shared.reports.progress import RowProgress
from shared.reports.question import Question
from shared.reports.sources.result import SourceResult

_PROGRESS_BYTES = 1 << 20
_TOO_LONG, _TOO_FINE, _NO_JSON = "row_too_long", "nanoseconds of ", "no JSON in "
_AS_READ = "SET disabled_optimizers = 'type_pushdown'"
"""A value's text is the text of what read_csv made of it. DuckDB 2.0 moves the cast into the scan, which then returns
the letters of the file: with thousands = '.', 1.234 is 1234, was written as 1.234, and became 1.23 in DECIMAL(18,
2)."""
_OTHER_LETTERS = (
    "A CSV file is read as UTF-8, or as read_csv(…, encoding = 'utf-16') or 'latin-1' says. Convert others, as in "
    "iconv -f CP932 -t UTF-8."
)
_STRINGS = r'"(\\.|[^"\\])*"'
"""JSON strings, as a regular expression."""


class FilesResult(SourceResult):
    """One report's result over files. It cannot be read again, because files may change meanwhile."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, question: Question, folders: Sequence[Path]) -> None:
        self._connection = connection
        self._query = query = _query(question.report, dict(_variables(question)))
        self._limits = question.report.limits
        self._folders = folders
        """Folders of this machine, which no message shows."""
        try:
            described = connection.execute(f"DESCRIBE ({query}\n)").fetchall()
        except duckdb.Error as error:
            raise self._told(error) from None
        self._columns = [duckdb_column(name, type_) for name, type_, *_ in described]
        self._fine = {name for name, type_, *_ in described if type_ == "TIMESTAMP_NS"}
        self._names = {name for name, *_ in described}
        self.arrangement = arrangement_of(question, [name for name, *_ in described])
        if self.arrangement is not None:
            read = [(at, self._columns[at]) for at in self.arrangement.read]
            outputs = [f"c{at + 1} AS {column.quoted}" for at, column in read]
            before, behind = outer_query(self.arrangement, len(self._columns), outputs)
            self._query, self._columns = f"{before}{query}{behind}", [column for _, column in read]

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order, or as arranged."""
        return [c.source for c in self._columns]

    @property
    def query_names(self) -> Collection[str]:
        """The names of all columns of the query."""
        return self._names

    def further(self, question: Question) -> "FilesResult":
        """Return the result of another query over the same files, with the same parameters."""
        return FilesResult(self._connection, question, self._folders)

    def snapshot(self) -> Mapping[str, object]:
        """Return the time of reading, because files have no snapshot."""
        return {"id": None, "takenAt": dt.datetime.now(dt.UTC).isoformat()}

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows as `SourceResult.feed` says."""
        del lenient  # duckDB's moments are its own
        texts = [_text(c) for c in self._columns]
        texts = [self._exact(c, text) for c, text in zip(self._columns, texts, strict=True)]
        texts += [texts[at] for at in as_text]
        cells = ", ".join(f"({text})::VARCHAR AS c{n}" for n, text in enumerate(texts))
        most, sent, seen = self._limits.max_rows, 0, 0
        copied = duck.Copied()
        # One row more than allowed is enough to know.
        size = " + ".join(f"coalesce(strlen(c{n}), 0)" for n, _ in enumerate(texts))
        query = f"""SELECT * FROM (SELECT {cells} FROM ({self._query}\n))
                     WHERE if({size} > {longest}, error({duck.literal(_TOO_LONG)}), true) LIMIT {most + 1}"""
        try:
            for piece in duck.copied(self._connection, query, duck.AS_CSV, copied):
                sent += len(piece)
                if sent > self._limits.max_mb << 20:
                    raise errors.byte_limit_exceeded(self._limits)
                duck.write_all(descriptor, piece)
                self.sent_bytes += len(piece)
                seen += piece.count(b"\n")
                progress(min(seen, most))
        except duckdb.InvalidInputException as error:
            if _TOO_LONG in str(error):
                raise errors.row_too_long() from None
            if found := re.search(f"{_TOO_FINE}(.*)$", str(error), re.DOTALL):
                raise source_errors.nanoseconds(found[1]) from None
            if found := re.search(f"{_NO_JSON}(.*)$", str(error), re.DOTALL):
                raise source_errors.nested_nan(found[1]) from None
            raise self._told(error) from None
        except duckdb.Error as error:
            raise self._told(error) from None
        if copied.rows > most:
            raise errors.row_limit_exceeded(self._limits)
        return copied.rows

    def _told(self, error: duckdb.Error) -> Exception:
        """Return what to raise for an error of the query: the error itself if it is about memory or the disk."""
        if isinstance(error, duckdb.OutOfMemoryException):
            return error
        if explain(error, self._limits).code != FailureCode.RENDERER_FAILED:
            return error
        said = duck.said(error)
        for folder in self._folders:
            said = said.replace(f"{folder}/", "").replace(str(folder), "")
        hint = _OTHER_LETTERS if re.search("not utf-8 encoded|support the encoding", said) else ""
        return source_errors.files_query_failed(said, line=duck.line_of(error), hint=hint)

    def _exact(self, column: ExtractColumn, text: str) -> str:
        """Return SQL for the text, or an error for what no format can express: fractions of a microsecond, NaN within
        nested values.
        """
        if column.name in self._fine:
            told = duck.literal(_TOO_FINE + column.name)
            return f"CASE WHEN epoch_ns({column.quoted}) % 1000 <> 0 THEN error({told}) ELSE {text} END"
        if column.source.is_json:
            told = duck.literal(_NO_JSON + column.name)
            outside = f"regexp_replace({text}, {duck.literal(_STRINGS)}, '', 'g')"
            return f"CASE WHEN regexp_matches({outside}, 'NaN|Inf') THEN error({told}) ELSE {text} END"
        return text


@contextlib.contextmanager
def open_result(url: str, question: Question, scratch: Path, /) -> Iterator[FilesResult]:
    """Open the result of the report's query over the files below `url`. Raises ReportError."""
    report = question.report
    folder = _local(url, scratch, report.limits)
    # Relative paths are the process's own: each report has a process of its own.
    zone = question.shape.zone
    with duck.opened_once(scratch, report.limits.memory_mb, zone=zone) as connection, contextlib.chdir(folder):
        connection.execute(_AS_READ)
        for name, value in _variables(question):
            connection.execute(f"SET VARIABLE {duck.identifier(name)} = ?", [value])
        duck.confine(connection, folder=folder)
        yield FilesResult(connection, question, (folder, scratch))


def _local(url: str, scratch: Path, limits: Limits) -> Path:
    """Return the folder itself, or one with a copy of what is below the S3 prefix."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    folder = scratch / "files"
    folder.mkdir()
    try:
        _copy(open_store(url), folder, limits)
    except UnknownArtifactUrl:
        raise source_errors.source_missing("files", "its URL is not file:///folder or s3://bucket/prefix") from None
    except ArtifactStoreUnavailable as error:
        raise source_errors.source_unavailable(str(error)) from None
    if not any(folder.iterdir()):
        raise source_errors.files_query_failed("no object lies below the source's S3 prefix")
    return folder


def _copy(store: ArtifactStore, folder: Path, limits: Limits) -> None:
    """Copy all objects whose keys can be file names. A query cannot name the others either, so they are harmless."""
    size = 0
    for one in store.list(""):
        target = folder / one.key
        try:
            check_key(one.key)
        except ValueError:  # the empty object that stands for a folder, `..`, a backslash
            continue
        size += one.size_bytes
        if size > limits.scratch_mb << 20:
            raise errors.scratch_limit_exceeded(limits)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with store.open(one.key) as source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy, _PROGRESS_BYTES)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise source_errors.files_query_failed(
                f"the source has objects both at and below one key: {one.key!r} cannot lie in a folder with them"
            ) from None
        except ArtifactMissing:
            continue  # it was removed meanwhile


def _variables(question: Question) -> Iterator[tuple[str, object]]:
    for name, of in BUILT_IN.items():
        yield name, of(question.asker)
    values = validate_parameters(question.report, question.parameters)
    for parameter in question.report.parameters:
        yield parameter.name, python_value(parameter, values[parameter.name])


def _text(column: ExtractColumn) -> str:
    """Return SQL for the text of a value, instants in UTC whatever the session's zone: DuckDB rounds the offsets of old
    zones.
    """
    if column.source.has_zone:
        value = column.quoted
        return f"CASE WHEN isfinite({value}) THEN timezone('UTC', {value})::VARCHAR || '+00' ELSE {value}::VARCHAR END"
    return column.as_float_text if column.source.is_float else column.as_source_text


def _query(report: ReportType, values: Mapping[str, object]) -> str:
    """Return the query with each `:name` as a typed variable: bound, never pasted."""
    parts = []
    for token in scan(report.query):
        if token.kind is Kind.PLACEHOLDER:
            name = token.text[1:]
            if name in BUILT_IN:
                parts.append(f"CAST(getvariable({duck.literal(name)}) AS text)")
                continue
            parameter = report.parameter(name)
            if parameter is None:
                raise LookupError(f"{report.name}: {token.text} is not declared")  # the loader refuses such a query
            parts.append(f"CAST(getvariable({duck.literal(name)}) AS {_type(parameter, values[name])})")
        elif token.text != ";":
            parts.append(token.text)
    return "".join(parts)


def _type(parameter: Parameter, value: object) -> str:
    # The names are PostgreSQL's; DuckDB knows them all, but its numeric has three decimals by default.
    numbers = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, Decimal)]
    places = max((-int(number.as_tuple().exponent) for number in numbers), default=0)
    return sql_type(parameter).replace("numeric", f"DECIMAL(38, {max(0, places)})")
