"""Closes sessions that have become useless, so that the next try opens a new one, with the current password."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, ExceptionContext

from shared.database import sqlstates

_LIBPQ_NAMES = ("host", "port", "dbname", "user", "password")


def drop_stale_sessions(engine: Engine) -> None:
    """Close every idle connection of the engine after an error that only a new session can avoid.

    Examples are a database that was read-only when the session began, and a plan that a migration has made stale. The
    pool would keep these sessions for half an hour, and each of their statements would fail.
    """

    @event.listens_for(engine, "handle_error")
    def _look(context: ExceptionContext) -> None:
        error = context.original_exception
        state = getattr(error, "sqlstate", None)
        if state is not None and sqlstates.needs_new_session(state, str(error)):
            context.is_disconnect = True


def use_url_of_today(engine: Engine, url_of_today: Callable[[], URL]) -> None:
    """Call `url_of_today` for each new connection, and take user, password and address from it."""

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        _, of_today = dialect.create_connect_args(url_of_today())
        parameters |= {name: of_today[name] for name in _LIBPQ_NAMES if name in of_today}
