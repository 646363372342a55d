"""The rows a report stands on, read from PostgreSQL in one read-only snapshot."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import Loader
from psycopg.conninfo import make_conninfo
from psycopg.pq import Format as WireFormat
from psycopg.types.string import TextLoader

from shared.catalog.model import Limits, ReportType
from shared.catalog.query import bound_query
from shared.reports import errors

_CONNECT_TIMEOUT_S = 10
_FETCH_ROWS = 2_000

_NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8", "oid"})
_MOMENTS = frozenset({"date", "timestamp", "timestamptz"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name"})
_TYPED = _NUMBERS | _MOMENTS | _TEXTS | {"bool"}
# Their text is made by the server from a value, not typed in by somebody.
_HARMLESS = _NUMBERS | _MOMENTS | {"bool", "money", "time", "timetz", "interval", "uuid", "inet", "cidr", "macaddr"}


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of the result."""

    name: str
    type_name: str
    """PostgreSQL's short name (`int4`, `timestamptz`), or the type's number if it is not a built-in one."""

    @property
    def is_number(self) -> bool:
        """True for what a spreadsheet can add up."""
        return self.type_name in _NUMBERS

    @property
    def is_plain_text(self) -> bool:
        """True for text that COPY writes as it stands."""
        return self.type_name in {"text", "varchar"}

    @property
    def may_hold_a_formula(self) -> bool:
        """True for text, and for every type that is not known to be harmless (citext, enums, json, arrays …)."""
        return self.type_name not in _HARMLESS


class Extract:
    """One report's result within one snapshot: every reading of it sees the same rows.

    They come in the query's ORDER BY. Without one, two readings may come in two orders.
    """

    def __init__(self, conn: psycopg.Connection[Any], report: ReportType, parameters: Mapping[str, object]) -> None:
        self._conn = conn
        self._query = bound_query(report, parameters)
        self._types: Mapping[int, str] = {}
        self.columns: Sequence[SourceColumn] = self._describe()

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
            raise errors.explain_source(error, line=line) from None
        described = cursor.description or []
        self._types = {c.type_code: c.type_display.split("(")[0] for c in described}
        if not described:
            raise errors.no_columns()
        return [SourceColumn(c.name, self._types[c.type_code]) for c in described]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Rows, a few thousand at a time: int, float, Decimal, bool, date, datetime, str, None.

        A value of another type, and a date that Python does not have (infinity, 44 BC, the year 10000), is the text
        that PostgreSQL writes for it, as in the CSV.
        """
        with self._conn.cursor(name="report") as cursor:
            cursor.itersize = _FETCH_ROWS
            for oid, type_name in self._types.items():
                if type_name in _MOMENTS:
                    cursor.adapters.register_loader(oid, _moment_loader(self._conn, oid))
                elif type_name not in _TYPED:
                    cursor.adapters.register_loader(oid, TextLoader)
            cursor.execute(self._query)
            yield from cursor

    def csv(self, columns: Sequence[sql.Composable]) -> Iterator[bytes | bytearray | memoryview]:
        """The result as PostgreSQL's CSV: the header first, one item a row, each whole with its line end.

        `columns` are expressions over `c1`, `c2` …, which stand for the result's columns in order.
        """
        names = sql.SQL(", ").join(sql.Identifier(f"c{n}") for n in range(1, len(self.columns) + 1))
        statement = sql.SQL("COPY (SELECT {} FROM ({}\n) AS report ({})) TO STDOUT (FORMAT csv, HEADER true)").format(
            sql.SQL(", ").join(columns), self._query, names
        )
        with self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            yield from copy


@contextlib.contextmanager
def open_extract(dsn: str, report: ReportType, parameters: Mapping[str, object], limits: Limits) -> Iterator[Extract]:
    """Connect and hold one snapshot for as long as the block lasts. Raises psycopg.Error, ReportError."""
    with psycopg.connect(_bounded(dsn), autocommit=False) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        _settle(conn, limits)
        yield Extract(conn, report, parameters)
        conn.rollback()


def _bounded(dsn: str) -> str:
    """The connection string with bounds on connecting and on waiting for a server that has vanished."""
    return make_conninfo(
        dsn,
        connect_timeout=_CONNECT_TIMEOUT_S,
        application_name="todoke-report",
        keepalives=1,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=25_000,
    )


def _settle(conn: psycopg.Connection[Any], limits: Limits) -> None:
    """Settings of this transaction: inside it and not as start-up options, which a connection pooler may refuse."""
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
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        "IntervalStyle": "postgres",
        "bytea_output": "hex",
        "extra_float_digits": 1,
        # Two readings of a large table start at the same row, so that LIMIT without ORDER BY finds the same ones.
        "synchronize_seqscans": "off",
    }
    calls = sql.SQL(", ").join(
        sql.SQL("set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(str(value)))
        for name, value in settings.items()
    )
    conn.execute(sql.SQL("SELECT {}").format(calls))


def _moment_loader(conn: psycopg.Connection[Any], oid: int) -> type[Loader]:
    """psycopg's loader of a date or timestamp, with PostgreSQL's text where Python has no such value."""
    found = conn.adapters.get_loader(oid, WireFormat.TEXT)
    if found is None:
        raise LookupError(f"psycopg has no loader for type {oid}")
    usual: type[Loader] = found

    class MomentOrText(TextLoader):
        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._moment = usual(oid, context)

        def load(self, data: Any) -> Any:
            try:
                return self._moment.load(data)
            except psycopg.DataError:
                return super().load(data)

    return MomentOrText


def _line(query: sql.Composed, position: int, conn: psycopg.Connection[Any]) -> int | None:
    """The line of query.sql that holds the `position`-th character of the query as it was sent; None if outside."""
    line, sent = 1, 0
    for part in query:
        text = part.as_string(conn)
        verbatim = isinstance(part, sql.SQL)  # the rest are values, whose line breaks are not the file's
        if position <= sent + len(text):
            return line + (text[: max(0, position - sent - 1)].count("\n") if verbatim else 0)
        sent += len(text)
        line += text.count("\n") if verbatim else 0
    return None
