"""Finds the names of statements, and measures how long each takes."""

import re
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

_NAME = re.compile(r"^\s*/\* ([a-z_.]+) \*/")


def statement_name(sql: str) -> str:
    """Return the name with which our statements begin, such as `jobs.succeed`; `other` for any other statement."""
    match = _NAME.match(sql)
    return match.group(1) if match else "other"


def measure_statements(engine: Engine, observe: Callable[[str, float], None]) -> None:
    """Call `observe(statement name, seconds)` after every statement."""

    @event.listens_for(engine, "before_cursor_execute")
    def _start(conn: Connection, *_: Any) -> None:
        conn.info["statement_started"] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def _stop(conn: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        observe(statement_name(statement), time.perf_counter() - conn.info["statement_started"])
