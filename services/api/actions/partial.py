"""Reads that may take too long: a page that shows many things can say that one of them was not read."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.database import sqlstates

log = logging.getLogger(__name__)
T = TypeVar("T")


def looked_at(engine: Engine, what: str, look: Callable[[Connection], T]) -> T | None:
    """Return what `look` finds over a connection of its own; None if it exceeded the connection's time limit.

    Raises every other error of the database.
    """
    try:
        with engine.connect() as conn:
            return look(conn)
    except (PoolTimeout, DBAPIError) as error:
        _note(what, error)
        return None


async def looked_at_if_quick(what: str, look: Awaitable[T]) -> T | None:
    """The same for a use case, whose connections have a time limit of their own."""
    try:
        return await look
    except (PoolTimeout, DBAPIError) as error:
        _note(what, error)
        return None


def _note(what: str, error: PoolTimeout | DBAPIError) -> None:
    """Log that it took too long. Raises the error if it has another cause."""
    reason = "no connection"
    if isinstance(error, DBAPIError):
        reason = str(getattr(error.orig, "sqlstate", None))
        if reason not in sqlstates.TIMEOUTS and reason != sqlstates.LOCK_NOT_AVAILABLE:
            raise error
    log.warning("look.gave_up", extra={"what": what, "reason": reason})
