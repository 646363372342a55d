"""HTTP servers for tests: a handler on a free port of the loopback, until the block ends."""

import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

_NONE: Mapping[str, str] = MappingProxyType({})


class QuietHandler(BaseHTTPRequestHandler):
    """Keeps its connections open, writes no log, and answers in one piece."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body are sent together
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Let the client continue at once: an S3 client waits a second for this before it sends a file."""
        goes_on = super().handle_expect_100()
        self.wfile.flush()
        return goes_on

    def body(self) -> bytes:
        """Return the bytes that the client sent."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, content: bytes = b"", headers: Mapping[str, str] = _NONE) -> None:
        """Send an answer with its length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: each server keeps what its tests check."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Ignore the error: a client that was killed is expected."""


class LoopbackServer:
    """Listens from its construction until the block ends."""

    def __init__(self, handler: type[QuietHandler], port: int = 0, *, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: the files of a certificate and of its key, for TLS."""
        self._server = _Server(("127.0.0.1", port), handler)
        self._scheme = "http"
        if tls is not None:
            speaking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            speaking.load_cert_chain(*tls)
            # Each client's handshake runs in the thread that serves it, so that a stalled one blocks no other.
            self._server.socket = speaking.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
