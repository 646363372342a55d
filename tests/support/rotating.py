"""AWS credentials that are renewed before every call, and a server that writes down whose key signed."""

import json
import re
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

# What a platform's helper prints (AWS SDKs reference, "Process credential provider"): another key each time.
_HELPER = """
import json, pathlib, sys
counter = pathlib.Path(sys.argv[1])
number = int(counter.read_text() or 0) + 1 if counter.exists() else 1
counter.write_text(str(number))
print(json.dumps({"Version": 1, "AccessKeyId": f"KEY{number}", "SecretAccessKey": "s", "Expiration": sys.argv[2]}))
"""


class Listening:
    """An SQS server without messages and an S3 server without objects, until the block ends."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        """The number of the key of each call, in order."""
        listening = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(200, json.dumps({"Attributes": {"QueueArn": "arn"}}).encode())

            def do_HEAD(self) -> None:
                self._answer(404, b"")

            def _answer(self, status: int, body: bytes) -> None:
                listening.keys += [int(n) for n in re.findall(r"Credential=KEY(\d+)/", self.headers["Authorization"])]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def renew_always(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials whose every use asks for new ones: they expire within the minutes in which they are renewed."""
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    (folder / "helper.py").write_text(_HELPER)
    command = f"{sys.executable} {folder / 'helper.py'} {folder / 'counter'} {soon}"
    (folder / "config").write_text(f"[default]\ncredential_process = {command}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
