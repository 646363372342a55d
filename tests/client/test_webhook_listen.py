"""`todoke webhooks listen` as a process: real signatures on this machine, and nothing left behind after Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook as Receiver

from tests.client.fake_api import Handler, World
from tests.client.samples import JOB_ID
from tests.support.eventually import eventually
from tests.support.http_server import LoopbackServer
from tests.support.webhooks import Listener
from todoke.cli.listening import NOWHERE

ROOT = Path(__file__).parents[2]
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
WEBHOOK = {"webhookId": JOB_ID, "url": NOWHERE, "types": [], "state": "enabled", "version": 1}


class Api(Handler):
    """Serves one webhook and the deliveries of `told`."""

    told: ClassVar[list[str]] = []

    def _rest(self, method: str) -> None:
        path = urlsplit(self.path).path
        if path == "/v1/webhooks" and method == "POST":
            self._json(201, {**WEBHOOK, "secret": SECRET, "secretShown": True})
        elif path.endswith("/deliveries"):
            self._json(200, {"deliveries": [self._delivery(one) for one in reversed(self.told)], "nextPageToken": None})
        elif "/deliveries/" in path:
            self._json(200, {**self._delivery(path.rpartition("/")[2]), "tried": []})
        elif method == "DELETE":
            self.answer(204)
        else:
            super()._rest(method)

    def _delivery(self, delivery: str) -> dict[str, Any]:
        body = json.dumps({"type": "job.failed", "timestamp": "2026-01-31T12:00:00Z", "data": {"n": delivery}})
        return {"deliveryId": delivery, "messageId": f"msg_{delivery[-1]}", "type": "job.failed", "body": body,
                "state": "waiting", "attempts": 0, "jobId": JOB_ID}  # fmt: skip


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def api(world: World) -> Iterator[tuple[str, list[str]]]:
    """Its address, and the ids of what there is to tell."""
    told: list[str] = []
    with LoopbackServer(type("Serving", (Api,), {"world": world, "told": told})) as server:
        yield server.url, told


def the_id(n: int) -> str:
    return f"{JOB_ID[:-1]}{n}"


def deleted(world: World) -> list[str]:
    return [path for method, path, *_ in world.asked if method == "DELETE"]


def test_what_happens_is_posted_here_with_real_signatures_until_ctrl_c(
    api: tuple[str, list[str]], world: World, tmp_path: Path
) -> None:
    url, told = api
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "TODOKE_URL": url, "PYTHONPATH": str(ROOT / "client"),


    }  # fmt: skip
    with Listener() as listener:
        arguments = ["webhooks", "listen", "--forward-to", f"{listener.url}/in", "--event", "job.failed", "-o", "jsonl"]
        started = [sys.executable, "-m", "todoke.cli", *arguments]
        pipe = subprocess.PIPE
        with subprocess.Popen(started, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
            try:
                told += [the_id(1), the_id(2)]
                eventually(lambda: len(listener.heard) == 2, within_s=60, what="both are told")
                listener.answer = lambda _: (500, b"", {})
                told.append(the_id(3))
                eventually(lambda: len(listener.heard) == 3, within_s=60, what="the third is told")
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert SECRET in err
    assert SECRET not in out
    assert [json.loads(line)["status"] for line in out.splitlines()][:2] == [204, 204]
    for n, heard in enumerate(listener.heard, 1):
        read = Receiver(SECRET).verify(heard.body, dict(heard.headers))
        assert (heard.path, heard.headers["webhook-id"], read["data"]["n"]) == ("/in", f"msg_{n}", the_id(n))
    assert deleted(world) == [f"/v1/webhooks/{JOB_ID}"]
    made = json.loads(next(body for method, path, _, body in world.asked if method == "POST"))
    assert made == {"url": NOWHERE, "types": ["job.failed"], "description": "todoke webhooks listen"}
