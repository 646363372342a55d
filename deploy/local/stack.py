"""PostgreSQL, the emulator and the three services, each a process started as a container would start it."""

import base64
import functools
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

import migrations
from deploy.local.choices import Choices
from deploy.local.claim import Claim, told_of_the_last
from deploy.local.emulator import Emulator
from deploy.local.keeping import Keeper
from deploy.local.keys import Door, open_door, own_key
from deploy.local.postgres import EmbeddedPostgres, psql
from deploy.local.processes import LocalFailure, ask, ends, free_port, ready, require_free, spawn, tail, wait_until
from deploy.local.remedies import require_room
from deploy.local.variables import for_a_shell
from deploy.sample.load import READER, load
from shared.database.engine import create_engine
from shared.jobs.backlog import measure

ROOT = Path(__file__).parents[2]
_DATABASE = "todoke"
_GRACE_S = 10
"""For running reports at Ctrl-C: a person is waiting. In production it is 25 s."""
_STOP_S = 10
"""In addition to the grace period, for giving jobs back and for a busy machine."""
_MOST_FILES = 10_000
"""The most files that are counted; more are shown as "or more"."""
_NOT_OURS = (
    "AWS_", "PG", "API_", "WORKER_", "RELAY_", "DATABASE_", "SQS_", "METRICS_", "CATALOG_", "ARTIFACT_", "SECRETS_",
    "WEBHOOK_",
)  # fmt: skip
"""Variables of the user's shell that would direct the services elsewhere."""


