"""PostgreSQL, the emulator and the three services, each a process started as a container would start it."""

import fcntl
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import migrations
from deploy.local.client import ready
from deploy.local.emulator import Emulator
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.processes import LocalFailure, free_port, require_free, spawn, stop, tail, wait_until
from deploy.sample.load import READER, load

ROOT = Path(__file__).parents[2]
SAMPLE_CATALOG = ROOT / "deploy" / "sample" / "catalog"
_DATABASE = "todoke"


class Stack:
    """Runs the whole system, with its data in `folder`. A context manager: leaving it ends every process."""

    def __init__(self, folder: Path, *, api_port: int, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._say = say
        self._api_port = api_port
        self._lock: IO[str] | None = None
        self._postgres = EmbeddedPostgres(folder / "postgres")
        self._emulator = Emulator(folder / "aws")
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        self.metrics_ports: dict[str, int] = {}

    @property
    def url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def artifacts(self) -> Path:
        """Where finished files are."""
        return self._folder / "artifacts"

    @property
    def logs(self) -> Path:
        """Where the services log."""
        return self._folder / "logs"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._claim_folder()
        except OSError as error:
            raise LocalFailure(
                f"{self._folder} cannot be used ({error.strerror}): choose another folder with --data"
            ) from None
        require_free(self._api_port)
        self._say("starting PostgreSQL")
        self._postgres.start()
        self._postgres.create_database(_DATABASE)
        self._say("starting SQS and S3")
        self._emulator.start()
        self._say("migrating")
        migrations.upgrade(self._postgres.dsn(_DATABASE))
        self._say("loading the sample data")
        password = self._reader_password()
        load(
            self._postgres.dsn(_DATABASE),
            reader_password=password,
            on_table=lambda table, rows: self._say(f"  {table}: {rows:,} rows"),
        )
        env = self._environment(password)
        self._say("starting relay, worker and API")
        for name in ("relay", "worker", "api"):
            self._start_service(name, env)
        for name in self._services:
            self._wait_for(name)

    def stop(self) -> None:
        """End the services in order, then what they stand on."""
        for name in ("api", "worker", "relay"):
            if (process := self._services.pop(name, None)) is not None and not stop(process, timeout_s=20):
                self._say(f"{name} had to be killed")
        self._emulator.stop()
        self._postgres.stop()
        if self._lock is not None:
            self._lock.close()

    def failures(self) -> list[str]:
        """One message per service that ended by itself, with the end of its log."""
        return [
            f"{name} ended with exit code {process.returncode}. {tail(self.logs / f'{name}.log')}"
            for name, process in self._services.items()
            if process.poll() is not None
        ]

    def _claim_folder(self) -> None:
        self._lock = (self._folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalFailure(
                f"another `make run` uses {self._folder}: stop it, or choose another folder with --data"
            ) from None

    def _reader_password(self) -> str:
        """The sample reader's password. Kept between starts: a worker may still hold connections with it."""
        file = self._folder / "reader-password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _environment(self, reader_password: str) -> dict[str, str]:
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PG", "API_", "WORKER_", "RELAY_"))}
        return {
            **keep,
            **self._emulator.environment(),
            "DATABASE_URL": self._postgres.dsn(_DATABASE),
            "REPORT_SOURCE_URL": self._postgres.dsn(_DATABASE, user=READER, password=reader_password),
            "SQS_QUEUE_URL": self._make_queues(keep),
            "CATALOG_PATH": str(SAMPLE_CATALOG),
            "ARTIFACT_URL": self.artifacts.resolve().as_uri(),
            "API_HOST": "127.0.0.1",
            "API_PORT": str(self._api_port),
            "METRICS_HOST": "127.0.0.1",
        }

    def _make_queues(self, env: dict[str, str]) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", "setup-queues", "--name", "todoke-jobs", "--json"],
            env={**env, **self._emulator.environment()}, cwd=ROOT, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise LocalFailure(f"the queues could not be made: {done.stderr.strip()[-500:]}")
        url: str = json.loads(done.stdout)["queueUrl"]
        return url

    def _start_service(self, name: str, env: dict[str, str]) -> None:
        port = self._api_port if name == "api" else free_port()
        self.metrics_ports[name] = port
        self._services[name] = spawn(
            [sys.executable, "-m", f"services.{name}"],
            env={**env, "METRICS_PORT": str(port)},
            log=self.logs / f"{name}.log",
            cwd=ROOT,
        )

    def _wait_for(self, name: str) -> None:
        url = f"http://127.0.0.1:{self.metrics_ports[name]}/readyz"
        wait_until(
            lambda: ready(url),
            what=name,
            process=self._services[name],
            log=self.logs / f"{name}.log",
            timeout_s=120,
        )
