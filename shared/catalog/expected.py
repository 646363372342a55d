"""What PostgreSQL expects a report type's query to return. The query is planned and never run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from shared.catalog.asker import Asker
from shared.catalog.asking import asking
from shared.catalog.further import as_report
from shared.catalog.model import ReportType
from shared.catalog.query import bound_query
from shared.catalog.shape import AS_IT_IS, Shape


class Expected(NamedTuple):
    """An expectation, which may be far off: the planner works from samples."""

    rows: int
    row_bytes: int
    """Bytes of a row, as the source stores it."""
    cost: float
    """In the planner's own unit: useful for comparing one question with another."""


def expected(
    dsn: str, report: ReportType, parameters: Mapping[str, object], asker: Asker, shape: Shape = AS_IT_IS
) -> Expected:
    """Ask the source for the plans of the report's queries, as the requester would run them: rows are query.sql's, cost
    is the sum.

    It sees what the requester's own run would see, including row-level security. Raises psycopg.Error and NoRole; and
    InvalidParameters if the report type has changed.
    """
    queries = [bound_query(one, parameters, asker) for one in (report, *(as_report(report, q) for q in report.queries))]
    with asking(dsn, report, asker, shape) as conn:
        first, *others = [_planned(conn, query) for query in queries]
    return first._replace(
        rows=min(first.rows, shape.limit or first.rows), cost=first.cost + sum(one.cost for one in others)
    )


def _planned(conn: psycopg.Connection, query: sql.Composed) -> Expected:
    row = conn.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(query)).fetchone()
    plan: Mapping[str, Any] = row[0][0]["Plan"] if row else {}
    return Expected(int(plan["Plan Rows"]), int(plan["Plan Width"]), float(plan["Total Cost"]))
