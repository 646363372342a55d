"""The source of most reports: a PostgreSQL query in one read-only snapshot."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn

from shared.catalog.asker import settings_of
from shared.catalog.model import CsvOptions
from shared.catalog.query import bound_query
from shared.reports import duck, errors, source_errors
from shared.reports.arrange import arrangement_of, outer_query
from shared.reports.columns import FORMULA_STARTS, SourceColumn, header_line
from shared.reports.explain import explain_source
from shared.reports.progress import RowProgress
from shared.reports.question import Arrangement, Question
from shared.reports.sources.described import columns_of, line_of, text_of, without_order
from shared.reports.sources.result import Begun, SourceResult
from shared.reports.sources.role import take_role
from shared.reports.sources.session import Session, connected, failure, wait_for_more
from shared.reports.sources.written import AS_WRITTEN, check_settings
from shared.reports.stop import on_stop

_PIECE_BYTES = 1 << 16
_HEAD = b"SELECT * FROM ("
# A line break ends a comment at the end of the query.
_DESCRIBE = (
    _HEAD
    + b"""%b
) AS report LIMIT 0;
EXPLAIN (FORMAT JSON) %b
;
SELECT pg_current_snapshot()::text, to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
)


class PostgresResult(SourceResult):
    """One report's result within one snapshot: every reading of it sees the same rows.

    They come in the order of the query's ORDER BY. Without one, two readings may have different orders.
    """

    repeatable = True
    can_copy_csv = True

    def __init__(self, session: Session, question: Question, fixed: Mapping[str, str]) -> None:
        self._session = session
        self._fixed = fixed
        self._limits = question.report.limits
        self._bound = bound_query(question.report, question.parameters, question.asker)
        self._query = self._bound.as_bytes(session.connection)
        self._columns, self._expected_rows, self._snapshot = self._described()
        self._names = [column.name for column in self._columns]
        self._as_json: Sequence[int] = ()
        self.arrangement = arrangement_of(question, self._names)
        if self.arrangement is not None:
            self._arrange(self.arrangement)

    @property
    def columns(self) -> Sequence[SourceColumn]:
        """The columns in the query's order, or as arranged."""
        return self._columns

    @property
    def query_names(self) -> Sequence[str]:
        """The names of all columns of the query."""
        return self._names

    def _arrange(self, arrangement: Arrangement) -> None:
        # Sources that are sorted in DuckDB also have such values as texts.
        by_text = without_order((at for at, _ in arrangement.order), self._columns, self._query, self._session)
        outputs = [f"c{at + 1}" for at in arrangement.read]
        before, behind = outer_query(arrangement, len(self._columns), outputs, by_text=by_text)
        self._query = b"".join([before.encode(), self._query, behind.encode()])
        self._columns = [self._columns[at] for at in arrangement.read]
        self._expected_rows = min(self._expected_rows, arrangement.limit or self._expected_rows)

    def _described(self) -> tuple[Sequence[SourceColumn], int, Mapping[str, object]]:
        """Fetch the columns, the row count that the planner expects, and the snapshot, all at once."""
        try:
            described, plan, now = self._session.ask(_DESCRIBE % (self._query, self._query))
        except psycopg.Error as error:
            # Nothing is read yet: an error in the query's text occurs here, with its position.
            at = error.diag.statement_position
            if at is None:
                raise
            line = line_of(self._bound, int(at) - len(_HEAD), self._session.connection)
            raise explain_source(error, line=line) from None
        if described.nfields == 0:
            raise source_errors.no_columns()
        [expected] = json.loads(text_of(plan, 0))
        columns = columns_of(described, self._session)
        return columns, int(expected["Plan"]["Plan Rows"]), {"id": text_of(now, 0), "takenAt": text_of(now, 1)}

    def further(self, question: Question) -> "PostgresResult":
        """Return the result of another query within the same snapshot."""
        return PostgresResult(self._session, question, self._fixed)

    def estimated_rows(self) -> int:
        """Return the rows that the planner expects, which is good enough for a progress bar."""
        return self._expected_rows

    def snapshot(self) -> Mapping[str, object]:
        """Return the snapshot and its time, which identify this state of the source."""
        return self._snapshot

    def write_csv(
        self, out: Callable[[bytearray], object], columns: Sequence[str], progress: Callable[[int], None],
        *, longest: int = sys.maxsize, delimiter: str = ",", crlf: bool = False,
    ) -> int:  # fmt: skip
        """Pass the pieces of `csv_pieces` to `out`, and return the number of rows."""
        so_far = 0
        for piece, rows in self.csv_pieces(columns, progress, longest=longest, delimiter=delimiter, crlf=crlf):
            out(piece)
            so_far = rows
        return so_far

    def csv_pieces(
        self, columns: Sequence[str], progress: Callable[[int], None],
        *, longest: int = sys.maxsize, delimiter: str = ",", crlf: bool = False,
    ) -> Iterator[tuple[bytearray, int]]:  # fmt: skip
        """Yield the result as PostgreSQL's CSV without a header, piece by piece, each with the rows so far.

        `columns` are SQL over `c1`, `c2` …, which stand for the result's columns in order. Counting COPY's
        messages counts rows, whatever line breaks the cells contain: PostgreSQL sends "always one per row" CopyData
        message (PostgreSQL 18, "Message Flow", COPY Operations, read 2026-11-23).
        Raises ReportError beyond the limits of rows and bytes, and before it yields any of a row that is longer than
        `longest` bytes.
        """
        names = ", ".join(f"c{n}" for n in range(1, len(self.columns) + 1))
        asked = f"COPY (SELECT {', '.join(columns)} FROM (".encode()
        options = f"\n) AS report ({names})) TO STDOUT (FORMAT csv, DELIMITER ".encode()
        statement = b"".join([asked, self._query, options, self._session.literal(delimiter), b")"])
        rows = sent = 0
        try:
            for piece, rows in _copied(self._session.libpq, statement, longest=longest, crlf=crlf):
                sent += len(piece)
                if rows > self._limits.max_rows:
                    raise errors.row_limit_exceeded(self._limits)
                if sent > self._limits.max_mb << 20:
                    raise errors.byte_limit_exceeded(self._limits)
                yield piece, rows
                self.sent_bytes += len(piece)
                progress(rows)
        except psycopg.errors.CharacterNotInRepertoire as error:
            # The server itself checks what it cannot convert, because it does not know the encoding (SQL_ASCII).
            raise source_errors.not_utf8(rows + 1, error.diag.message_primary or "") from None
        check_settings(self._session, self._fixed)

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
        cells = self._fed(as_text, lenient=lenient)
        return self.write_csv(partial(duck.write_all, descriptor), cells, progress, longest=longest)

    def begin(
        self, *, longest: int, as_text: Sequence[int], most_rows: int, most_bytes: int, progress: RowProgress
    ) -> Begun:
        """Begin as `SourceResult.begin` says."""
        pieces = self.csv_pieces(self._fed(as_text, lenient=False), progress, longest=longest)
        return Begun(pieces, most_rows=most_rows, most_bytes=most_bytes)

    def add_json(self, positions: Sequence[int]) -> None:
        """Also write the JSON of these columns, as `SourceResult.add_json` says."""
        self._as_json = positions

    def _fed(self, as_text: Sequence[int], *, lenient: bool) -> Sequence[str]:
        cells = [
            f"c{n}" if lenient or not column.is_moment else _only_usual(n, column)
            for n, column in enumerate(self.columns, 1)
        ]
        return [*cells, *(f"c{at + 1}" for at in as_text), *(f"to_json(c{at + 1})" for at in self._as_json)]


