"""A collector: takes OTLP over HTTP, decodes it, and keeps the spans."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it arrived."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    failed: bool
    attributes: dict[str, Any]


class Collector:
    """Listens on a loopback port while in its block."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        collected = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    collected.extend(_decoded(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str, trace_id: str) -> list[Seen]:
        """The spans of that name in that trace, in order of arrival."""
        return [span for span in self.spans if (span.name, span.trace_id) == (name, trace_id)]


def _decoded(body: bytes) -> list[Seen]:
    seen = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        about = {a.key: a.value.string_value for a in resource.resource.attributes}
        for scope in resource.scope_spans:
            seen += [
                Seen(
                    about["service.name"],
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    tuple(link.span_id.hex() for link in span.links),
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in span.attributes},
                )
                for span in scope.spans
            ]
    return seen
