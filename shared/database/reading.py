"""Connections that can only read, and never for long: for pages, which must not slow down what the service is for."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import SESSION_BOUNDS, DatabaseUrl, create_engine, transactional

TIMEOUT_S = 2.0
"""Seconds that a statement may take, a wait for a lock included, and a wait for a connection."""


def create_reading_engine(
    database_url: DatabaseUrl,
    *,
    application_name: str,
    pool_size: int,
    through_pooler: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Engine:
    """An engine as `create_engine` makes it, which refuses to write, and ends each statement after `timeout_s`.

    Its pool is its own, so whoever waits for a connection waits for others of its kind alone.
    """
    bound = f"{round(timeout_s * 1000)}ms"
    bounds = {"statement_timeout": bound, "lock_timeout": bound, "default_transaction_read_only": "on"}
    options: dict[str, Any] = {"bounds": {**SESSION_BOUNDS, **bounds}, "pool_timeout_s": timeout_s}
    engine = create_engine(
        database_url, application_name=application_name, pool_size=pool_size, through_pooler=through_pooler, **options
    )
    if not through_pooler:
        return engine
    # A pooler keeps no options of a session: each transaction says so itself, and each look is one.
    reading = transactional(engine)
    say = f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{bound}'; SET LOCAL lock_timeout = '{bound}'"

    @event.listens_for(reading, "begin")
    def _bound(conn: Connection) -> None:
        conn.exec_driver_sql(say)

    return reading
