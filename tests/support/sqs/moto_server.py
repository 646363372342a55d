"""Moto's server on a loopback port: a second opinion on the behaviour of SQS."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.processes import free_port, spawn, stop, wait_until

_SERVE = "from moto.server import main; main()"


class MotoServer:
    """One server. Its process ends with this one."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "moto.log"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", _SERVE, "-H", "127.0.0.1", "-p", str(self._port)]
        self._process = spawn(command, env=dict(os.environ), log=self._log)
        wait_until(self._answers, what="moto", process=self._process, log=self._log, timeout_s=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            stop(self._process)

    def environment(self) -> dict[str, str]:
        """Return the standard AWS variables that direct a client here."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/moto-api/", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
