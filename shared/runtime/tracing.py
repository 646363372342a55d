"""Traces go to an OpenTelemetry collector. Without one, every function here does nothing and needs no extra.

A trace travels as a W3C traceparent: from the client's request into `jobs.trace_context`, then into `outbox.headers`,
then into the message's attributes, and so to the worker. Exceptions are never recorded, because their text may quote
secrets: a failed span has a code.
"""

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from shared.errors import TodokeError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link, SpanContext, Tracer
    from opentelemetry.trace import Span as OtelSpan

TRACEPARENT = "traceparent"
"""The name of the HTTP header, of the message attribute and of the key in `jobs.trace_context`."""
PREVIOUS_ATTEMPT = "todoke-previous-attempt"
"""The message attribute of a retry: the traceparent of the attempt that failed."""

Kind = Literal["internal", "server", "client", "producer", "consumer"]

# W3C Trace Context, level 2, "traceparent header" (read 2026-11-25). A later version may append more after the flags.
_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_EXPORT_TIMEOUT_S = 5
_LAST_EXPORT_MS = 5000

_tracer: "Tracer | None" = None
_provider: "TracerProvider | None" = None


class TracingUnavailable(TodokeError):
    """A collector is configured, but OpenTelemetry is not installed."""


class Span:
    """One piece of work in a trace. The methods of `OFF` do nothing."""

    __slots__ = ("_span",)

    def __init__(self, span: "OtelSpan | None" = None) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:
        """The traceparent with which others continue the trace from here; None while tracing is off."""
        return None if self._span is None else _written(self._span.get_span_context())

    def note(self, attributes: Mapping[str, str | int | float]) -> None:
        """Add attributes to the span."""
        if self._span is not None:
            self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        """Rename the span, for a name that is known late."""
        if self._span is not None:
            self._span.update_name(name)

    def failed(self, code: str) -> None:
        """Mark the span as failed, with a stable code."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", code)
            self._span.set_status(StatusCode.ERROR)

    def current(self) -> contextlib.AbstractContextManager[Any]:
        """Make new spans begin below this one within the block. The span ends with the block."""
        if self._span is None:
            return contextlib.nullcontext()
        from opentelemetry import trace

        return trace.use_span(self._span, end_on_exit=True, record_exception=False, set_status_on_exception=False)

    def end(self, ended_ns: int | None = None) -> None:
        """End the span now, or at that Unix time in nanoseconds."""
        if self._span is not None:
            self._span.end(ended_ns)


OFF = Span()


def configure(service: str) -> None:
    """Send this process's spans to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names. Without it, do nothing.

    The SDK's other OTEL_* variables apply as well. Raises TracingUnavailable.
    """
    global _tracer, _provider
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
    if endpoint is None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise TracingUnavailable(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and OpenTelemetry is not installed: pip install 'todoke-server[otel]'"
        ) from None
    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"todoke-{service}"}
    # Not the global provider: libraries that look for one would add spans of their own, with parameters and queries.
    _provider = TracerProvider(resource=Resource.create(name), shutdown_on_exit=False)
    timeout = None if os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") else _EXPORT_TIMEOUT_S
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=timeout)))
    _tracer = _provider.get_tracer("todoke")


def close() -> None:
    """Send the spans that wait, within a few seconds. An unavailable collector delays nobody."""
    global _tracer, _provider
    if _provider is not None:
        _provider.force_flush(_LAST_EXPORT_MS)
    _tracer = _provider = None


def on() -> bool:
    """True if tracing is on."""
    return _tracer is not None


def begin(
    name: str,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    links: Sequence[str] = (),
    began_ns: int | None = None,
    attributes: Mapping[str, str | int | float] | None = None,
) -> Span:
    """Begin a span below `parent` (a traceparent), else below the current span, else as the first of a trace.

    The caller must end it.
    """
    if _tracer is None:
        return OFF
    from opentelemetry import trace

    context = None if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(_read(parent)))
    span = _tracer.start_span(
        name,
        context,
        kind=trace.SpanKind[kind.upper()],
        attributes=attributes,
        links=[_link(each) for each in links],
        start_time=began_ns,
    )
    return Span(span)


@contextlib.contextmanager
def span(name: str, **options: Any) -> Iterator[Span]:
    """Begin a span that is the current one within the block, and ends with it. Takes the arguments of `begin`."""
    if _tracer is None:
        yield OFF
        return
    begun = begin(name, **options)
    with begun.current():
        yield begun


def record(name: str, *, parent: str | None = None, began_ns: int, ended_ns: int, **options: Any) -> None:
    """Record a span that has ended already."""
    if _tracer is not None:
        begin(name, parent=parent, began_ns=began_ns, **options).end(ended_ns)


def note(attributes: Mapping[str, str | int | float]) -> None:
    """Add attributes to the current span, if there is one."""
    if _tracer is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attributes(attributes)


def valid(traceparent: str | None) -> str | None:
    """Return the traceparent in the form of version 00; None for anything that is not a traceparent."""
    match = _FORM.fullmatch(traceparent) if traceparent and len(traceparent) <= 512 else None
    if match is None or (match[1] == "00" and match[5]):
        return None
    return f"00-{match[2]}-{match[3]}-{match[4]}"


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace's id, for the log; None without a trace."""
    return traceparent.split("-")[1] if traceparent else None


def carried(trace_context: str | None) -> dict[str, str]:
    """Return the headers that a row has in `jobs.trace_context` or `outbox.headers`."""
    headers: dict[str, str] = json.loads(trace_context) if trace_context else {}
    return headers


def _written(context: "SpanContext") -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _read(traceparent: str) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags

    _, trace, span_, flags = traceparent.split("-")
    return SpanContext(int(trace, 16), int(span_, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))


def _link(traceparent: str) -> "Link":
    from opentelemetry.trace import Link

    return Link(_read(traceparent))
