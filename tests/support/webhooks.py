"""Webhooks for tests: a listener, keys that encrypt secrets, and a relay's share."""

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.relay.webhooks import Webhooks
from shared.access.secret_keys import SecretKeys
from shared.ids import uuid7
from shared.runtime.egress import Egress, read_networks, read_ports
from shared.webhooks import store
from shared.webhooks.event import CHOOSABLE, EventType, new_secret
from shared.webhooks.sending import DeliverySender
from shared.webhooks.webhook import Wanted
from tests.support.http_server import LoopbackServer, QuietHandler

OPEN = Egress(read_networks("loopback"), (), read_ports("1-65535"))
"""Lets webhooks reach this machine."""


class Heard(NamedTuple):
    """A request that a listener received."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Listener:
    """A receiver of webhooks. `answer` returns the status, body and headers for a request."""

    def __init__(self, *, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: the files of a certificate and of its key."""
        self._tls = tls
        self.heard: list[Heard] = []
        self.answer: Callable[[Heard], tuple[int, bytes, Mapping[str, str]]] = lambda _: (204, b"", {})
        self.url = ""
        self._lock = threading.Lock()

    def hear(self, request: Heard) -> tuple[int, bytes, Mapping[str, str]]:
        """Keep the request, and return its answer."""
        with self._lock:
            self.heard.append(request)
        return self.answer(request)

    def __enter__(self) -> Self:
        listener = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                named = {name.lower(): value for name, value in self.headers.items()}
                self.answer(*listener.hear(Heard(self.path, named, self.body())))

        self._server = LoopbackServer(Handler, tls=self._tls)
        self.url = self._server.url
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.__exit__(None, None, None)


def secret_keys(folder: Path) -> SecretKeys:
    """Return the keys of this folder, the same ones each time."""
    file = folder / "secrets.keys"
    if not file.exists():
        file.write_text(f"test {base64.b64encode(bytes(32)).decode()}\n")
    return SecretKeys(file)


@contextmanager
def a_relays_share(engine: Engine, keys: SecretKeys, egress: Egress = OPEN) -> Iterator[Webhooks]:
    """A relay's share of the webhooks."""
    sender = DeliverySender(egress, certificates=None)
    try:
        yield Webhooks(engine, sender, keys)
    finally:
        sender.close()


def a_webhook(
    conn: Connection,
    keys: SecretKeys,
    url: str,
    *,
    tenant: str = "acme",
    types: tuple[EventType, ...] = CHOOSABLE,
    report_types: list[str] | None = None,
    secret: bytes | None = None,
) -> UUID:
    """Create a webhook at that address."""
    webhook_id = uuid7()
    origin = "/".join(url.split("/")[:3])
    sealed = keys.seal(secret or new_secret(), of=store.owner_of_secret(webhook_id))
    wanted = Wanted(url, origin, types, report_types)
    assert store.create(conn, webhook_id, tenant, wanted, sealed, None, None) is not None
    return webhook_id


def events(conn: Connection) -> list[Any]:
    """Return all events, oldest first."""
    return list(conn.execute(text("SELECT * FROM webhook_events ORDER BY id")))


def deliveries(conn: Connection) -> list[Any]:
    """Return all deliveries, oldest first."""
    return list(conn.execute(text("SELECT * FROM webhook_deliveries ORDER BY id")))


def attempts(conn: Connection) -> list[Any]:
    """Return all attempts, oldest first."""
    return list(conn.execute(text("SELECT * FROM webhook_attempts ORDER BY delivery_id, number")))


def make_due(conn: Connection) -> None:
    """Let time pass until every waiting delivery is due, and every lease is over."""
    conn.execute(text("UPDATE webhook_deliveries SET due_at = clock_timestamp() WHERE state = 'waiting'"))
    conn.execute(text("UPDATE webhooks SET throttled_until = NULL"))


def settle(relay: Webhooks) -> None:
    """Run the relay until it finds nothing to do."""
    while relay.run_once():
        pass
