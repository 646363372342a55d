"""A running API that requires keys, with the rights of a deployment."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.scopes import OWN
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import Services


@dataclass(frozen=True, slots=True)
class Api:
    """A process that serves, and a key of the tenant `acme`."""

    url: str
    key: str
    log: Path

    def client(self, key: str | None = None) -> httpx.Client:
        """Speaks as that key's tenant, or as `acme`."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key or self.key}"}, timeout=httpx.Timeout(60)
        )


@pytest.fixture
def api(database_url: str, conn: Connection, tmp_path: Path) -> Iterator[Api]:
    """The API alone: what it accepts waits for ever."""
    key = api_keys.create_key(conn, tenant="acme", name="security", scopes=OWN)
    urls = service_urls(database_url)
    with Services(tmp_path, database_urls=urls, queue_url="http://127.0.0.1:9/none", aws={}) as services:
        # As behind a proxy on this host: a test that sends many wrong credentials says that many addresses do.
        services.start("api", API_AUTH="keys", API_TRUSTED_PROXIES="127.0.0.1/32", LOG_LEVEL="DEBUG")
        yield Api(services.url, key, services.folder / "api.log")
