"""Fixtures for the tests of webhooks: keys that encrypt secrets, a relay's share of the webhooks, and a listener."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.relay.webhooks import Webhooks
from shared.access.secret_keys import SecretKeys
from shared.database.engine import create_engine
from tests.support.postgres.roles import service_urls
from tests.support.webhooks import Listener, a_relays_share, secret_keys


@pytest.fixture
def sealing(tmp_path: Path) -> SecretKeys:
    """Keys for the secrets of webhooks, for this test only."""
    return secret_keys(tmp_path)


@pytest.fixture
def teller(database_url: str, sealing: SecretKeys) -> Iterator[Webhooks]:
    """A relay's share of the webhooks, with the rights of a relay."""
    engine = create_engine(service_urls(database_url)["relay"], application_name="test-relay", pool_size=2)
    with a_relays_share(engine, sealing) as share:
        yield share
    engine.dispose()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A receiver of webhooks."""
    with Listener() as one:
        yield one
