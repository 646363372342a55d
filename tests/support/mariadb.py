"""A MariaDB server for tests: Debian's own, on loopback, with a database `shop` and a user who may read it."""

import contextlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from deploy.local.processes import free_port
from tests.support import certificates, debian
from tests.support.eventually import eventually

PASSWORD = "r@:/%?&"
_USERS = f"""\
CREATE USER admin@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO admin@'127.0.0.1';
CREATE USER reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT SELECT, INSERT ON shop.* TO reader@'127.0.0.1';
"""


@dataclass(frozen=True, slots=True)
class MariaDb:
    """A running server."""

    port: int
    certificate: Path
    """The certificate that verifies its name, 127.0.0.1."""

    def admin(self) -> Any:
        """Return a connection with all rights."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="admin", password=PASSWORD, database="shop", autocommit=True
        )

    def run(self, *statements: str) -> None:
        """Run statements without results."""
        with contextlib.closing(self.admin()) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


@contextlib.contextmanager
def running() -> Iterator[MariaDb]:
    """Run a server in its own folder, for as long as the block lasts."""
    # A socket's path is limited to 107 bytes, and pytest's folders are longer.
    with tempfile.TemporaryDirectory(prefix="todoke-mariadb-") as folder:
        yield from _running(Path(folder))


def _running(folder: Path) -> Iterator[MariaDb]:
    program = debian.tool("mariadbd")
    texts = next(
        place / "usr/share/mysql"
        for place in (program.parents[1] / "root", Path("/"))
        if (place / "usr/share/mysql/english").is_dir()
    )
    data = folder / "data"
    data.mkdir()
    common = [
        str(program), "--no-defaults", f"--user={pwd.getpwuid(os.getuid()).pw_name}", f"--datadir={data}",
        f"--lc-messages-dir={texts}", f"--character-sets-dir={texts}/charsets", "--innodb-buffer-pool-size=16M",
        "--innodb-log-file-size=8M",
    ]  # fmt: skip
    tables = "".join((texts / f"mysql_system_tables{part}.sql").read_text() for part in ("", "_data"))
    first = f"create database mysql;\nuse mysql;\n{tables}\ncreate database shop;\n"
    subprocess.run([*common, "--bootstrap"], input=first, text=True, capture_output=True, check=True, timeout=120)
    users = folder / "users.sql"
    users.write_text(_USERS)
    port = free_port()
    certificate, key = certificates.self_signed(folder, "127.0.0.1")
    server = subprocess.Popen(
        [*common, "--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder}/s", f"--pid-file={folder}/pid",
         "--skip-name-resolve", f"--init-file={users}", f"--ssl-cert={certificate}", f"--ssl-key={key}"],
        stdout=subprocess.DEVNULL, stderr=(folder / "log").open("wb"),
    )  # fmt: skip
    try:
        one = MariaDb(port, certificate)
        eventually(lambda: _answers(one), within_s=40)
        yield one
    finally:
        server.terminate()
        server.wait(timeout=60)


def _answers(server: MariaDb) -> bool:
    try:
        server.admin().close()
    except pymysql.MySQLError:
        return False
    return True
