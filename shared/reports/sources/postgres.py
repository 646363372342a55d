"""The source of most reports: a PostgreSQL query in one read-only snapshot."""

import contextlib
import os
import select
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

from shared.catalog.asker import settings_of
from shared.catalog.model import CsvOptions
from shared.catalog.query import bound_query
from shared.database.libpq import KEEPALIVE
from shared.reports import duck, errors
from shared.reports.columns import FORMULA_STARTS, SourceColumn, header_line
from shared.reports.explain import explain_source
from shared.reports.progress import RowProgress
from shared.reports.question import Question
from shared.reports.sources.result import SourceResult
from shared.reports.sources.role import take_role
from shared.reports.sources.written import AS_WRITTEN, check_settings
from shared.reports.stop import on_stop

_CONNECT_TIMEOUT_S = 10
"""Longer than our own database may take: a source may be far away."""
_CANCEL_S = 0.4
_PIECE_BYTES = 1 << 16


class PostgresResult(SourceResult):
    """One report's result within one snapshot: every reading of it sees the same rows.

    They come in the order of the query's ORDER BY. Without one, two readings may have two orders.
    """

    repeatable = True
    can_copy_csv = True

    def __init__(self, conn: psycopg.Connection[Any], question: Question, fixed: Mapping[str, str]) -> None:
        self._conn = conn
        self._fixed = fixed
        self._limits = question.report.limits
        self._query = bound_query(question.report, question.parameters, question.asker)
        self._columns = self._describe()

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order."""
        return self._columns

    def _describe(self) -> Sequence[SourceColumn]:
        # The newline ends a comment that the query may close with.
        head = sql.SQL("SELECT * FROM (")
        statement = sql.Composed([head, self._query, sql.SQL("\n) AS report LIMIT 0")])
        try:
            cursor = self._conn.execute(statement)
        except psycopg.Error as error:
            # Nothing is read yet: what is wrong with the query's text comes out here, with its position.
            at = error.diag.statement_position
            if at is None:
                raise
            line = _line(self._query, int(at) - len(head.as_string(self._conn)), self._conn)
            raise explain_source(error, line=line) from None
        described = cursor.description or []
        if not described:
            raise errors.no_columns()
        return [SourceColumn(c.name, c.type_display.split("(")[0], c.precision, c.scale) for c in described]

    def estimated_rows(self) -> int:
        """Return the rows that the planner expects, which is good enough for a progress bar."""
        [plan] = self._conn.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(self._query)).fetchone() or [None]
        return int(plan[0]["Plan"]["Plan Rows"]) if plan else 0

    def snapshot(self) -> Mapping[str, object]:
        """Return the snapshot and its time, which tell this state of the source from others."""
        row = self._conn.execute(
            'SELECT pg_current_snapshot()::text, to_char(now(), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
        ).fetchone()
        return dict(zip(("id", "takenAt"), row or (), strict=False))

    def write_csv(
        self, out: Callable[[bytearray], object], columns: Sequence[sql.Composable], progress: Callable[[int], None],
        *, longest: int = sys.maxsize, delimiter: str = ",", crlf: bool = False,
    ) -> int:  # fmt: skip
        """Give `out` the result as PostgreSQL's CSV without a header, piece by piece, and return the rows.

        `columns` are expressions over `c1`, `c2` …, which stand for the result's columns in order. Counting COPY's
        messages counts rows, whatever line breaks the cells contain: PostgreSQL sends "always one per row" CopyData
        message (PostgreSQL 18, "Message Flow", COPY Operations, read 2026-11-23).
        Raises ReportError beyond the limits of rows and bytes, and before `out` has any of a row that is longer than
        `longest` bytes.
        """
        names = sql.SQL(", ").join(sql.Identifier(f"c{n}") for n in range(1, len(self.columns) + 1))
        statement = sql.SQL("COPY (SELECT {} FROM ({}\n) AS report ({})) TO STDOUT (FORMAT csv, DELIMITER {})").format(
            sql.SQL(", ").join(columns), self._query, names, sql.Literal(delimiter)
        )
        rows = sent = 0
        try:
            for piece, lines in _copied(self._conn, statement, longest=longest, crlf=crlf):
                rows += lines
                sent += len(piece)
                if rows > self._limits.max_rows:
                    raise errors.row_limit_exceeded(self._limits)
                if sent > self._limits.max_mb << 20:
                    raise errors.byte_limit_exceeded(self._limits)
                out(piece)
                self.sent_bytes += len(piece)
                progress(rows)
        except psycopg.errors.CharacterNotInRepertoire as error:
            # The server itself checks what it cannot convert, because it does not know the encoding (SQL_ASCII).
            raise errors.not_utf8(rows + 1, error.diag.message_primary or "") from None
        check_settings(self._conn, self._fixed)
        return rows

    def copy_csv(self, out: Callable[[bytearray], object], options: CsvOptions, progress: Callable[[int], None]) -> int:
        """Write the CSV as `SourceResult.copy_csv` says. The server makes the lines."""
        cells = [_guarded(n, column) for n, column in enumerate(self.columns, 1)]
        crlf = options.line_end == "\r\n"
        out(bytearray(header_line([c.name for c in self.columns], options)))
        return self.write_csv(out, cells, progress, delimiter=options.delimiter, crlf=crlf)

    def feed(
        self, descriptor: int, *, lenient: bool, longest: int, as_text: Sequence[int], progress: RowProgress
    ) -> int:
        """Write the rows as `SourceResult.feed` says. Unless `lenient`, `_only_usual` writes the moments."""
        cells = [
            sql.Identifier(f"c{n}") if lenient or not column.is_moment else _only_usual(n)
            for n, column in enumerate(self.columns, 1)
        ]
        cells += [sql.Identifier(f"c{at + 1}") for at in as_text]
        return self.write_csv(partial(duck.write_all, descriptor), cells, progress, longest=longest)


def _guarded(number: int, column: SourceColumn) -> sql.Composable:
    """SQL for a cell, with an apostrophe in front of what a spreadsheet takes for a formula."""
    cell = sql.Identifier(f"c{number}")
    if not column.may_hold_a_formula:
        return cell
    # concat() writes a value as COPY does; a cast would strip the padding of character(n).
    text = cell if column.is_plain_text else sql.SQL("concat({})").format(cell)
    # `IS NOT NULL` would be false for a composite with one field that is NULL.
    # ascii() gives the first character's code: a number costs a quarter of a text to compare (`make bench-reports`).
    return sql.SQL("CASE WHEN ascii({}) IN ({}) THEN '''' || {} WHEN {} IS DISTINCT FROM NULL THEN {} END").format(
        text, sql.SQL(", ").join(sql.Literal(ord(c)) for c in FORMULA_STARTS), text, cell, text
    )


def _copied(
    conn: psycopg.Connection[Any], statement: sql.Composed, *, longest: int, crlf: bool
) -> Iterator[tuple[bytearray, int]]:
    """Yield what COPY sends in pieces of whole rows, each with the number of its rows.

    Only the end of the process stops this early.
    """
    # `make bench-reports` has psycopg's own loop beside this one: that takes as long over a row as the server (3.3). So
    # libpq's functions are called here. `get_copy_data(0)` would wait with the interpreter's lock held, hence the poll.
    # A row is copied and let go at once: keeping 256 kB of rows to join takes three times as long as receiving them.
    libpq = conn.pgconn
    _read_to_the_end(libpq)
    started = libpq.exec_(statement.as_bytes(conn))
    if started.status != ExecStatus.COPY_OUT:
        raise _failure(started)
    piece, rows = bytearray(), 0
    get = libpq.get_copy_data
    while True:
        length, line = get(1)
        if length < 0:
            break
        if length == 0:
            _wait_for_more(libpq)
            continue
        if length > longest:
            raise errors.row_too_long()
        piece += line
        if crlf:
            piece[-1:] = b"\r\n"
        rows += 1
        if len(piece) >= _PIECE_BYTES:
            yield piece, rows
            piece, rows = bytearray(), 0
    yield piece, rows
    while ended := libpq.get_result():
        if ended.status != ExecStatus.COMMAND_OK:
            raise _failure(ended)


def _wait_for_more(libpq: PGconn) -> None:
    """Wait for data. Keep-alives bound the wait for a server that has vanished, `statement_timeout` for a slow one."""
    readable = select.poll()
    readable.register(libpq.socket, select.POLLIN)
    readable.poll()
    libpq.consume_input()


def _failure(result: PGresult) -> psycopg.Error:
    """Return the server's error. One without an SQLSTATE comes from libpq, and means that the connection broke."""
    error = psycopg.errors.error_from_result(result)
    return error if error.sqlstate else psycopg.OperationalError(str(error))


