"""When the database is away: trying again later may help."""

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.errors import TodokeError


class DatabaseUnavailable(TodokeError):
    """PostgreSQL did not answer. Nothing is known to be written; try again later."""


def is_unavailable(error: BaseException) -> bool:
    """True when trying again later may help: connection lost, shutdown, out of connections, time-out, deadlock."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return error.connection_invalidated or isinstance(error, OperationalError)
    # 08 connection, 53 resources, 40 rollback, 58 system, 57P shutdown, 57014 cancelled by time-out, 55P03 lock,
    # 25006 read-only standby, 25P03 idle in transaction (PostgreSQL 18, appendix A, read 2026-11-23)
    return state[:2] in {"08", "53", "40", "58"} or state[:3] == "57P" or state in {"57014", "55P03", "25006", "25P03"}
