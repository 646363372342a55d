"""The API on a real socket, in a thread of the test's own process."""

import contextlib
import functools
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import uvicorn

from services.api.__main__ import uvicorn_options
from services.api.app import create_app
from services.api.assembly import assemble
from services.api.http.protocol import BoundedProtocol, Limits
from services.api.settings import ApiSettings
from tests.support.eventually import eventually

_LIMIT_S = 30
"""The limit of each wait for an answer; no wait comes near it."""


class Connection:
    """A client's connection, byte by byte."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_LIMIT_S)

    def send(self, content: bytes) -> "Connection":
        """Send it, unless the other side has closed."""
        with contextlib.suppress(ConnectionError):
            self._socket.sendall(content)
        return self

    def end(self) -> bytes:
        """Return everything that arrives until the server closes."""
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := self._socket.recv(65_536):
                got += chunk
        return got

    def answer(self) -> bytes:
        """Return one answer that has a Content-Length."""
        got = b""
        while b"\r\n\r\n" not in got:
            chunk = self._socket.recv(1)
            if not chunk:
                raise ConnectionError(f"closed after {got!r}")
            got += chunk
        lengths = [line for line in got.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        for _ in range(int(lengths[0].split()[1]) if lengths else 0):
            got += self._socket.recv(1)
        return got

    def closed(self, *, reading: bool = True) -> bool:
        """True if the server has closed. With `reading`, what has arrived is discarded."""
        self._socket.setblocking(False)
        try:
            if reading:
                while self._socket.recv(65_536):
                    pass
                return True
            self._socket.sendall(b"")
            poll = select.poll()
            poll.register(self._socket, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
            return bool(poll.poll(10))
        except BlockingIOError:
            return False
        except ConnectionError:
            return True
        finally:
            self._socket.settimeout(_LIMIT_S)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ApiServer:
    """Serves on a free port of the loopback."""

    def __init__(self, server: uvicorn.Server) -> None:
        self.server = server

    @property
    def port(self) -> int:
        """The port."""
        return int(self.server.servers[0].sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The address for HTTP clients."""
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> Connection:
        """Open a new connection."""
        return Connection(self.port)


@contextlib.contextmanager
def serving(database_url: str, folder: Path, limits: Limits | None = None, **settings: str) -> Iterator[ApiServer]:
    """Run the API until the block ends."""
    environment = {
        "DATABASE_URL": database_url, "ARTIFACT_URL": folder.as_uri(), "API_HOST": "127.0.0.1", **settings,
    }  # fmt: skip
    checked = ApiSettings.from_environment(environment)
    options = {**uvicorn_options(checked), "port": 0}
    if limits is not None:
        options["http"] = functools.partial(BoundedProtocol, limits=limits)
    server = uvicorn.Server(uvicorn.Config(create_app(assemble(checked)), **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started, what="the API serves")
    try:
        yield ApiServer(server)
    finally:
        server.should_exit = True
        thread.join(_LIMIT_S)
        assert not thread.is_alive(), "the API did not stop"
