"""How many rows a statement really looks at, by its plan."""

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import TextClause
from sqlalchemy.engine import Connection

_SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Scan"}
_names = itertools.count()
_PARAMETER = re.compile(r"(?<!:):([a-z_][a-z_0-9]*)")


def visited(
    conn: Connection, statement: TextClause, parameters: Mapping[str, object], *, generic: bool
) -> dict[str, int]:
    """Table → rows that the statement fetched from it, whether it kept them or not. What it wrote is undone.

    `generic`: under the plan that serves any parameters, which PostgreSQL may turn to for a prepared statement.
    `conn` is in autocommit mode.
    """
    numbers: dict[str, int] = {}
    body = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", statement.text)
    driver: psycopg.Connection[Any] = conn.connection.driver_connection  # type: ignore[assignment]
    values = ", ".join(sql.Literal(parameters[name]).as_string(driver) for name in numbers)
    name = f"asked_{next(_names)}"  # psycopg drops prepared statements after a rollback, but not always
    driver.execute(b"BEGIN")
    try:
        driver.execute(f"SET LOCAL plan_cache_mode = force_{'generic' if generic else 'custom'}_plan".encode())
        # What a bitmap of a small table's pages is to this, that of a large table's is to the default.
        driver.execute(b"SET LOCAL work_mem = '64kB'")
        driver.execute(f"PREPARE {name} AS {body}".encode())
        # Counts only, and no times: what remains does not depend on the machine.
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
