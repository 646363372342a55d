"""The address under which a request is counted and recorded, behind proxies."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection
from starlette.requests import Request

from services.api.auth.principal import ANONYMOUS
from services.api.http.client_address import client_address
from services.api.networks import networks
from services.api.v1.streams import listening
from tests.support.api_app import an_app

PROXIES = networks("10.0.0.0/8, 2001:db8::/32 192.0.2.1")


def address(peer: str, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return client_address(Request({"type": "http", "client": (peer, 1), "headers": headers}), PROXIES)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.9", ["203.0.113.5"], "198.51.100.9"),  # who is not trusted is not believed
        ("10.1.2.3", [], "10.1.2.3"),
        ("10.1.2.3", ["203.0.113.5"], "203.0.113.5"),
        ("10.1.2.3", ["1.1.1.1, 203.0.113.5"], "203.0.113.5"),  # the client wrote the first itself
        ("10.1.2.3", ["1.1.1.1, 203.0.113.5, 192.0.2.1"], "203.0.113.5"),
        ("10.1.2.3", ["1.1.1.1", "203.0.113.5"], "203.0.113.5"),
        ("10.1.2.3", ["1.1.1.1, junk, 10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["203.0.113.5:4711"], "203.0.113.5"),
        ("2001:db8::7", ["[2a00::5]:443"], "2a00::5"),
        ("::ffff:10.1.2.3", ["203.0.113.5"], "203.0.113.5"),
        ("10.1.2.3", ["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
        ("", ["203.0.113.5"], ""),
    ],
)
def test_the_nearest_address_that_is_no_trusted_proxy_is_the_clients(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert address(peer, *forwarded) == client


def test_without_the_setting_nobody_is_believed() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.5")]
    assert client_address(Request({"type": "http", "client": ("10.1.2.3", 1), "headers": headers}), []) == "10.1.2.3"


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"number 2 is not an address or a network") as wrong:
        networks("10.0.0.0/8, 10.0.0.1/8")
    assert "10.0.0.1" not in str(wrong.value), "it may be a secret in the wrong place"


def test_the_trail_has_the_clients_address(database_url: str, conn: Connection, scratch: Path) -> None:
    app = an_app(database_url, scratch, API_TRUSTED_PROXIES="192.0.2.0/24")
    with TestClient(app, client=("192.0.2.9", 1)) as client:
        job_id = client.post("/v1/jobs").json()["jobId"]
        client.post(f"/v1/jobs/{job_id}:cancel", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.5"})

    assert conn.execute(text("SELECT address FROM audit")).scalars().all() == ["203.0.113.5"]


def test_who_listens_is_asked_for_again_by_the_clients_address(database_url: str, scratch: Path) -> None:
    """Tokens that end while their streams go on would count as wrong ones of the proxy, and so of everybody."""
    app = an_app(database_url, scratch, API_TRUSTED_PROXIES="192.0.2.0/24")
    parts: Any = SimpleNamespace(access=mock.AsyncMock(), watcher=None)
    scope = {"type": "http", "app": app, "client": ("192.0.2.9", 1), "headers": [(b"x-forwarded-for", b"203.0.113.5")]}

    async def again() -> None:
        await listening(Request(scope), parts, ANONYMOUS)._again()

    asyncio.run(again())
    parts.access.still.assert_awaited_once_with(None, "203.0.113.5")
