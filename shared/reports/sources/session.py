"""One session with a PostgreSQL source, at the level of libpq: few round trips, and little Python for each.

A small report sends six requests to its source. Through psycopg's cursors they took as long as everything else for a
small CSV (`python -m tests.benchmarks.small_case`); psycopg uses the same libpq.
"""

import contextlib
import logging
import os
import select
import socket
from collections.abc import Iterator, Mapping, Sequence

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, Escaping, ExecStatus
from psycopg.pq.abc import PGconn as AnyPGconn
from psycopg.pq.abc import PGresult

from shared.database.libpq import KEEPALIVE, said_of, written
from shared.reports.sources import scram

log = logging.getLogger(__name__)

_CONNECT_TIMEOUT_S = 10
"""Longer than for our own database: a source may be far away."""
_CANCEL_S = 0.4
_BOUNDS: Mapping[str, object] = {
    "connect_timeout": _CONNECT_TIMEOUT_S,
    "application_name": "todoke-report",
    "client_encoding": "UTF8",  # whatever the database uses: a CSV goes out as it comes
    **KEEPALIVE,
}
"""For connecting, and for waiting for a server that has vanished."""


class Session:
    """A connection that answers one request after another."""

    def __init__(self, libpq: AnyPGconn) -> None:
        self.libpq = libpq
        self.connection = psycopg.Connection(libpq)
        """The same connection in psycopg, for rare requests and for quoting."""

    def ask(self, statements: bytes) -> Sequence[PGresult]:
        """Send the statements in one round trip and return the result of each. Raises psycopg.Error."""
        self.libpq.send_query(statements)
        results = []
        while (result := self._result()) is not None:
            results.append(result)
        for result in results:
            if result.status not in {ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK}:
                raise failure(result)
        return results

    def _result(self) -> PGresult | None:
        while self.libpq.is_busy():
            wait_for_more(self.libpq)
        return self.libpq.get_result()

    def literal(self, text: str) -> bytes:
        """Quote `text` as an SQL literal, whatever the session's settings for backslashes."""
        return bytes(Escaping(self.libpq).escape_literal(text.encode()))

    def give_up(self) -> None:
        """End what the server is doing for this session.

        The connection is closed for writing first: a cancellation that comes between two statements ends neither, and
        the second one would run for nobody.
        """
        with socket.socket(fileno=os.dup(self.libpq.socket)) as line:
            line.shutdown(socket.SHUT_WR)
        self.connection.cancel_safe(timeout=_CANCEL_S)


@contextlib.contextmanager
def connected(dsn: str) -> Iterator[Session]:
    """Connect for as long as the block lasts. Raises psycopg.Error."""
    try:
        conninfo = bounded(dsn)
    except psycopg.Error as error:
        _tell_operator(dsn, error)
        raise
    libpq = scram.log_in(conninfo, timeout_s=_CONNECT_TIMEOUT_S)
    try:
        if libpq.status != ConnStatus.OK:
            said = libpq.get_error_message()
            _tell_operator(dsn, said)
            raise psycopg.OperationalError(said)
        yield Session(libpq)
    finally:
        # Closed, and not rolled back: in the middle of a COPY no statement can be sent.
        libpq.finish()


def _tell_operator(dsn: str, error: object) -> None:
    """Log why the source cannot be read: clients must not see its address and user."""
    log.warning("the source says: %s", said_of(dsn, error))


def bounded(dsn: str) -> str:
    """Return the connection string with the bounds of every session. Raises psycopg.ProgrammingError."""
    told = conninfo_to_dict(dsn)
    return written({**_without_tickets(told), **told, **_BOUNDS})


def _without_tickets(told: Mapping[str, object]) -> Mapping[str, object]:
    """Keep libpq from looking for Kerberos tickets, unless they are requested, as a service file may do, which this
    would override.

    It looks before each connection, in files that a confined process cannot read (libpq 18: `gssencmode=prefer`).
    """
    asked = "service" in told or not {"PGGSSENCMODE", "PGSERVICE"}.isdisjoint(os.environ)
    return {} if asked else {"gssencmode": "disable"}


def wait_for_more(libpq: AnyPGconn) -> None:
    """Wait for data. Keep-alives bound the wait for a server that has vanished, `statement_timeout` for a slow one."""
    readable = select.poll()
    readable.register(libpq.socket, select.POLLIN)
    readable.poll()
    libpq.consume_input()


def failure(result: PGresult) -> psycopg.Error:
    """Return the server's error. One without an SQLSTATE comes from libpq, and means that the connection broke."""
    error = psycopg.errors.error_from_result(result)
    return error if error.sqlstate else psycopg.OperationalError(str(error))
