"""PgBouncer in transaction mode in front of a database, as platforms run it."""

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy.engine import make_url

from deploy.local.processes import free_port, spawn, stop, wait_until
from tests.support.debian import tool

_CONFIGURATION = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = {auth}
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {server_connections}
server_reset_query = DISCARD ALL
ignore_startup_parameters = {ignored}
"""


class PgBouncer:
    """Every role shares `server_connections` among all its clients. Its process ends with this one.

    `auth` is how clients log in: `plain`, or `scram-sha-256` with salts of its own. `ignored`: start-up parameters that
    it accepts and drops.
    """

    def __init__(
        self, urls: dict[str, str], *, server_connections: int, auth: str = "plain", ignored: str = ""
    ) -> None:
        self._program = tool("pgbouncer")
        self._folder = Path(tempfile.mkdtemp(prefix="todoke-pgbouncer-"))
        self.log = self._folder / "pgbouncer.log"
        """PgBouncer's log."""
        self.port = free_port()
        any_url = make_url(next(iter(urls.values())))
        (self._folder / "users").write_text(
            "".join(f'"{make_url(url).username}" "{make_url(url).password}"\n' for url in urls.values())
        )
        (self._folder / "pgbouncer.ini").write_text(
            _CONFIGURATION.format(
                host=any_url.host, port=any_url.port, listen_port=self.port, folder=self._folder,
                server_connections=server_connections, auth=auth, ignored=ignored,
            )
        )  # fmt: skip
        self._root = os.geteuid() == 0
        if self._root:  # it refuses to run as root
            for path in (self._folder, *self._folder.iterdir()):
                shutil.chown(path, "nobody")
        self.urls = {
            name: make_url(url).set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)
            for name, url in urls.items()
        }
        """The same databases and roles, through it."""

    def __enter__(self) -> Self:
        self._process = spawn(
            [str(self._program), str(self._folder / "pgbouncer.ini")], env={"PATH": "/usr/bin:/bin"}, log=self.log,
            cwd=self._folder, user="nobody" if self._root else None,
        )  # fmt: skip
        wait_until(self._answers, what="PgBouncer", process=self._process, log=self.log, timeout_s=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self._process)
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        try:
            psycopg.connect(next(iter(self.urls.values())), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True
