"""Credentials that are renewed while the system runs: each call is signed with those of its moment."""

import json
import re
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.queues.calls import ClientKind
from shared.queues.sqs import SqsQueue

# What a platform's helper prints (AWS SDKs reference, "Process credential provider"): another key each time.
_HELPER = """
import json, pathlib, sys
counter = pathlib.Path(sys.argv[1])
number = int(counter.read_text() or 0) + 1 if counter.exists() else 1
counter.write_text(str(number))
print(json.dumps({"Version": 1, "AccessKeyId": f"KEY{number}", "SecretAccessKey": "s", "Expiration": sys.argv[2]}))
"""


class Listening:
    """An SQS server that only writes down whose key signed."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        listening = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                listening.keys += re.findall(r"Credential=(\w+)/", self.headers["Authorization"])
                body = json.dumps({"Attributes": {"QueueArn": "arn"}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listening() -> Iterator[Listening]:
    one = Listening()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.mark.parametrize("kind", ["thin", "boto3"])
def test_a_call_is_signed_with_the_credentials_of_its_moment(
    kind: ClientKind, listening: Listening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Expiring within the minutes in which they are renewed anyway, so every call asks anew.
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    (tmp_path / "helper.py").write_text(_HELPER)
    command = f"{sys.executable} {tmp_path / 'helper.py'} {tmp_path / 'counter'} {soon}"
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {command}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listening.server.server_address[1]}")
    queue = SqsQueue("http://127.0.0.1/0/q", region="us-east-1", client=kind)

    for _ in range(3):
        queue.receive(1, wait_s=0, visibility_s=30)

    numbers = [int(key.removeprefix("KEY")) for key in listening.keys]
    assert len(numbers) == 3
    assert numbers == sorted(set(numbers))
