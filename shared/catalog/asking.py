"""Sends a short query to a PostgreSQL source on a requester's behalf, from a service that makes no reports."""

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from shared.catalog.asker import Asker, settings_of
from shared.catalog.model import ReportType
from shared.catalog.shape import Shape
from shared.database.libpq import KEEPALIVE
from shared.errors import TodokeError

TIMEOUT_S = 2
"""For connecting, and for planning."""
POSTGRESQL = ("postgresql://", "postgres://")
"""The beginning of the URL of a source that can be queried."""


class NoRole(TodokeError):
    """The report type runs as a role of the source, and defines none for the requester's tenant."""


@contextlib.contextmanager
def asking(
    dsn: str, report: ReportType, asker: Asker, shape: Shape, *, timeout_s: float = TIMEOUT_S
) -> Iterator[psycopg.Connection[Any]]:
    """Hold a read-only transaction that sees what the requester's own run would see, including row-level security.

    A statement may take `timeout_s`. The transaction ends in a rollback. Raises psycopg.Error and NoRole.
    """
    bounded = make_conninfo(
        dsn, connect_timeout=TIMEOUT_S, application_name="todoke-estimate", client_encoding="UTF8", **KEEPALIVE
    )
    with psycopg.connect(bounded) as conn:
        conn.read_only = True
        _settle(conn, asker, shape, int(timeout_s * 1000))
        if report.role is not None:
            conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(_role(report, asker))))
        yield conn
        conn.rollback()


def _role(report: ReportType, asker: Asker) -> str:
    """Return the role that the requester's own run would use. Raises NoRole."""
    role = report.role.of(asker.tenant) if report.role is not None and asker.tenant is not None else None
    if role is None:
        raise NoRole(f"{report.name} names no role for the tenant")
    return role


def _settle(conn: psycopg.Connection[Any], asker: Asker, shape: Shape, most_ms: int) -> None:
    settings = {
        "TimeZone": shape.zone,
        "statement_timeout": most_ms,
        "lock_timeout": TIMEOUT_S * 1000,
        "idle_in_transaction_session_timeout": TIMEOUT_S * 1000,
        # The catalog's scanner reads query.sql by this rule.
        "standard_conforming_strings": "on",
        **settings_of(asker),
    }
    calls = sql.SQL(", ").join(
        sql.SQL("set_config({}, {}, true)").format(sql.Literal(name), sql.Literal(str(value)))
        for name, value in settings.items()
    )
    conn.execute(sql.SQL("SELECT {}").format(calls))
