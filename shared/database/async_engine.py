"""The event loop's own door to PostgreSQL. Apart from `engine`: only the API's image has what it needs."""

from sqlalchemy.ext import asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engine import engine_arguments


def create_async_engine(
    database_url: str, *, application_name: str, pool_size: int = 1, through_pooler: bool = False
) -> AsyncEngine:
    """As `create_engine`, for coroutines."""
    return asyncio.create_async_engine(**engine_arguments(database_url, application_name, pool_size, through_pooler))
