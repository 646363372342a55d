"""The rows a report stands on, read from PostgreSQL in one read-only snapshot."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shared.catalog.model import Limits, ReportType
from shared.catalog.query import bound_query

_CONNECT_TIMEOUT_S = 10
_FETCH_ROWS = 2_000

_TEXT_TYPES = frozenset({"text", "varchar", "bpchar", "name", "unknown"})


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column of the result."""

    name: str
    type_name: str

    @property
    def is_text(self) -> bool:
        """True for free text, which may look like a formula."""
        return self.type_name in _TEXT_TYPES


class Extract:
    """One report's result within one snapshot: every reading of it sees the same rows."""

    def __init__(self, conn: psycopg.Connection[Any], report: ReportType, parameters: Mapping[str, object]) -> None:
        self._conn = conn
        self._query = bound_query(report, parameters)
        self.columns: Sequence[SourceColumn] = self._describe()

    def _describe(self) -> Sequence[SourceColumn]:
        # The newline ends a comment that the query may close with.
        statement = sql.SQL("SELECT * FROM ({}\n) AS report LIMIT 0").format(self._query)
        cursor = self._conn.execute(statement)
        return [SourceColumn(c.name, c.type_display.split("(")[0]) for c in cursor.description or ()]

    def rows(self) -> Iterator[Sequence[Any]]:
        """Typed rows, fetched a few thousand at a time."""
        with self._conn.cursor(name="report") as cursor:
            cursor.itersize = _FETCH_ROWS
            cursor.execute(self._query)
            yield from cursor

    def csv(self, columns: Sequence[sql.Composable]) -> Iterator[bytes | bytearray | memoryview]:
        """`columns` of the result as PostgreSQL's CSV, the header first, one line of output an item."""
        statement = sql.SQL("COPY (SELECT {} FROM ({}\n) AS report) TO STDOUT (FORMAT csv, HEADER true)").format(
            sql.SQL(", ").join(columns), self._query
        )
        with self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            yield from copy


@contextlib.contextmanager
def open_extract(dsn: str, report: ReportType, parameters: Mapping[str, object], limits: Limits) -> Iterator[Extract]:
    """Connect and hold one snapshot for as long as the block lasts. Raises psycopg.Error."""
    with psycopg.connect(_bounded(dsn, limits), autocommit=False) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        yield Extract(conn, report, parameters)
        conn.rollback()


def _bounded(dsn: str, limits: Limits) -> str:
    """The connection string with bounds on everything that could hang."""
    settings = {
        "statement_timeout": int(limits.timeout_s * 1000),
        "idle_in_transaction_session_timeout": int(limits.timeout_s * 1000),
        "lock_timeout": 10_000,
        # Ends the query within seconds when the child is killed: a server in the middle of a sort does
        # not otherwise notice (PostgreSQL 14 and later).
        "client_connection_check_interval": 2_000,
        "default_transaction_read_only": "on",
        # The catalog's scanner reads query.sql by this rule; a role or database may have another.
        "standard_conforming_strings": "on",
        "TimeZone": "UTC",
        "DateStyle": "ISO",
    }
    own = str(conninfo_to_dict(dsn).get("options") or "")
    options = " ".join([own, *(f"-c {name}={value}" for name, value in settings.items())]).strip()
    return make_conninfo(
        dsn,
        options=options,
        connect_timeout=_CONNECT_TIMEOUT_S,
        application_name="todoke-report",
        keepalives=1,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
    )
