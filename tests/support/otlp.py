"""A collector that takes OTLP over HTTP, decodes it, and keeps the spans."""

from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.http_server import LoopbackServer, QuietHandler


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


class Collector(LoopbackServer):
    """Listens on a loopback port while in its block."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        collected = self.spans

        class Handler(QuietHandler):
            def do_POST(self) -> None:
                body = self.body()
                if self.path == "/v1/traces":
                    collected.extend(_decoded(body))
                self.answer(200)

        super().__init__(Handler)

    def named(self, name: str, trace_id: str) -> list[Seen]:
        """Return the spans of that name in that trace, in order of arrival."""
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
