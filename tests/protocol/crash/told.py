"""Notifications on a stage: webhooks of every tenant, a receiver on a socket that can break, and what it is owed."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection
from standardwebhooks import Webhook as Verifier

from shared.webhooks.event import new_secret, secret_text
from tests.support.faults.plan import NO_FAULTS, Fault, Faults, strike
from tests.support.history.facts import History
from tests.support.history.facts_of_others import Posted
from tests.support.history.gather import read_webhooks
from tests.support.history.rules_told import acknowledged_is_recorded, only_what_happened_is_told, what_is_owed_is_sent
from tests.support.http_server import LoopbackServer, QuietHandler
from tests.support.webhooks import a_webhook, secret_keys

POST = "webhook POST"
"""The effect: somebody was told."""
TENANTS = ("default", "acme")
"""The clients of the API without keys, and what the stories put there past it. Each has one webhook, told of all."""
GONE = "/gone"
"""Answers 410."""
_REFUSED = {Fault.ERROR: (500, {}), Fault.THROTTLED: (429, {"Retry-After": "30"})}

_UNTOLD = text("SELECT EXISTS (SELECT FROM webhook_deliveries WHERE state = 'waiting')")


class Told:
    """The receiver, and the webhooks that lead to it. `faults` decides what becomes of each request."""

    def __init__(self, *, late_s: float) -> None:
        self.faults: Faults = NO_FAULTS
        self.late_s = late_s
        self.posted: list[Posted] = []
        self.wrong: list[str] = []
        """Requests that no receiver may be sent, and what is wrong with them."""
        self._verifiers: dict[str, Verifier] = {}
        self._webhooks: dict[str, UUID] = {}
        """By their paths."""
        self._lock = threading.Lock()
        self._server = LoopbackServer(self._handler())
        self.url = self._server.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.__exit__(None, None, None)

    @staticmethod
    def settings(folder: Path) -> dict[str, str]:
        """What the services need to tell somebody on this machine."""
        secret_keys(folder)
        return {
            "SECRETS_KEY_FILE": str(folder / "secrets.keys"),
            "WEBHOOK_NETWORKS": "loopback",
            "WEBHOOK_PORTS": "1-65535",
            "API_WEBHOOKS_EACH": "1000",  # those of a story that was not told to its end stay
        }

    def join(self, conn: Connection, folder: Path) -> None:
        """Every tenant is told of everything from now on."""
        for tenant in TENANTS:
            secret = new_secret()
            self._verifiers[f"/{tenant}"] = Verifier(secret_text(secret))
            self._webhooks[f"/{tenant}"] = a_webhook(
                conn, secret_keys(folder), f"{self.url}/{tenant}", tenant=tenant, secret=secret
            )

    def _handler(self) -> type[QuietHandler]:
        told = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = self.body().decode()
                faults = told.faults
                fault = faults.at(POST)
                if strike(faults, fault, before=True) or fault is Fault.NOT_APPLIED:
                    self.close_connection = True
                    return
                status, headers = _REFUSED.get(fault, (204, {})) if fault else (204, {})
                status = 410 if self.path == GONE else status
                told.hear(self.path, {name.lower(): value for name, value in self.headers.items()}, body, status)
                if strike(faults, fault, before=False) or fault is Fault.REPLY_LOST:
                    self.close_connection = True
                    return
                if fault is Fault.LATE:
                    threading.Event().wait(told.late_s)
                self.answer(status, b"", headers)

        return Handler

    def hear(self, path: str, headers: Mapping[str, str], body: str, status: int) -> None:
        """Write down a request whose signature is good; one of a webhook that is not ours is nobody's.

        A callback's path is that of the webhook that signs it, with something behind it.
        """
        own, _, more = path.partition("?")
        verifier = self._verifiers.get(own)
        if verifier is None:
            return
        with self._lock:
            try:
                verifier.verify(body, dict(headers))
            except Exception as error:  # noqa: BLE001 - shown at the end of the story
                self.wrong.append(f"{path} {headers.get('webhook-id')}: {error!r}")
                return
            event_id = UUID(headers["webhook-id"].removeprefix("msg_"))
            self.posted.append(Posted(self._webhooks[own], event_id, body, status, self.url + path if more else None))

    def untold(self, conn: Connection) -> bool:
        """True while a delivery waits."""
        return bool(conn.execute(_UNTOLD).scalar_one())

    def broken(self, conn: Connection) -> Sequence[str]:
        """What the tables and the receiver do not agree about, once nothing waits: up to five lines."""
        history = History()
        read_webhooks(conn, history)
        # Other webhooks are a story's own, and so is what becomes of them.
        ours = {*self._webhooks.values()}
        history.webhooks = [one for one in history.webhooks if one.id in ours]
        history.deliveries = [one for one in history.deliveries if one.webhook_id in ours]
        with self._lock:
            history.posted, wrong = list(self.posted), list(self.wrong)
        rules = (only_what_happened_is_told, what_is_owed_is_sent, acknowledged_is_recorded)
        return [*wrong, *(found for rule in rules for found in rule(history) if found)][:5]
