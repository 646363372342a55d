"""Webhooks and schedules of a soak: receivers that are healthy, refuse, hang, disconnect and lie, and ticks each
minute.
"""

import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection
from standardwebhooks import Webhook as Verifier

from shared.schedules.schedule import Overlap
from shared.webhooks.event import new_secret, secret_text
from tests.support.history.facts import History
from tests.support.history.facts_of_others import Posted, ScheduleRow
from tests.support.http_server import LoopbackServer, QuietHandler
from tests.support.schedules import a_schedule
from tests.support.webhooks import a_webhook, secret_keys

_TENANT = "default"
_HANGS_S = 20.0
"""Longer than the relay waits."""
_SHARE = 0.5
"""Of the requests that a receiver does not treat well."""
_SCHEDULES, _EVERY_S = 4, 60
_AWAY_S = 600.0
"""One of them was due for so long when the soak begins."""


class Told:
    """A receiver of each kind, on one socket; until `calm` is set, half of what comes meets its kind's bad side."""

    def __init__(self, seed: int) -> None:
        self.posted: list[Posted] = []
        self.wrong: list[str] = []
        """Requests whose signature was not good."""
        self.met: Counter[str] = Counter()
        """What became of requests."""
        self.calm = threading.Event()
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._webhooks: dict[str, tuple[UUID, Verifier]] = {}
        self._server = LoopbackServer(self._handler())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.calm.set()
        self._server.__exit__(None, None, None)

    @staticmethod
    def settings(folder: Path) -> dict[str, Any]:
        """What the services need to tell somebody on this machine."""
        secret_keys(folder)
        keys = str(folder / "secrets.keys")
        return {"SECRETS_KEY_FILE": keys, "WEBHOOK_NETWORKS": "loopback", "WEBHOOK_PORTS": "1-65535"}

    def join(self, conn: Connection, folder: Path) -> None:
        """Each receiver is told of everything from now on, and schedules ask for reports."""
        for kind in _KINDS:
            secret, path = new_secret(), f"/{kind}"
            webhook_id = a_webhook(
                conn, secret_keys(folder), self._server.url + path, tenant=_TENANT, secret=secret
            )  # fmt: skip
            self._webhooks[path] = webhook_id, Verifier(secret_text(secret))
        for number in range(_SCHEDULES):
            first = timedelta(seconds=-_AWAY_S if number == 0 else 2 * number)
            a_schedule(conn, tenant=_TENANT, report_type="slow", parameters={"seconds": 0}, every_s=_EVERY_S,
                       overlap=Overlap.QUEUE, first=first)  # fmt: skip

    def _handler(self) -> type[QuietHandler]:
        told = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                told.treat(self, self.path, {name.lower(): value for name, value in self.headers.items()}, self.body())

        return Handler

    def treat(self, handler: QuietHandler, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Check it, answer it in the way of its receiver, and write down what it was answered."""
        webhook_id, verifier = self._webhooks[path]
        try:
            verifier.verify(body, dict(headers))
        except Exception as error:  # noqa: BLE001 - shown at the end
            self.wrong.append(f"{path} {headers.get('webhook-id')}: {error!r}")
        with self._lock:
            well = self.calm.is_set() or self._chance.random() >= _SHARE
        answer = _well if well else _KINDS[path[1:]]
        # What says 2xx is written down before the relay can know of it.
        status = 204 if answer is _well else None
        event_id = UUID(headers["webhook-id"].removeprefix("msg_"))
        with self._lock:
            self.posted.append(Posted(webhook_id, event_id, body.decode(), status))
            self.met[answer.__name__.strip("_")] += 1
        answer(handler, self.calm)

    def let_time_pass(self, conn: Connection) -> None:
        """What waits for a later try, or for a relay that died, is due now."""
        conn.execute(text("UPDATE webhook_deliveries SET due_at = clock_timestamp() WHERE state = 'waiting'"))
        conn.execute(text("UPDATE webhooks SET throttled_until = NULL"))

    def end_schedules(self, conn: Connection, history: History) -> None:
        """No tick is due from now on. What would have been the next of each is kept for the rules."""
        ended = conn.execute(
            text("UPDATE schedules SET paused_at = now(), paused_by = '', next_tick = NULL, due_at = NULL "
                 "RETURNING id, every_s::float8, extract(epoch FROM begins_at)::float8, "
                 "extract(epoch FROM old.next_tick)::float8")
        )  # fmt: skip
        history.schedules = [ScheduleRow(*row) for row in ended]


def _well(handler: QuietHandler, _: threading.Event) -> None:
    handler.answer(204)


def _refuses(handler: QuietHandler, _: threading.Event) -> None:
    handler.answer(random.choice([400, 404, 500, 503]))


def _throttles(handler: QuietHandler, _: threading.Event) -> None:
    handler.answer(429, headers={"Retry-After": "1"})


def _hangs(handler: QuietHandler, calm: threading.Event) -> None:
    calm.wait(_HANGS_S)
    handler.close_connection = True


def _cuts_off(handler: QuietHandler, _: threading.Event) -> None:
    handler.wfile.write(b"HTTP/1.1 204 No Con")
    handler.wfile.flush()
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def _lies(handler: QuietHandler, _: threading.Event) -> None:
    """It promises more than it sends, or sends the relay elsewhere."""
    handler.wfile.write(
        random.choice([
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
            b"HTTP/1.1 307 Elsewhere\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
            b"SSH-2.0-OpenSSH\r\n",
        ])
    )  # fmt: skip
    handler.wfile.flush()
    handler.close_connection = True


_KINDS: Mapping[str, Callable[[QuietHandler, threading.Event], None]] = {
    "well": _well, "refuses": _refuses, "throttles": _throttles, "hangs": _hangs, "cuts-off": _cuts_off, "lies": _lies,
}  # fmt: skip
"""Path → its bad side."""
