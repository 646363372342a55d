"""HTTP/1.1 as a server on the open internet should read it: what a client sends is bounded in bytes and in time.

This extends uvicorn's protocol on httptools, which bounds neither. A bad request that can be understood passes through
the application as a refusal, with its id, headers and metrics; any other is answered here.
"""

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from services.api import metrics
from services.api.http.middleware import SAFE_HEADERS, STOPPING
from services.api.http.problems import REFUSED, WHOLE_SERVER, Problem, problem_json
from shared.ids import uuid7
from shared.runtime.metrics.declare import OTHER

log = logging.getLogger(__name__)

_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")
_TELL_EVERY_S = 10.0
"""The metrics count every refusal here. The log has at most one line in this time, because any client can cause one."""
_SPARE = 64
"""How many connections above the limit get an answer that says so; further ones are closed at once."""
_HURRY_S = 1.0
"""How long a connection above the limit may take for its header."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of each client, and of all clients together."""

    header_bytes: int = 32 * 1024
    header_s: float = 10.0
    body_s: float = 30.0
    stalled_s: float = 60.0
    connections: int = 12_000
    root_path: str = ""
    """The path under which a proxy publishes the API: problems contain addresses."""


class _Reading(Enum):
    """What a connection waits for from its client."""

    NOTHING = auto()
    """An answer is being made, or there was no request since the last one: uvicorn's keep-alive bounds that."""
    HEADER = auto()
    BODY = auto()


class _ThrottledLog:
    """Writes a log line now and then, with the number of refusals since the last."""

    def __init__(self) -> None:
        self._count = 0
        self._next_at = 0.0

    def tell(self, problem: Problem) -> None:
        """Count the refusal, and log it if the last line was long ago."""
        metrics.REQUESTS.labels("unknown", OTHER, problem.status).inc()
        self._count += 1
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + _TELL_EVERY_S
            log.info("http.refused", extra={"code": problem.code, "reason": problem.detail, "count": self._count})
            self._count = 0


