"""Gives up on a server that does not answer although its connection stands: it is frozen, or waits for its disk.

Keep-alives notice a host that is gone. Here the host still acknowledges every packet, and `statement_timeout` is
enforced by the server itself.
"""

from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import event
from sqlalchemy.engine import Engine

ANSWER_S = 35.0
"""Longer than the `statement_timeout` of our sessions (30 s): a working server has answered by then."""


_LOOK_EVERY_S = 0.1
"""As in psycopg's own wait: this often Python can handle its signals."""


def wait_no_longer(engine: Engine, answer_s: float) -> None:
    """Make each statement of the engine fail, as with a lost connection, when its answer takes this long."""

    class Impatient(psycopg.Connection[Any]):
        def wait(self, gen: PQGen[RV], interval: float = _LOOK_EVERY_S, timeout: float | None = None) -> RV:
            if timeout is not None:
                return super().wait(gen, interval, timeout)
            try:
                return super().wait(gen, interval, answer_s)
            except psycopg.errors._WaitTimeout:  # noqa: SLF001 - has no other name
                self.pgconn.finish()  # nobody waits for a late answer
                raise _no_answer(answer_s) from None

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: dict[str, Any]) -> Any:
        return Impatient.connect(*arguments, **parameters)


def connect_impatiently(answer_s: float) -> Callable[..., Coroutine[Any, Any, psycopg.AsyncConnection[Any]]]:
    """Return a function that connects for coroutines, and whose connections fail in the same way."""

    class Impatient(psycopg.AsyncConnection[Any]):
        async def wait(self, gen: PQGen[RV], interval: float = _LOOK_EVERY_S, timeout: float | None = None) -> RV:  # noqa: ASYNC109 - psycopg's
            if timeout is not None:
                return await super().wait(gen, interval, timeout)
            try:
                return await super().wait(gen, interval, answer_s)
            except psycopg.errors._WaitTimeout:  # noqa: SLF001 - has no other name
                self.pgconn.finish()  # nobody waits for a late answer
                raise _no_answer(answer_s) from None

    return Impatient.connect


def _no_answer(answer_s: float) -> psycopg.OperationalError:
    return psycopg.OperationalError(f"no answer within {answer_s:g} seconds")