class Stack:
    """Runs the whole system, with its data in `folder`. A context manager: leaving it ends every process."""

    grace_s = _GRACE_S

    def __init__(self, folder: Path, *, api_port: int, choices: Choices, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._choices = choices
        self._say = say
        self._api_port = api_port
        self._claim: Claim | None = None
        self._postgres = EmbeddedPostgres(folder / "postgres")
        self._emulator = Emulator(folder / "aws")
        self._keeper = Keeper(self._spawn, self._is_ready, say=say, logs=self.logs)
        self._env: Mapping[str, str] = {}
        self.metrics_ports: dict[str, int] = {}

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self._api_port}"

    @property
    def artifacts(self) -> Path:
        """The folder of the finished files."""
        return self._folder / "artifacts"

    @property
    def latest(self) -> Path:
        """The folder with links to the newest finished files."""
        return self._folder / "latest"

    @property
    def logs(self) -> Path:
        """The folder of the services' logs."""
        return self._folder / "logs"

    @property
    def variables(self) -> Path:
        """A file for `.` in a shell, which directs commands to this stack. It contains passwords."""
        return self._folder / "env"

    @property
    def catalog(self) -> Path:
        """The folder of the report types that are served."""
        return self._choices.catalog

    @property
    def samples(self) -> bool:
        """True if they are the sample reports."""
        return self._choices.sample

    @property
    def psql(self) -> Path:
        """A client for the tables: a short name for the one that comes with the server."""
        link = self._folder / "psql"
        link.unlink(missing_ok=True)
        link.symlink_to(psql())
        return link

    @functools.cached_property
    def own_key(self) -> str | None:
        """An API key for the first reports; None if none is required."""
        return own_key(self._postgres.dsn(_DATABASE)) if self._choices.keys else None

    def open_door(self) -> Door | None:
        """Return what gives the user access; None if nothing is required."""
        return open_door(self._postgres.dsn(_DATABASE), self.url) if self._choices.keys else None

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
            self._claim = Claim(self._folder)
        except OSError as error:
            raise LocalFailure(
                f"{self._folder} cannot be used ({error.strerror}): choose another folder with --data"
            ) from None
        require_free(self._api_port)
        if (self._folder / "postgres" / "data").exists():
            self._tell_of_the_last(self._claim)
        else:
            require_room(self._folder)
        self._claim.write(self.url)
        self._say("starting PostgreSQL")
        self._postgres.start()
        self._postgres.create_database(_DATABASE)
        self._say("starting SQS and S3")
        self._emulator.start()
        self._say("migrating")
        migrations.upgrade(self._postgres.dsn(_DATABASE))
        self._tell_unfinished()
        self._env = self._environment(self._source())
        self._write_variables(self._env)
        self._say("starting relay, worker and API")
        for name in ("relay", "worker", "api"):
            self.metrics_ports[name] = self._api_port if name == "api" else free_port()
            self._keeper.start(name)
        for name, process in self._keeper.processes.items():
            wait_until(
                partial(self._is_ready, name), what=name, process=process, log=self.logs / f"{name}.log", timeout_s=120
            )

    def _tell_of_the_last(self, claim: Claim) -> None:
        files = sum(1 for _ in islice((f for f in self.artifacts.rglob("*") if f.is_file()), _MOST_FILES))
        many = f"{files:,} finished file{'' if files == 1 else 's'}{' or more' if files == _MOST_FILES else ''}"
        self._say(f"{self._folder} has the data of an earlier start, with {many}: {told_of_the_last(claim.before)}")

    def _tell_unfinished(self) -> None:
        """Mention unfinished jobs, which are done before the new ones: otherwise these would look stuck."""
        engine = create_engine(self._postgres.dsn(_DATABASE), application_name="todoke-local")
        try:
            with engine.connect() as conn:
                backlog = measure(conn, late_after_s=0)
        finally:
            engine.dispose()
        count = backlog.waiting + backlog.delayed + backlog.running
        if count:
            jobs = "1 unfinished job" if count == 1 else f"{count} unfinished jobs"
            self._say(f"{jobs} of the last run {'goes' if count == 1 else 'go'} on first")
        if backlog.running:
            self._say(
                f"  {backlog.running} of them when the lease of the worker that was killed has run out: 30 s at most"
            )

    def _source(self) -> str:
        """Return the database that queries read: the user's, or the loaded sample data."""
        if self._choices.source:
            return self._choices.source
        self._say("loading the sample data")
        password = self._reader_password()
        load(
            self._postgres.dsn(_DATABASE),
            reader_password=password,
            on_table=lambda table, rows: self._say(f"  {table}: {rows:,} rows"),
        )
        return self._postgres.dsn(_DATABASE, user=READER, password=password)

    def stop(self) -> None:
        """Stop the services, then what they depend on. If it is interrupted, it stops all of them at once."""
        try:
            for process in self._keeper.processes.values():
                ask(process)
            for name, process in self._keeper.processes.items():
                if not ends(process, timeout_s=_GRACE_S + _STOP_S):
                    self._say(f"{name} had to be killed")
        except BaseException:
            for process in self._keeper.processes.values():
                process.kill()
            raise
        finally:
            self._keeper.forget()
            self._emulator.stop()
            self._postgres.stop()
            if self._claim is not None:
                self._claim.release()

    def tend(self) -> None:
        """Restart services that have died, and say so. Raises LocalFailure if that does not help."""
        for what, part in (("PostgreSQL", self._postgres), ("the SQS emulator", self._emulator)):
            if part.has_ended:
                raise LocalFailure(f"{what} has ended, and nothing works without it. {tail(part.log)}")
        self._keeper.tend()

    def _reader_password(self) -> str:
        """Return the sample reader's password.

        It is kept between starts: a worker may still have connections with it.
        """
        return self._kept("reader-password", secrets.token_urlsafe(24)).read_text()

    def _secret_keys(self) -> Path:
        """Return the keys of secrets in the database. They are kept between starts, as those secrets are."""
        return self._kept("secrets.keys", f"local {base64.b64encode(secrets.token_bytes(32)).decode()}\n").resolve()

    def _kept(self, name: str, new: str) -> Path:
        """Return the file of that name, with the content of an earlier start; at the first start, `new`."""
        file = self._folder / name
        if not file.exists() or not file.read_text():  # interrupted before it was written
            _write_secret(file, new)
        return file

    def _write_variables(self, env: Mapping[str, str]) -> None:
        wanted = (
            "DATABASE_URL", "REPORT_SOURCE_URL", "REPORT_SOURCES", "CATALOG_PATH", "SQS_QUEUE_URL", "ARTIFACT_URL",
            "SECRETS_KEY_FILE", *self._emulator.environment(),
        )  # fmt: skip
        _write_secret(self.variables, for_a_shell({name: env[name] for name in wanted if env.get(name)}, self.url))

    def _environment(self, source: str) -> dict[str, str]:
        keep = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_OURS)}
        keep.pop("REPORT_SOURCE_URL_FILE", None)
        return {
            **keep,
            **self._emulator.environment(),
            **self._choices.environment(),
            "DATABASE_URL": self._postgres.dsn(_DATABASE),
            "REPORT_SOURCE_URL": source,
            "SQS_QUEUE_URL": self._make_queues(keep),
            "ARTIFACT_URL": self.artifacts.resolve().as_uri(),
            "SECRETS_KEY_FILE": str(self._secret_keys()),
            # A user who tries webhooks here listens on this machine.
            "WEBHOOK_NETWORKS": "loopback",
            "WEBHOOK_PORTS": "1-65535",
            "API_HOST": "127.0.0.1",
            "API_PORT": str(self._api_port),
            "METRICS_HOST": "127.0.0.1",
            "WORKER_GRACE_S": str(_GRACE_S),
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

    def _spawn(self, name: str) -> "subprocess.Popen[bytes]":
        return spawn(
            [sys.executable, "-m", f"services.{name}"],
            env={**self._env, "METRICS_PORT": str(self.metrics_ports[name])},
            log=self.logs / f"{name}.log",
            cwd=ROOT,
        )

    def _is_ready(self, name: str) -> bool:
        return ready(f"http://127.0.0.1:{self.metrics_ports[name]}/readyz")


def _write_secret(file: Path, text: str) -> None:
    """Write the file completely or not at all, and never readable by others."""
    new = file.with_name(f"{file.name}.new")
    new.touch(mode=0o600)
    new.write_text(text)
    new.replace(file)
