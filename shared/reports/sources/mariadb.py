"""The source of MariaDB: one consistent read-only snapshot, rows as they come, every value bound.

The query is prepared with a `?` for each `:name`, and the values are passed to EXECUTE as hexadecimal digits, numbers
and dates that this code writes. So no value is ever part of the query's text, whatever quoting the session uses.
"""

import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pymysql
from pymysql import converters
from pymysql.constants import CR, ER
from pymysql.cursors import SSCursor

from shared.catalog.mariadb_url import MariaDbUrl
from shared.catalog.parameters import validate_parameters
from shared.catalog.query import BUILT_IN, python_value
from shared.catalog.shape import UTC_NAME
from shared.catalog.sql import Kind, scan
from shared.reports import source_errors
from shared.reports.columns import SourceColumn
from shared.reports.interface import ReportError
from shared.reports.question import Question
from shared.reports.sources import mariadb_types
from shared.reports.sources.rows import Row, RowsResult, Write
from shared.reports.stop import on_stop

_CONNECT_TIMEOUT_S, _CANCEL_S = 10, 1
_STATEMENT_TIMEOUT = 1969
_NO_SUCH_ZONE = 1298
_PASSES = {
    1927, ER.CON_COUNT_ERROR, ER.SERVER_SHUTDOWN, ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, ER.QUERY_INTERRUPTED,
    ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.HOST_IS_BLOCKED, ER.HOST_NOT_PRIVILEGED,
    ER.TOO_MANY_USER_CONNECTIONS, CR.CR_CONN_HOST_ERROR, CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST,
    CR.CR_SSL_CONNECTION_ERROR,
}  # fmt: skip
_READ_ONLY = {1792, 1290}
# Backslashes are ordinary characters, as in the loader's reading of query.sql.
_MODE = "STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"


class MariaDbResult(RowsResult):
    """One report's result within one snapshot of InnoDB: every reading of it sees the same rows."""

    def __init__(self, connection: Any, question: Question) -> None:
        super().__init__(question.report.limits)
        self._connection = connection
        self._zone = question.shape.zone
        self._statement = _statement(question)
        self._taken_at = _asked(connection, "SELECT UTC_TIMESTAMP(6)")
        self._cursor = self._executed()
        self._fields = self._cursor._result.fields  # noqa: SLF001 - `description` has no flags and no character set
        names = [name for name, *_ in self._cursor.description]
        try:
            self._columns = [mariadb_types.column(*one) for one in zip(names, self._fields, strict=True)]
        except mariadb_types.NotShown as error:
            self.leave()
            raise source_errors.mariadb_query_failed(str(error)) from None
        self._is_fresh = True

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order."""
        return self._columns

    def further(self, question: Question) -> "MariaDbResult":
        """Return the result of another query within the same snapshot."""
        try:
            return MariaDbResult(self._connection, question)
        except (pymysql.MySQLError, OSError) as error:
            raise _told(error) from None

    def snapshot(self) -> Mapping[str, object]:
        """Return the time of the snapshot, because MariaDB's snapshots have no names."""
        return {"id": None, "takenAt": f"{self._taken_at.replace(' ', 'T')}Z"}

    def writers(self) -> Sequence[Write]:
        """Return the functions that write the values of each column."""
        return [
            mariadb_types.writer(column, field, self._zone)
            for column, field in zip(self._columns, self._fields, strict=True)
        ]

    def rows(self) -> Iterable[Row]:
        """Yield the rows, from the first one on."""
        number = 0
        try:
            if not self._is_fresh:
                self._cursor = self._executed()
            self._is_fresh = False
            for number, row in enumerate(self._cursor, 1):  # noqa: B007
                yield row
        except UnicodeDecodeError as error:
            raise source_errors.not_utf8(number + 1, error.reason) from None
        except (pymysql.MySQLError, OSError) as error:
            raise _told(error) from None

    def leave(self) -> None:
        """Stop reading: the driver would otherwise read to the end when it is done."""
        self._cursor._result.unbuffered_active = False  # noqa: SLF001 - it has no other way

    def _executed(self) -> Any:
        cursor = self._connection.cursor(SSCursor)
        cursor.execute(self._statement)
        return cursor


@contextlib.contextmanager
def open_result(url: str, question: Question, scratch: Path, /) -> Iterator[MariaDbResult]:
    """Connect and hold one snapshot for as long as the block lasts. Raises ReportError."""
    del scratch
    try:
        target = MariaDbUrl.of(url)
    except ValueError as error:
        raise source_errors.source_missing(question.report.source, str(error)) from None
    timeout_s = question.report.limits.timeout_s
    try:
        connection = connect(target, read_timeout_s=timeout_s + _CONNECT_TIMEOUT_S)
    except (pymysql.MySQLError, OSError) as error:
        raise _told(error) from None
    result = None
    try:
        with on_stop(lambda: _kill_query(target, connection.thread_id())):
            try:
                _settle(connection, timeout_s, question.shape.zone)
                result = MariaDbResult(connection, question)
            except (pymysql.MySQLError, OSError) as error:
                raise _told(error) from None
            yield result
    finally:
        if result is not None:
            result.leave()
        connection._force_close()  # noqa: SLF001 - close() would wait for the rest of the rows


