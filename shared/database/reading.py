"""Connections that can only read, and only briefly: for pages, which must not slow down the service's main work."""

from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import SESSION_BOUNDS, DatabaseUrl, create_engine, transactional

TIMEOUT_S = 2.0
"""Seconds that a statement may take, including a wait for a lock, and that a wait for a connection may take."""


def create_reading_engine(
    database_url: DatabaseUrl,
    *,
    application_name: str,
    pool_size: int,
    through_pooler: bool = False,
    timeout_s: float = TIMEOUT_S,
) -> Engine:
    """Return an engine as `create_engine` makes it, which refuses to write, and ends each statement after `timeout_s`.

    It has a pool of its own, so a page that waits for a connection waits only for other pages.
    """
    bound = f"{round(timeout_s * 1000)}ms"
    bounds = {"statement_timeout": bound, "lock_timeout": bound, "default_transaction_read_only": "on"}
    options: dict[str, Any] = {"bounds": {**SESSION_BOUNDS, **bounds}, "pool_timeout_s": timeout_s}
    engine = create_engine(
        database_url, application_name=application_name, pool_size=pool_size, through_pooler=through_pooler, **options
    )
    if not through_pooler:
        return engine
    # A pooler keeps no session options, so each transaction sets them, and each look is a transaction.
    reading = transactional(engine)
    say = f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = '{bound}'; SET LOCAL lock_timeout = '{bound}'"

    @event.listens_for(reading, "begin")
    def _bound(conn: Connection) -> None:
        conn.exec_driver_sql(say)

    return reading
