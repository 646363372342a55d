"""An S3 store of another vendor: the emulator behind a proxy that refuses or drops a header, or answers instead."""

import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.support.http_server import LoopbackServer, QuietHandler

_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request to the proxy."""

    method: str
    path: str
    headers: Mapping[str, str]
    """By lower-case names."""


Refuse = Callable[[Request], tuple[int, str] | None]
"""The status and code to answer a request with instead, or None."""


def _nothing(_: Request) -> None:
    return None


class S3Proxy(LoopbackServer):
    """Listens until the block ends. `seen` holds every request in order."""

    def __init__(self, behind: str, *, refuse: Refuse = _nothing, drop: str = "") -> None:
        """`drop`: headers whose names begin so are not forwarded, as by a store that does not know them."""
        self.refuse = refuse
        self.seen: list[Request] = []
        proxy, host = self, urlsplit(behind).netloc

        class Handler(QuietHandler):
            def _pass_on(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request, body = Request(self.command, self.path, headers), self.body()
                proxy.seen.append(request)
                if (refusal := proxy.refuse(request)) is not None:
                    self._refuse(*refusal)
                    return
                kept = {n: v for n, v in headers.items() if n != "expect" and not (drop and n.startswith(drop))}
                connection = http.client.HTTPConnection(host, timeout=30)
                connection.request(self.command, self.path, body, kept)
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                self.wfile.write(content)
                connection.close()

            def _refuse(self, status: int, code: str) -> None:
                content = f"<Error><Code>{code}</Code><Message>not here</Message></Error>".encode()
                self.answer(status, b"" if self.command == "HEAD" else content, {"Content-Type": "application/xml"})

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - names of http.server

        super().__init__(Handler)


def header(name: str, status: int, code: str = "", *, method: str = "") -> Refuse:
    """Refuse every request with a header whose name begins so."""

    def refuse(request: Request) -> tuple[int, str] | None:
        has = any(header.startswith(name) for header in request.headers)
        return (status, code) if has and method in ("", request.method) else None

    return refuse


def batch_deletes(status: int, code: str = "NotImplemented") -> Refuse:
    """Refuse DeleteObjects."""
    return lambda request: (status, code) if request.method == "POST" and request.path.endswith("?delete") else None