def _read_to_the_end(libpq: PGconn) -> None:
    """Skip what an earlier, interrupted reading left. A cancellation would end the snapshot with it."""
    while libpq.transaction_status == TransactionStatus.ACTIVE:
        while (length := libpq.get_copy_data(1)[0]) >= 0:
            if length == 0:
                _wait_for_more(libpq)
        while libpq.get_result():
            pass


@contextlib.contextmanager
def open_result(dsn: str, question: Question) -> Iterator[PostgresResult]:
    """Connect and hold one snapshot for as long as the block lasts. Raises psycopg.Error, ReportError."""
    # Closed, and not rolled back: in the middle of a COPY there is no statement left to send.
    with contextlib.closing(psycopg.connect(_bounded(dsn), autocommit=False)) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        _settle(conn, question)
        with on_stop(partial(_give_up, conn)):
            yield PostgresResult(conn, question, {**settings_of(question.asker), **take_role(conn, question)})


def _give_up(conn: psycopg.Connection[Any]) -> None:
    """End what the server does for `conn`.

    The connection is closed for writing first: a cancellation that comes between two statements ends neither, and the
    second one would run for nobody.
    """
    with socket.socket(fileno=os.dup(conn.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_WR)
    conn.cancel_safe(timeout=_CANCEL_S)


def _bounded(dsn: str) -> str:
    """Return the connection string with bounds on connecting and on waiting for a server that has vanished."""
    return make_conninfo(
        dsn,
        connect_timeout=_CONNECT_TIMEOUT_S,
        application_name="todoke-report",
        client_encoding="UTF8",  # whatever the database has: a CSV goes out as it comes
        **KEEPALIVE,
    )


def _settle(conn: psycopg.Connection[Any], question: Question) -> None:
    """Set up this transaction, from inside it: a connection pooler may refuse start-up options."""
    limits = question.report.limits
    settings = {
        # A little below the attempt's deadline, so that the cause can be told: the query, or all the rest.
        "statement_timeout": max(1, int(limits.timeout_s * 900)),
        "idle_in_transaction_session_timeout": max(1, int(limits.timeout_s * 1000)),
        "lock_timeout": 10_000,
        # Ends the query within seconds when the child is killed: a server in the middle of a sort does
        # not otherwise notice (PostgreSQL 14 and later).
        "client_connection_check_interval": 2_000,
        "default_transaction_read_only": "on",
        # The catalog's scanner reads query.sql by this rule; a role or database may have another.
        "standard_conforming_strings": "on",
        **AS_WRITTEN,
        **settings_of(question.asker),
        # Two readings of a large table start at the same row, so that LIMIT without ORDER BY finds the same ones.
        "synchronize_seqscans": "off",
    }
    calls = sql.SQL(", ").join(
        sql.SQL("set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(str(value)))
        for name, value in settings.items()
    )
    conn.execute(sql.SQL("SELECT {}").format(calls))


def _only_usual(number: int) -> sql.Composable:
    """SQL for a moment, or for a text that cannot be read as one if it is infinite or outside the years 1 to 9999.

    DuckDB 2.0 reads `0044-03-15 00:00:00 BC` as a day of our era, without an error.
    """
    cell = sql.Identifier(f"c{number}")
    return sql.SQL(
        "CASE WHEN {} >= '0001-01-01' AND {} < '10000-01-01' THEN concat({}) "
        "WHEN {} IS NOT NULL THEN concat('?', {}) END"
    ).format(cell, cell, cell, cell, cell)


def _line(query: sql.Composed, position: int, conn: psycopg.Connection[Any]) -> int | None:
    """Return the line of query.sql with the `position`-th character of the query as it was sent; None if outside."""
    line, sent = 1, 0
    for part in query:
        text = part.as_string(conn)
        verbatim = isinstance(part, sql.SQL)  # the rest are values, whose line breaks are not the file's
        if position <= sent + len(text):
            return line + (text[: max(0, position - sent - 1)].count("\n") if verbatim else 0)
        sent += len(text)
        line += text.count("\n") if verbatim else 0
    return None