_FORMULA_CODES = ", ".join(str(ord(letter)) for letter in FORMULA_STARTS)


def _guarded(number: int, column: SourceColumn) -> str:
    """Return SQL for a cell, with an apostrophe before what a spreadsheet would take for a formula."""
    cell = f"c{number}"
    if not column.may_hold_a_formula:
        return cell
    # concat() writes a value as COPY does; a cast would strip the padding of character(n).
    text = cell if column.is_plain_text else f"concat({cell})"
    # `IS NOT NULL` would be false for a composite with one field that is NULL.
    # ascii() gives the first character's code: a number costs a quarter of a text to compare (`make bench-reports`).
    return (
        f"CASE WHEN ascii({text}) IN ({_FORMULA_CODES}) THEN '''' || {text} "
        f"WHEN {cell} IS DISTINCT FROM NULL THEN {text} END"
    )


def _copied(libpq: PGconn, statement: bytes, *, longest: int, crlf: bool) -> Iterator[tuple[bytearray, int]]:
    """Yield what COPY sends in pieces of whole rows, each with the number of rows so far.

    Only the end of the process stops this early.
    """
    # `make bench-reports` compares this with psycopg's own loop, which takes as long per row as the server (3.3). So
    # libpq's functions are called here. `get_copy_data(0)` would wait with the interpreter's lock held, hence the poll.
    # A row is copied and released at once: keeping 256 kB of rows to join takes three times as long as receiving them.
    _read_to_the_end(libpq)
    started = libpq.exec_(statement)
    if started.status != ExecStatus.COPY_OUT:
        raise failure(started)
    piece, rows = bytearray(), 0
    get = libpq.get_copy_data
    while True:
        length, line = get(1)
        if length < 0:
            break
        if length == 0:
            wait_for_more(libpq)
            continue
        if length > longest:
            raise errors.row_too_long()
        piece += line
        if crlf:
            piece[-1:] = b"\r\n"
        rows += 1
        if len(piece) >= _PIECE_BYTES:
            yield piece, rows
            piece = bytearray()
    yield piece, rows
    while ended := libpq.get_result():
        if ended.status != ExecStatus.COMMAND_OK:
            raise failure(ended)


