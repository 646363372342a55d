"""The fast SQS endpoint as a separate process, so that it does not share an interpreter with the code under
measurement.
"""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.processes import free_port, spawn, stop, wait_until

ROOT = Path(__file__).parents[3]


class FastSqs:
    """One endpoint until the block ends."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "fast-sqs.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.support.sqs.fast_server", str(self.port)]
        self._process = spawn(command, env=os.environ, log=self._log, cwd=ROOT)
        wait_until(self._answers, what="the fast SQS", process=self._process, log=self._log, timeout_s=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            stop(self._process)

    def queue(self, name: str) -> str:
        """Create a queue. Returns its URL."""
        return str(self.call("CreateQueue", {"QueueName": name})["QueueUrl"])

    def environment(self) -> dict[str, str]:
        """Return the standard AWS variables that direct a client here."""
        return {
            "AWS_ENDPOINT_URL": self.url, "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        }  # fmt: skip

    def call(self, operation: str, body: dict[str, object]) -> dict[str, object]:
        """Make one call, unsigned."""
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.url, json.dumps(body).encode(), {"X-Amz-Target": f"AmazonSQS.{operation}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            found: dict[str, object] = json.load(answer)
            return found

    def _answers(self) -> bool:
        try:
            self.call("ListQueues", {})
        except OSError:
            return False
        return True
