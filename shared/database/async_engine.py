"""Connections for coroutines. Separate from `engine`, because only the API's image has what they need."""

from collections.abc import Mapping

from sqlalchemy.ext import asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.answering import ANSWER_S, connect_impatiently
from shared.database.engine import SESSION_BOUNDS, DatabaseUrl, engine_arguments, keep_fresh


def create_async_engine(
    database_url: DatabaseUrl,
    *,
    application_name: str,
    pool_size: int = 1,
    through_pooler: bool = False,
    bounds: Mapping[str, str] = SESSION_BOUNDS,
    answer_s: float = ANSWER_S,
) -> AsyncEngine:
    """Return an engine for coroutines, otherwise as `create_engine` makes it."""
    arguments = engine_arguments(database_url, application_name, pool_size, through_pooler, bounds)
    arguments["connect_args"]["async_creator_fn"] = connect_impatiently(answer_s)
    engine = asyncio.create_async_engine(**arguments)
    keep_fresh(engine.sync_engine, database_url)
    return engine
