"""Sessions that stopped being of use are ended, and the next try asks a new one, with the password of today."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, ExceptionContext

from shared.database import sqlstates

_LIBPQ_NAMES = ("host", "port", "dbname", "user", "password")


def drop_stale_sessions(engine: Engine) -> None:
    """Give up every idle connection of the engine after an error that only a new session gets rid of.

    Such as a database that was read-only when the session began, or a plan that a migration has made stale: the pool
    would keep these sessions for half an hour, and each of their statements would fail.
    """

    @event.listens_for(engine, "handle_error")
    def _look(context: ExceptionContext) -> None:
        error = context.original_exception
        state = getattr(error, "sqlstate", None)
        if state is not None and sqlstates.needs_new_session(state, str(error)):
            context.is_disconnect = True


def use_url_of_today(engine: Engine, url_of_today: Callable[[], URL]) -> None:
    """Ask `url_of_today` for each new connection, and take user, password and address from there."""

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        _, of_today = dialect.create_connect_args(url_of_today())
        parameters |= {name: of_today[name] for name in _LIBPQ_NAMES if name in of_today}
