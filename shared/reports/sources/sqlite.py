"""The source of one SQLite file: read-only, in one read transaction, on a connection that can do nothing but read."""

import contextlib
import datetime as dt
import errno
import json
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from shared.catalog.model import Limits, ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import validate_parameters
from shared.catalog.query import BUILT_IN, python_value
from shared.catalog.source_urls import sqlite_uri
from shared.catalog.sql import Kind, scan
from shared.reports import errors, source_errors
from shared.reports.columns import SourceColumn
from shared.reports.explain import explain
from shared.reports.interface import ReportError
from shared.reports.question import Question
from shared.reports.sources import sqlite_types
from shared.reports.sources.rows import Row, RowsResult, Write
from shared.reports.stop import on_stop

_BUSY_S = 10.0
"""How long another connection's write may keep us from reading."""
_STEPS = 10_000
"""Virtual machine steps of SQLite between two looks at the clock: some 100 µs."""
_AHEAD_ROWS, _AHEAD_BYTES = 1_000, 1 << 20
_SETTINGS = (
    "PRAGMA temp_store = FILE",  # large sorts use the attempt's folder (TMPDIR), not memory
    "PRAGMA trusted_schema = OFF",  # views of the file cannot call functions that could do harm
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",  # so that a shrinking file is an error, and does not kill the process
    "BEGIN",
)
_MAY = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_MAY_NOT_CALL = {"load_extension", "fts3_tokenizer"}
_PASSES = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}  # fmt: skip
_NOT_TEXT = re.compile(r"Could not decode to UTF-8 column '(.*?)' with text", re.DOTALL)
"""Python's message about invalid TEXT, which has no SQLite error code."""
_HELP = {
    sqlite3.SQLITE_BUSY: "Another program writes to it",
    sqlite3.SQLITE_CANTOPEN: "The file is missing or may not be read",
    sqlite3.SQLITE_READONLY: "It is in WAL mode and nobody has it open (keep it open, leave WAL mode, or write "
    "?immutable=1 if nobody writes to it), or a writer died in its work (let a program that may write open it once)",
}


class SqliteResult(RowsResult):
    """One report's result within one read transaction: every reading of it sees the same rows."""

    def __init__(self, connection: sqlite3.Connection, question: Question) -> None:
        super().__init__(question.report.limits)
        self._connection = connection
        self._query = question.report.query.strip().removesuffix(";")
        self._values = dict(_values(question))
        connection.execute(f"EXPLAIN {self._query}", self._values)  # so that a mistake is reported as the query's own
        declared = _declared(connection, self._query)
        _only_reading(connection)
        cursor = connection.execute(self._query, self._values)
        self._taken_at = dt.datetime.now(dt.UTC)
        first = _first_rows(cursor, self._limits)
        self._ahead: Iterator[Row] | None = _chained(first, cursor)
        self._columns = [
            sqlite_types.column(name, type_, sqlite_types.values_of(first, at))
            for at, ((name, *_), type_) in enumerate(zip(cursor.description, declared, strict=True))
        ]

    def further(self, question: Question) -> "SqliteResult":
        """Return the result of another query within the same transaction."""
        self._connection.set_authorizer(None)
        self._connection.execute("PRAGMA query_only = OFF")  # for the view that reveals the columns' types
        try:
            return SqliteResult(self._connection, question)
        except sqlite3.Error as error:
            raise _told(error, self._limits) from None

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order."""
        return self._columns

    def snapshot(self) -> Mapping[str, object]:
        """Return when the transaction began to read, because SQLite's snapshots have no names."""
        return {"id": None, "takenAt": self._taken_at.isoformat()}

    def writers(self) -> Sequence[Write]:
        """What writes the values of each column."""
        return [sqlite_types.writer(column) for column in self._columns]

    def rows(self) -> Iterable[Row]:
        """The rows, from the first one on."""
        ahead, self._ahead = self._ahead, None
        number = 0
        try:
            for number, row in enumerate(ahead or self._connection.execute(self._query, self._values), 1):  # noqa: B007
                yield row
        except sqlite3.Error as error:
            raise _told(error, self._limits, row=number + 1) from None


@contextlib.contextmanager
def open_result(url: str, question: Question, scratch: Path, /) -> Iterator[SqliteResult]:
    """Open the file and hold one read transaction for as long as the block lasts. Raises ReportError."""
    del scratch
    limits = question.report.limits
    try:
        uri = sqlite_uri(url)
    except ValueError as error:
        raise source_errors.source_missing(question.report.source, str(error)) from None
    # Its rows are read by another thread than the one that opens it, but never by two at a time.
    with contextlib.closing(_connected(uri, limits)) as connection, on_stop(connection.interrupt):
        try:
            result = SqliteResult(connection, question)
        except sqlite3.Error as error:
            raise _told(error, limits) from None
        yield result


