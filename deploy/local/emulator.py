"""SQS and S3 on a loopback port, from the PyPI package ministack."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.processes import free_port, spawn, stop, wait_until

REGION = "us-east-1"
_CREDENTIALS = "test"


class Emulator:
    """Runs one emulator, whose queues and objects stay in `folder`. Its process ends with this one."""

    def __init__(self, folder: Path, *, port: int = 0, services: str = "sqs,s3") -> None:
        self._folder = folder
        self._services = services
        self.log = folder / "emulator.log"
        """Its output."""
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port

    def start(self) -> Self:
        """Start it and wait until it answers. Raises LocalFailure."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        env = {
            **os.environ,
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "SERVICES": self._services,
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._folder / "s3"),
            "IOT_MTLS_ENABLED": "0",
            # It refuses a presigned link whose key is not its own root key.
            "AWS_ACCESS_KEY_ID": _CREDENTIALS,
            "AWS_SECRET_ACCESS_KEY": _CREDENTIALS,
            "AWS_SESSION_TOKEN": "",
        }
        self._process = spawn([sys.executable, "-m", "ministack"], env=env, log=self.log, cwd=self._folder)
        wait_until(self._answers, what="the SQS emulator", process=self._process, log=self.log, timeout_s=60)
        return self

    def stop(self) -> None:
        """Save its state and stop it."""
        if self._process is not None:
            stop(self._process)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def has_ended(self) -> bool:
        """True if it was started, but has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process else None

    @property
    def endpoint_url(self) -> str:
        """The address of SQS and S3."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """Return the standard AWS variables that direct a client here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": _CREDENTIALS,
            "AWS_SECRET_ACCESS_KEY": _CREDENTIALS,
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=2) as answer:  # noqa: S310 - our own loopback address
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