def _read_to_the_end(libpq: PGconn) -> None:
    """Skip what an interrupted reading left. A cancellation would end the snapshot."""
    while libpq.transaction_status == TransactionStatus.ACTIVE:
        while (length := libpq.get_copy_data(1)[0]) >= 0:
            if length == 0:
                wait_for_more(libpq)
        while libpq.get_result():
            pass


@contextlib.contextmanager
def open_result(dsn: str, question: Question) -> Iterator[PostgresResult]:
    """Connect and hold one snapshot for as long as the block lasts. Raises psycopg.Error, ReportError."""
    with connected(dsn) as session:
        _settle(session, question)
        with on_stop(session.give_up):
            role = take_role(session.connection, question)
            zone = {"TimeZone": question.shape.zone}
            yield PostgresResult(session, question, {**zone, **settings_of(question.asker), **role})


_ALWAYS: Mapping[str, str] = {
    **AS_WRITTEN, "lock_timeout": "10000", "default_transaction_read_only": "on",
    # Ends the query seconds after the child, whose end a sorting server does not notice (PostgreSQL 14 and later).
    "client_connection_check_interval": "2000",
    # The catalog's scanner reads query.sql by this rule; a role or database may have another.
    "standard_conforming_strings": "on",
    # Two readings of a large table start at the same row, so that LIMIT without ORDER BY finds the same ones.
    "synchronize_seqscans": "off",
}  # fmt: skip
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT "
_SET = "".join(f"set_config('{name}', '{value}', true), " for name, value in _ALWAYS.items())


def _settle(session: Session, question: Question) -> None:
    """Begin the transaction and set it up, from inside it: a connection pooler may refuse start-up options."""
    limits = question.report.limits
    settings = {
        # A little below the attempt's deadline, so that the cause is known: the query, or everything else.
        "statement_timeout": max(1, int(limits.timeout_s * 900)),
        "idle_in_transaction_session_timeout": max(1, int(limits.timeout_s * 1000)),
        "TimeZone": question.shape.zone,
        **settings_of(question.asker),
    }
    calls = [b"set_config('%b', %b, true)" % (n.encode(), session.literal(str(v))) for n, v in settings.items()]
    session.ask(f"{_BEGIN}{_SET}".encode() + b", ".join(calls))


def _only_usual(number: int, column: SourceColumn) -> str:
    """Return SQL for a moment, or for an unreadable text if it is infinite or outside the years 1 to 9999.

    DuckDB 2.0 reads `0044-03-15 00:00:00 BC` as a day AD, without an error.
    """
    cell, zone = f"c{number}", " 00:00:00+00" if column.has_zone else ""
    return (
        f"CASE WHEN {cell} >= '0001-01-01{zone}' AND {cell} < '10000-01-01{zone}' THEN concat({cell}) "
        f"WHEN {cell} IS NOT NULL THEN concat('?', {cell}) END"
    )