def _connected(uri: str, limits: Limits) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _told(error, limits) from None
    # A little below the attempt's deadline, so that the cause is known: the query, or everything else.
    until = time.monotonic() + 0.9 * limits.timeout_s
    connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for statement in _SETTINGS:
        connection.execute(statement)
    return connection


def _declared(connection: sqlite3.Connection, query: str) -> Sequence[str]:
    """Return the declared type of each column of the query; empty if there is none.

    SQLite reports them for views. A view takes no parameters, and its columns' types do not depend on them.
    """
    text = "".join("NULL" if token.kind is Kind.PLACEHOLDER else token.text for token in scan(query))
    connection.execute("DROP VIEW IF EXISTS temp.todoke_report")
    connection.execute(f"CREATE TEMP VIEW todoke_report AS {text}\n")
    return [type_ for _, _, type_, *_ in connection.execute("PRAGMA temp.table_info(todoke_report)")]


def _only_reading(connection: sqlite3.Connection) -> None:
    """Restrict the rest of the session to reading and computing: no other file, no setting, no write, no code."""
    connection.execute("PRAGMA query_only = ON")

    def may(action: int, _first: str | None, second: str | None, *_: str | None) -> int:
        called = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _MAY_NOT_CALL
        return sqlite3.SQLITE_OK if called or action in _MAY else sqlite3.SQLITE_DENY

    connection.set_authorizer(may)


def _first_rows(cursor: sqlite3.Cursor, limits: Limits) -> Sequence[Row]:
    rows: list[Row] = []
    size = 0
    try:
        for row in cursor:
            rows.append(row)
            size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if len(rows) == _AHEAD_ROWS or size > _AHEAD_BYTES:
                break
    except sqlite3.Error as error:
        raise _told(error, limits, row=len(rows) + 1) from None
    return rows


def _chained(first: Sequence[Row], cursor: Iterable[Row]) -> Iterator[Row]:
    yield from first
    yield from cursor


def _values(question: Question) -> Iterator[tuple[str, object]]:
    """Yield the value of each `:name`, as SQLite binds it."""
    for name, of in BUILT_IN.items():
        yield name, of(question.asker)
    report: ReportType = question.report
    values = validate_parameters(report, question.parameters)
    for parameter in report.parameters:
        value = python_value(parameter, values[parameter.name])
        yield parameter.name, _list(parameter, value) if isinstance(value, list) else _bound(parameter, value)


def _list(parameter: Parameter, items: Sequence[object]) -> str:
    """Return JSON, for json_each(): SQLite binds no lists."""
    return json.dumps([_bound(parameter, item) for item in items])


def _bound(parameter: Parameter, value: object) -> object:
    if isinstance(value, Decimal):
        return _number(parameter, value)
    if isinstance(value, dt.datetime):  # as datetime() writes it, so that texts compare as moments
        return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat(sep=" ")
    if isinstance(value, dt.date):
        return value.isoformat()
    return int(value) if isinstance(value, bool) and parameter.kind is not ParameterKind.LIST else value


def _number(parameter: Parameter, value: Decimal) -> int | float:
    """Return a number, because a text would be greater than every number; it must have the same value in SQLite."""
    if value == value.to_integral_value() and -(1 << 63) <= value < 1 << 63:
        return int(value)
    if Decimal(repr(float(value))) != value or len(value.normalize().as_tuple().digits) > 15:
        raise source_errors.parameter_refused(parameter.name, "SQLite has no decimals of more than 15 digits")
    return float(value)


def _told(error: sqlite3.Error, limits: Limits, *, row: int | None = None) -> ReportError:
    """Return the error for the client. SQLite's messages contain no paths of this machine."""
    said, extended = str(error), getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if row is not None and (found := _NOT_TEXT.match(said)):
        return source_errors.value_refused(row, found[1], "holds bytes that are not UTF-8; write hex(column)")
    if code == sqlite3.SQLITE_INTERRUPT:
        return source_errors.source_timeout()
    if extended == sqlite3.SQLITE_IOERR_WRITE:  # during a sort: nothing else is written
        return errors.scratch_limit_exceeded(limits)
    if code == sqlite3.SQLITE_FULL:
        return explain(OSError(errno.ENOSPC, ""), limits)
    if code == sqlite3.SQLITE_NOMEM:
        return errors.memory_limit_exceeded(limits)
    if code in _PASSES:
        return source_errors.source_unavailable(f"SQLite says: {said}. {_HELP.get(code, '')}".removesuffix(". "))
    return source_errors.sqlite_query_failed(said.removesuffix("."))
