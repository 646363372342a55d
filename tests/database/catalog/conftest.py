"""A data source for the catalog's tests, with the sample data loaded once."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from deploy.sample.load import load
from tests.support.postgres import server

READER_PASSWORD = "it's a \\secret"


@pytest.fixture(scope="session")
def source_url(postgres_server: server.Server) -> Iterator[str]:
    """An empty database, as its superuser."""
    with server.database(postgres_server, template=None) as url:
        yield url


@pytest.fixture
def conn(source_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose transaction is rolled back."""
    with psycopg.connect(source_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def empty_url(postgres_server: server.Server) -> Iterator[str]:
    """An empty database of the test's own."""
    with server.database(postgres_server, template=None) as url:
        yield url


@pytest.fixture(scope="session")
def sample_url(source_url: str) -> str:
    """The session's source, with the sample data."""
    load(source_url, reader_password=READER_PASSWORD)
    return source_url
