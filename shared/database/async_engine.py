"""Connections for coroutines. Apart from `engine`, because only the API's image has what they need."""

from sqlalchemy.ext import asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engine import DatabaseUrl, engine_arguments, keep_fresh


def create_async_engine(
    database_url: DatabaseUrl, *, application_name: str, pool_size: int = 1, through_pooler: bool = False
) -> AsyncEngine:
    """An engine as `create_engine` makes it, for coroutines."""
    engine = asyncio.create_async_engine(**engine_arguments(database_url, application_name, pool_size, through_pooler))
    keep_fresh(engine.sync_engine, database_url)
    return engine
