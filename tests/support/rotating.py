"""AWS credentials that are renewed before every call, and a server that records whose key signed."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.http_server import LoopbackServer, QuietHandler

# What a platform's helper prints (AWS SDKs reference, "Process credential provider"): another key each time.
_HELPER = """
import json, pathlib, sys
counter = pathlib.Path(sys.argv[1])
number = int(counter.read_text() or 0) + 1 if counter.exists() else 1
counter.write_text(str(number))
print(json.dumps({"Version": 1, "AccessKeyId": f"KEY{number}", "SecretAccessKey": "s", "Expiration": sys.argv[2]}))
"""


class Listening(LoopbackServer):
    """An SQS server without messages and an S3 server without objects, until the block ends."""

    def __init__(self) -> None:
        self.keys: list[int] = []
        """The number of the key of each call, in order."""
        listening = self

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                self.body()
                self._note()
                self.answer(200, json.dumps({"Attributes": {"QueueArn": "arn"}}).encode())

            def do_HEAD(self) -> None:
                self._note()
                self.answer(404)

            def _note(self) -> None:
                listening.keys += [int(n) for n in re.findall(r"Credential=KEY(\d+)/", self.headers["Authorization"])]

        super().__init__(Handler)


def renew_always(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install credentials that are renewed on every use: they expire within the renewal period."""
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    (folder / "helper.py").write_text(_HELPER)
    command = f"{sys.executable} {folder / 'helper.py'} {folder / 'counter'} {soon}"
    (folder / "config").write_text(f"[default]\ncredential_process = {command}\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))
