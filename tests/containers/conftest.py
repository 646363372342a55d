"""The images under test, and one stack of them for the session."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import Connection

from shared.database.engine import create_engine
from tests.containers.stack import STARTED, Stack


@pytest.fixture(scope="session")
def tag() -> str:
    """The tag that `make test-containers` has just built."""
    return os.environ["TODOKE_TAG"]


@pytest.fixture(scope="session")
def stack(tag: str) -> Iterator[Stack]:
    """Everything up and ready. The variables that name images are taken from the environment."""
    images = {name: value for name, value in os.environ.items() if name.startswith("TODOKE_")}
    with Stack(images) as running:
        # Services first, what they need last: no order is asked for.
        running.up("api", "relay", "worker")
        running.up("migrate", "setup")
        running.up(*STARTED, scale={"relay": 2, "worker": 2})
        running.until_ready()
        yield running


@pytest.fixture
def conn(stack: Stack) -> Iterator[Connection]:
    """A look into the stack's database, as its owner."""
    engine = create_engine(stack.database_url(), application_name="test", pool_size=1)
    with engine.connect() as connection:
        yield connection
    engine.dispose()
