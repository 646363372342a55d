"""A world for each story."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from shared.database.engine import create_engine
from shared.outbox.floor import Floor
from tests.protocol.history.world import World


@pytest.fixture
def world(engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Nothing runs by itself in it; its relays look for their floor on every pass."""
    monkeypatch.setattr("services.relay.publisher.Floor", partial(Floor, settle_every_s=0))
    publishing = create_engine(database_url, application_name="relay", pool_size=1)
    world = World(engine, publishing, tmp_path)
    yield world
    world.close()
    publishing.dispose()