_REFUSALS = _ThrottledLog()
_MALFORMED = Problem(400, "malformed_request", "The request is not valid HTTP/1.1 (RFC 9112).")


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, limits: Limits, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._state = _Reading.NOTHING
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._in_head = self._in_body = self._ended = False
        self._head_bytes = 0
        """Bytes of the current header, without those that came in one piece with the end of the previous request."""
        self._ignores_input = False
        """True once nothing more is read: later bytes would belong to no request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit for the header."""
        super().connection_made(transport)  # type: ignore[arg-type]
        over = len(self.connections) - self._limits.connections
        if over > _SPARE:
            self._ignores_input = True
            self.transport.abort()
            return
        self._wait(_Reading.HEADER, _HURRY_S if over > 0 else self._limits.header_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        self._wait(_Reading.NOTHING)
        self.resume_writing()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read more, within the bounds."""
        if self._ignores_input:
            return
        self._unset_keepalive_if_required()
        self._ended = False
        if not self._in_body:
            self._head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # RFC 9110, section 7.8: a server may ignore Upgrade. What follows uses another protocol, so it is not
            # read.
            self._ignores_input, self.cycle.keep_alive, self._in_body = True, False, False
        except httptools.HttpParserError:
            self._refuse(_MALFORMED)
            return
        if self._in_head and self._head_bytes > self._limits.header_bytes:
            self._refuse(self._too_large())
            return
        self._watch()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Let the request be answered, or refused in its turn."""
        if self.url == b"*" and self.parser.get_method() == b"OPTIONS":
            # RFC 9110, section 9.3.7. The request has no path, and the application expects one.
            self.url = b"/"
            self.scope[WHOLE_SERVER] = True  # type: ignore[literal-required]
        self._in_head, self._in_body, self._head_bytes = False, True, 0
        if problem := self._wrong_with_head():
            self.scope[REFUSED] = problem  # type: ignore[literal-required] # a scope may hold what a server adds
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        self._in_body, self._ended = False, True
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Give a client that reads too slowly a limited time to take the next bytes."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self._limits.stalled_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Cancel that time limit: the client has read on."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def shutdown(self) -> None:
        """Stop serving: clients that wait are answered now."""
        if (stopping := self.app_state.get(STOPPING)) is not None:
            stopping()
        super().shutdown()

    def _watch(self) -> None:
        """Bound the time for what is awaited. Further bytes of the same kind do not extend it."""
        if self.transport.is_closing() or self.parser is None:
            self._wait(_Reading.NOTHING)
        elif self._in_body:
            self._wait(_Reading.BODY, self._limits.body_s)
        elif self._in_head:
            self._wait(_Reading.HEADER, self._limits.header_s)
        elif self.cycle is not None and not self.cycle.response_complete:
            self._wait(_Reading.NOTHING)
        elif self._ended:
            # Answered before it was complete: from now on the connection is idle.
            self._wait(_Reading.NOTHING)
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self._wait(_Reading.HEADER, self._limits.header_s)

    def _wait(self, state: _Reading, seconds: float = 0) -> None:
        if state is self._state:
            return
        self._state = state
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if state is not _Reading.NOTHING:
            self._timer = self.loop.call_later(seconds, self._too_late)

    def _too_late(self) -> None:
        self._timer = None
        if self._state is _Reading.HEADER and not self._head_bytes and not self._in_head:
            self.transport.close()  # no request was made
            return
        what = "header" if self._state is _Reading.HEADER else "body"
        seconds = self._limits.header_s if self._state is _Reading.HEADER else self._limits.body_s
        detail = f"The request's {what} did not arrive within {seconds:g} s."
        self._refuse(Problem(408, "request_timeout", detail, retryable=True))

    def _too_large(self) -> Problem:
        most = self._limits.header_bytes
        detail = f"The request's header is larger than {most} bytes. Send a shorter address or fewer headers."
        return Problem(431, "header_too_large", detail, headers={"Connection": "close"})

    def _wrong_with_head(self) -> Problem | None:
        """Return the problem with which to refuse a request that can be read."""
        if len(self.connections) > self._limits.connections:
            return Problem(
                503,
                "too_many_connections",
                "This process has reached its maximum number of connections. Try again.",
                retryable=True,
                headers={"Retry-After": "5", "Connection": "close"},
            )
        # Not `_head_bytes`: bytes of the same piece may belong to what precedes or follows this header.
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > self._limits.header_bytes:
            return self._too_large()
        hosts = [value for name, value in self.headers if name == b"host"]
        version = self.parser.get_http_version()
        detail = None
        if version not in ("1.0", "1.1"):
            detail = f"HTTP/{version} is not spoken here: send HTTP/1.1."
        elif len(hosts) > 1 or (not hosts and version == "1.1"):
            detail = f"A request has one Host header, not {len(hosts)} (RFC 9112, section 3.2)."
        elif hosts and not _HOST.fullmatch(hosts[0]):
            detail = "The Host header is not a host (RFC 9110, section 7.2)."
        elif self.url == b"*":
            detail = "Only OPTIONS is about * (RFC 9112, section 3.2.4)."
        return Problem(400, "malformed_request", detail, headers={"Connection": "close"}) if detail else None

    def _refuse(self, problem: Problem) -> None:
        """Answer what cannot become a request of the application, and close the connection."""
        self._ignores_input = True
        self._wait(_Reading.NOTHING)
        cycle = self.cycle
        if cycle is not None and (self._in_body or not cycle.response_complete):
            mine = self._in_body and not cycle.response_started and not self.pipeline
            if not mine:
                # The answer to this or an earlier request must stay whole, and is the last one.
                cycle.keep_alive = False
                if self._in_body:
                    self.transport.close()
                return
        _REFUSALS.tell(problem)
        self.transport.write(_raw(problem, self._limits.root_path))
        self.transport.close()


def _raw(problem: Problem, root: str) -> bytes:
    """Return the whole answer, without a request that it belongs to."""
    request_id = str(uuid7())
    body = problem_json(problem, request_id, root).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-language", b"en"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *SAFE_HEADERS,
    ]
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return STATUS_LINE[problem.status] + lines + b"\r\n" + body
