"""`todoke webhooks`: what is sent, and what is written, with an API in this process."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.client.fake_api import Handler, World
from tests.client.samples import JOB_ID
from tests.support.http_server import LoopbackServer
from todoke.cli.app import run

WEBHOOK: dict[str, Any] = {
    "webhookId": JOB_ID, "url": "https://example.com/todoke", "types": ["job.failed"], "reportTypes": None,
    "description": "", "state": "enabled", "disabledBecause": None, "version": 2,
}  # fmt: skip
DELIVERY: dict[str, Any] = {
    "deliveryId": JOB_ID, "messageId": "msg_1", "type": "job.failed", "jobId": JOB_ID, "state": "dead", "attempts": 10,
    "lastStatus": 500, "lastError": None, "body": "{}", "tried": [],
}  # fmt: skip


class Webhooks(Handler):
    """Serves webhooks beside the rest."""

    def do_PATCH(self) -> None:
        self._do("PATCH")

    def _rest(self, method: str) -> None:
        path = urlsplit(self.path).path
        if not path.startswith("/v1/webhooks"):
            super()._rest(method)
        elif path == "/v1/webhooks" and method == "GET":
            self._json(200, {"webhooks": [WEBHOOK], "nextPageToken": None})
        elif path == "/v1/webhooks":
            self._json(201, {**WEBHOOK, "secret": "whsec_abc", "secretShown": True})
        elif path.endswith(":test"):
            self._json(202, {"deliveryId": JOB_ID, "links": {}})
        elif path.endswith(":rotate"):
            told = {"webhookId": JOB_ID, "secret": "whsec_new", "oldEndsAt": "2026-01-31T12:00:00+00:00"}
            self._json(200, told)
        elif path.endswith("/deliveries"):
            self._json(200, {"deliveries": [DELIVERY], "nextPageToken": None})
        elif path.endswith(f"{JOB_ID}:redeliver") and "/deliveries/" not in path:
            self._json(202, {"deliveries": 3, "links": {}})
        elif "/deliveries/" in path:
            self._json(202 if method == "POST" else 200, DELIVERY)
        elif method == "DELETE":
            self.answer(204)
        else:
            self._json(200, WEBHOOK, {"ETag": '"2"'})


@pytest.fixture
def world() -> World:
    return World()


Todoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def todoke(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Todoke]:
    """Runs a command against the API: its exit code, and what it wrote."""
    handler = type("Serving", (Webhooks,), {"world": world})
    with LoopbackServer(handler) as server:
        monkeypatch.setenv("TODOKE_URL", server.url)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        monkeypatch.delenv("TODOKE_API_KEY", raising=False)

        def ran(*arguments: str) -> tuple[int, str, str]:
            monkeypatch.setattr("sys.stdin", io.StringIO())
            code = run(["webhooks", *arguments])
            told = capsys.readouterr()
            return code, told.out, told.err

        yield ran


def asked(world: World) -> tuple[str, str, Any]:
    """The last request: method, path, body."""
    method, path, _, body = world.asked[-1]
    return method, path, json.loads(body) if body else None


def test_a_secret_is_written_once_and_only_where_data_goes(todoke: Todoke, world: World) -> None:
    code, out, err = todoke(
        "create", "https://example.com/todoke", "--event", "job.failed", "--type", "calendar", "-o", "json"
    )  # fmt: skip

    assert (code, json.loads(out)["secret"]) == (0, "whsec_abc")
    assert "whsec_" not in err
    sent = {"url": "https://example.com/todoke", "types": ["job.failed"], "reportTypes": ["calendar"]}
    assert asked(world) == ("POST", "/v1/webhooks", sent)
    assert todoke("create", "https://example.com/", "-o", "id")[1] == f"{JOB_ID}\n"


def test_a_webhook_is_changed_and_switched_off(todoke: Todoke, world: World) -> None:
    assert todoke("update", JOB_ID, "--disable", "--address", "https://example.com/2")[0] == 0
    assert asked(world) == ("PATCH", f"/v1/webhooks/{JOB_ID}", {"url": "https://example.com/2", "enabled": False})
    code, _, err = todoke("update", JOB_ID)
    assert (code, "nothing to change" in err) == (2, True)


def test_what_it_was_told_is_listed_and_asked_for_again(todoke: Todoke, world: World) -> None:
    code, out, _ = todoke("deliveries", JOB_ID, "--state", "dead", "-o", "jsonl")
    assert (code, json.loads(out)["messageId"]) == (0, "msg_1")
    assert asked(world)[1] == f"/v1/webhooks/{JOB_ID}/deliveries?state=dead&pageSize=20"
    assert todoke("redeliver", JOB_ID, JOB_ID)[0] == 0
    assert asked(world)[:2] == ("POST", f"/v1/webhooks/{JOB_ID}/deliveries/{JOB_ID}:redeliver")
    code, out, _ = todoke("redeliver", JOB_ID, "--since", "2026-01-31T00:00:00Z", "-o", "json")
    assert (code, json.loads(out)["deliveries"]) == (0, 3)
    assert asked(world)[2] == {"since": "2026-01-31T00:00:00Z"}
    assert todoke("redeliver", JOB_ID)[0] == 2


def test_the_rest_asks_what_it_says(todoke: Todoke, world: World) -> None:
    assert json.loads(todoke("list", "-o", "json")[1])["webhooks"] == [WEBHOOK]
    assert todoke("show", JOB_ID, "-o", "id")[1] == f"{JOB_ID}\n"
    assert json.loads(todoke("test", JOB_ID, "-o", "json")[1])["deliveryId"] == JOB_ID
    assert json.loads(todoke("rotate", JOB_ID, "--overlap", "12h", "-o", "json")[1])["secret"] == "whsec_new"
    assert asked(world)[2] == {"overlapSeconds": 43_200}
    assert json.loads(todoke("delivery", JOB_ID, JOB_ID, "-o", "json")[1])["body"] == "{}"
    code, _, err = todoke("delete", JOB_ID)
    assert (code, "--yes" in err) == (2, True)
    assert todoke("delete", JOB_ID, "--yes")[0] == 0
    assert asked(world)[:2] == ("DELETE", f"/v1/webhooks/{JOB_ID}")
