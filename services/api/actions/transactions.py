"""Database work of a request, outside the event loop."""

from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from sqlalchemy.engine import Connection

from services.api.actions.parts import Parts
from shared.database.engine import transactional

T = TypeVar("T")


async def in_one_transaction(parts: Parts, work: Callable[[Connection], T]) -> T:
    """Do the work on a connection of the pool, in the thread pool. An error rolls it back."""

    def carry_out() -> T:
        with transactional(parts.engine).begin() as conn:
            return work(conn)

    return await to_thread.run_sync(carry_out)
