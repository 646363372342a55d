"""The ops server answers /healthz, /readyz and /metrics for relay and worker."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shared.errors import TodokeError
from shared.runtime.listening import CannotListen, family_of
from shared.runtime.metrics.exposition import CONTENT_TYPE, exposition

log = logging.getLogger(__name__)

Checks = Mapping[str, Callable[[], None]]
"""The dependencies of a service that is ready. Each check returns, or raises a TodokeError that says what is wrong."""


def problems(checks: Checks) -> dict[str, str]:
    """Run every check. Returns those that fail, with their reasons; of one that is broken the log has the rest."""
    found = {}
    for name, check in checks.items():
        try:
            check()
        except TodokeError as error:
            found[name] = str(error)
        except Exception as error:
            log.error("check.broken", exc_info=error, extra={"check": name})
            found[name] = f"its check is broken ({type(error).__name__}); the log has more"
    return found


class OpsServer:
    """Serves in a thread until `close`. Healthy means that the process answers, ready that every check passes.

    Raises CannotListen.
    """

    def __init__(self, host: str, port: int, checks: Checks) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10  # a silent client may not hold a thread

            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                if path == "/metrics":
                    self._answer(200, exposition(), CONTENT_TYPE)
                elif path == "/healthz":
                    self._json(200, {"status": "ok"})
                elif path == "/readyz":
                    failing = problems(checks)
                    self._json(503 if failing else 200, {"status": "unready" if failing else "ok", "problems": failing})
                else:
                    self._json(404, {"status": "not found", "try": ["/healthz", "/readyz", "/metrics"]})

            def _json(self, status: int, body: Mapping[str, Any]) -> None:
                self._answer(status, json.dumps(body).encode(), "application/json")

            def _answer(self, status: int, body: bytes, content_type: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing: a probe every few seconds is not worth a line."""

        try:
            self._server = _server_class(host)((host, port), Handler)
        except OSError as error:
            raise CannotListen(error, "METRICS", host, port) from error
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        """The port in use. The system chose it if `port` was 0."""
        self._thread = threading.Thread(target=self._server.serve_forever, name="ops", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()


def _server_class(host: str) -> type[ThreadingHTTPServer]:
    """Return a server class for the address family of `host`. The standard one knows IPv4 only."""

    class Server(ThreadingHTTPServer):
        address_family = family_of(host)

        def handle_error(self, request: object, client_address: object) -> None:
            """Log one line, where the standard server prints a traceback; a client that left is not worth one."""
            del request
            error = sys.exception()
            if not isinstance(error, ConnectionError | TimeoutError):
                log.error("ops.broken", exc_info=error, extra={"client": str(client_address)})

    return Server