def connect(target: MariaDbUrl, *, read_timeout_s: float) -> Any:
    """Connect. Raises pymysql.MySQLError, OSError."""
    connection = pymysql.connect(
        host=target.host, port=target.port, user=target.user, password=target.password, database=target.database,
        charset="utf8mb4", sql_mode=_MODE, autocommit=None, connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s, write_timeout=_CONNECT_TIMEOUT_S, program_name="todoke-report",
        conv=dict(converters.encoders),  # but no decoders: values stay the server's text
        ssl_disabled=target.sslmode == "disable", ssl=_tls(target), defer_connect=True,
    )  # fmt: skip
    connection.connect(_socket(target))
    return connection


def _socket(target: MariaDbUrl) -> socket.socket:
    last: OSError | None = None
    for address in target.addresses or (target.host,):
        try:
            return socket.create_connection((address, target.port), _CONNECT_TIMEOUT_S)
        except OSError as error:
            last = error
    raise pymysql.OperationalError(CR.CR_CONN_HOST_ERROR, str(last))


def _tls(target: MariaDbUrl) -> ssl.SSLContext | None:
    """Return what TLS must be; None for TLS if the server offers it."""
    if target.sslmode in {"prefer", "disable"} and not target.files:
        return None
    context = ssl.create_default_context(cafile=target.sslrootcert or None)
    context.check_hostname = target.sslmode == "verify-full"
    if target.sslmode not in {"verify-ca", "verify-full"}:
        context.verify_mode = ssl.CERT_NONE
    if target.sslcert:
        context.load_cert_chain(target.sslcert, target.sslkey or None)
    return context


def _settle(connection: Any, timeout_s: float, zone: str) -> None:
    # A little below the attempt's deadline, so that the cause is known: the query, or everything else.
    seconds = max(0.1, 0.9 * timeout_s)
    # The server may wait for us as long as the attempt lasts: we are busy with the rows that it has sent.
    wait = int(timeout_s) + 60
    _run(connection, f"SET max_statement_time = {seconds:.3f}, net_write_timeout = {wait}, lock_wait_timeout = 10")
    try:
        _run(connection, f"SET time_zone = {_text('+00:00' if zone == UTC_NAME else zone)}")
    except pymysql.MySQLError as error:
        if error.args[0] != _NO_SUCH_ZONE:
            raise
        told = f"it does not know the time zone {zone}: load its tables with mariadb-tzinfo-to-sql, or ask without it"
        raise source_errors.mariadb_query_failed(told) from None
    _run(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    _run(connection, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")


def _run(connection: Any, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _asked(connection: Any, query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0])


def _kill_query(target: MariaDbUrl, thread: int) -> None:
    with contextlib.closing(connect(target, read_timeout_s=_CANCEL_S)) as connection:
        _run(connection, f"KILL QUERY {thread:d}")


def _statement(question: Question) -> str:
    """Return the query, prepared and executed in one statement."""
    report = question.report
    values = validate_parameters(report, question.parameters)
    zone = ZoneInfo(question.shape.zone)
    parts: list[str] = []
    bound: list[str] = []
    for token in scan(report.query):
        if token.kind is Kind.PLACEHOLDER:
            name = token.text[1:]
            parameter = report.parameter(name)
            if name in BUILT_IN:
                value: object = BUILT_IN[name](question.asker)
            elif parameter is None:
                raise LookupError(f"{report.name}: {token.text} is not declared")  # the loader refuses such a query
            else:
                value = python_value(parameter, values[name])
            literals = [_literal(one, zone) for one in (value if isinstance(value, list) else [value])]
            bound += literals or ["NULL"]
            parts.append(", ".join("?" for _ in literals or [""]))
        elif token.text != ";":
            parts.append(token.text)
    using = f" USING {', '.join(bound)}" if bound else ""
    return f"EXECUTE IMMEDIATE {_text(''.join(parts))}{using}"


def _literal(value: object, zone: ZoneInfo) -> str:
    """Return SQL for a value, which contains nothing written by a client except digits."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return f"{value:d}"
    if isinstance(value, Decimal):
        return f"CAST({_text(format(value, 'f'))} AS DECIMAL(65, {max(0, -int(value.as_tuple().exponent))}))"
    if isinstance(value, dt.datetime):  # as the session's clock shows it, with which TIMESTAMP columns compare
        shown = value.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ")
        return f"CAST({_text(shown)} AS DATETIME(6))"
    if isinstance(value, dt.date):
        return f"CAST({_text(value.isoformat())} AS DATE)"
    return _text(str(value))


def _text(text: str) -> str:
    return f"CONVERT(X'{text.encode().hex()}' USING utf8mb4)"


def _told(error: Exception) -> ReportError:
    """Return the error for the client. No message of the driver or the server contains the password."""
    code = error.args[0] if error.args and isinstance(error, pymysql.MySQLError) else None
    said = str(error.args[-1]) if error.args else type(error).__name__
    if code == _STATEMENT_TIMEOUT:
        return source_errors.source_timeout()
    if code is None or code in _PASSES or isinstance(error, pymysql.InterfaceError):
        return source_errors.source_unavailable(f"MariaDB says: {said}" if code else type(error).__name__)
    if code in _READ_ONLY:
        return source_errors.mariadb_query_failed(f"it tried to write ({code})")
    return source_errors.mariadb_query_failed(f"{said} ({code})")
