"""Counts the rows that a statement really visits, by its plan."""

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from sqlalchemy import TextClause
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import create_engine
from shared.database.statements import statement_name
from tests.support.postgres import server

_SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"}
_names = itertools.count()
_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z_0-9]*)")


class Case(NamedTuple):
    """A statement with parameters that would tempt it to visit everything."""

    module: ModuleType
    name: str
    parameters: Mapping[str, object]
    most: int
    """The most rows that it may fetch, of all tables together."""


@contextlib.contextmanager
def crowded(cluster: server.Server, put: Callable[[Connection], None]) -> Iterator[Engine]:
    """Fill a database with very many rows."""
    with server.database(cluster) as url:
        engine = create_engine(url, application_name="test")
        with engine.connect() as conn:
            put(conn)
        yield engine
        engine.dispose()


def beyond(conn: Connection, cases: Iterable[Case], *, generic: bool) -> dict[tuple[str, str], object]:
    """Return the statements that fetch more than they may, with what they fetched from each table, and the limit."""
    found: dict[tuple[str, str], object] = {}
    for case in cases:
        statement: TextClause = getattr(case.module, case.name)
        fetched = visited(conn, statement, used(statement, case.parameters), generic=generic)
        if sum(fetched.values()) > case.most:
            found[statement_name(statement.text), str(case.parameters)[:80]] = (fetched, case.most)
    return found


def not_asked(module: ModuleType, cases: Iterable[Case]) -> set[str]:
    """Return the module's statements that no case covers, and the cases' statements that it does not have."""
    asked = {case.name for case in cases if case.module is module}
    return asked ^ {name for name, value in vars(module).items() if isinstance(value, TextClause)}


def used(statement: TextClause, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return those of the parameters that the statement has."""
    return {name: value for name, value in parameters.items() if name in statement._bindparams}


def visited(
    conn: Connection, statement: TextClause, parameters: Mapping[str, object], *, generic: bool
) -> dict[str, int]:
    """Return table → rows that the statement fetched from it, whether it kept them or not. Its writes are rolled back.

    `generic`: with the plan for any parameters, which PostgreSQL may use for a prepared statement. `conn` is in
    autocommit mode.
    """
    numbers: dict[str, int] = {}
    body = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", statement.text)
    driver: psycopg.Connection[Any] = conn.connection.driver_connection  # type: ignore[assignment]
    values = ", ".join(sql.Literal(parameters[name]).as_string(driver) for name in numbers)
    name = f"asked_{next(_names)}"  # psycopg drops prepared statements after a rollback, but not always
    driver.execute(b"BEGIN")
    try:
        driver.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan".encode())
        # A small table's bitmap relates to this as a large table's does to the default.
        driver.execute(b"SET LOCAL work_mem = '64kB'")
        driver.execute(f"PREPARE {name} AS {body}".encode())
        # Counts only, no times: the result does not depend on the machine.
        execute = f"EXECUTE {name}({values})" if numbers else f"EXECUTE {name}"
        explained = driver.execute(f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON) {execute}".encode())
        [(plan,)] = explained.fetchall()
    finally:
        driver.execute(b"ROLLBACK")
    rows: dict[str, int] = {}
    for node in _nodes(plan[0]["Plan"]):
        if node["Node Type"] in _SCANS:
            table = node["Relation Name"]
            rows[table] = rows.get(table, 0) + _fetched(node)
    return rows


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)


def _fetched(node: Mapping[str, Any]) -> int:
    kept = float(node["Actual Rows"])
    dropped = float(node.get("Rows Removed by Filter", 0)) + float(node.get("Rows Removed by Index Recheck", 0))
    return round((kept + dropped) * int(node["Actual Loops"]))
