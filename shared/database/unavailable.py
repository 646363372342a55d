"""Distinguishes a database that is unavailable from a statement that is wrong."""

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError

from shared.database import sqlstates
from shared.errors import TodokeError


class DatabaseUnavailable(TodokeError):
    """PostgreSQL did not answer. It is unknown whether anything was written; try again later."""


def waited_for(error: BaseException, table: str) -> bool:
    """True if the statement waited too long for a transaction that writes the same key into the table."""
    if not isinstance(error, DBAPIError) or getattr(error.orig, "sqlstate", None) != sqlstates.LOCK_NOT_AVAILABLE:
        return False
    # The text is: while inserting index tuple (0,24) in relation "idempotency_keys". A wait for the table's lock has
    # no such text, and a wait for a row says "while locking tuple".
    context = getattr(getattr(error.orig, "diag", None), "context", None) or ""
    return "while inserting index tuple" in context and f'in relation "{table}"' in context


def is_unavailable(error: BaseException) -> bool:
    """True when trying again later may help: connection lost, shutdown, out of connections, timeout, deadlock."""
    if isinstance(error, sa.exc.TimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return isinstance(error, OperationalError)
    # Our services write only to the primary, so READ_ONLY means that they have reached a standby.
    return sqlstates.passes(state) or state in sqlstates.TIMEOUTS or state == sqlstates.READ_ONLY
