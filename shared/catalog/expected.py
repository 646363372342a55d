"""What PostgreSQL expects a report type's query to give. The query is planned and never run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from shared.catalog.asker import Asker, settings_of
from shared.catalog.model import ReportType
from shared.catalog.query import bound_query
from shared.database.libpq import KEEPALIVE
from shared.errors import TodokeError

TIMEOUT_S = 2
"""For connecting, and for planning."""
POSTGRESQL = ("postgresql://", "postgres://")
"""How the URL of a source begins that can be asked."""


class Expected(NamedTuple):
    """An expectation, which may be far off: the planner knows samples only."""

    rows: int
    row_bytes: int
    """Of a row, as the source holds it."""
    cost: float
    """In the planner's own unit: good for comparing one question with another."""


class NoRole(TodokeError):
    """The report type runs as a role of the source, and names none for the asker's tenant."""


def expected(dsn: str, report: ReportType, parameters: Mapping[str, object], asker: Asker) -> Expected:
    """Ask the source for the plan of the report's query, as the asker would run it.

    It sees what the asker's own run would see, row-level security included. Raises psycopg.Error and NoRole; and
    InvalidParameters if the report type has changed.
    """
    query = bound_query(report, parameters, asker)
    bounded = make_conninfo(
        dsn, connect_timeout=TIMEOUT_S, application_name="todoke-estimate", client_encoding="UTF8", **KEEPALIVE
    )
    with psycopg.connect(bounded) as conn:  # in one transaction, which ends in a rollback
        conn.read_only = True
        _settle(conn, asker)
        if report.role is not None:
            conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(_role(report, asker))))
        row = conn.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(query)).fetchone()
        conn.rollback()
    plan: Mapping[str, Any] = row[0][0]["Plan"] if row else {}
    return Expected(int(plan["Plan Rows"]), int(plan["Plan Width"]), float(plan["Total Cost"]))


def _role(report: ReportType, asker: Asker) -> str:
    """The role as which the asker's own run would ask. Raises NoRole."""
    role = report.role.of(asker.tenant) if report.role is not None and asker.tenant is not None else None
    if role is None:
        raise NoRole(f"{report.name} names no role for the tenant")
    return role


def _settle(conn: psycopg.Connection[Any], asker: Asker) -> None:
    settings = {
        "statement_timeout": TIMEOUT_S * 1000,
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
