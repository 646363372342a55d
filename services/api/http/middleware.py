"""What surrounds every request: its id, its metrics, and security headers."""

import asyncio
import logging
import re
import time
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import metrics
from services.api.http import deprecation
from services.api.http.error_problems import unexpected
from services.api.http.problems import HEAD, REFUSED, WHOLE_SERVER, Problem, answer
from services.api.http.quota import headers_of
from shared.ids import uuid7
from shared.runtime import logs, tracing
from shared.runtime.metrics.declare import known

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

CLIENT_CLOSED_REQUEST = 499
"""The status with which nginx records a request whose client disconnected. No client sees it; the metrics do."""
_STOPPED = Problem(
    503,
    "stopping",
    "This process is stopping and cannot answer. Try again; an Idempotency-Key prevents doing it twice.",
    retryable=True,
    headers={"Retry-After": "1"},
)
STOPPING = "todoke.stopping"
"""Key in the lifespan's state: the function to call when the server begins to stop."""

SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class RequestContext:
    """Plain ASGI, because every submission passes through it."""

    def __init__(self, app: ASGIApp, *, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Routing reads the path after the proxy's prefix where the path includes it, and the description names the
        # prefix.
        scope["root_path"] = self._root_path
        if scope["method"] == "HEAD":
            # The server reads its own scope, and sends no body for HEAD.
            scope = {**scope, "method": "GET", HEAD: True}
        incoming = _traceparent(scope)
        with tracing.span(_method(scope), kind="server", parent=incoming) as traced:
            # The trace context from here on, for the routes.
            scope[tracing.TRACEPARENT] = traced.traceparent or incoming
            await self._serve(scope, receive, send, traced)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, traced: tracing.Span) -> None:
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *((name, value) for name, value in SAFE_HEADERS if name not in present),
                    *headers_of(scope, status),
                    *deprecation.headers_of(scope, self._root_path),
                ]
            elif scope.get(HEAD):
                message = {**message, "body": b""}
            await send(message)

        with logs.context(**_names(scope)):
            try:
                await self._answer(scope, receive, send_with_headers)
            except ClientDisconnect:
                status = CLIENT_CLOSED_REQUEST
            except asyncio.CancelledError:
                if status:
                    raise
                await answer(HTTPConnection(scope), _STOPPED)(scope, receive, send_with_headers)
            except Exception as error:
                if status:
                    raise  # half an answer is sent: only closing the connection can show the failure
                await unexpected(HTTPConnection(scope), error)(scope, receive, send_with_headers)
            finally:
                route = _route(scope)
                status = status or CLIENT_CLOSED_REQUEST  # the client had gone, or the server was stopping
                _tell(traced, _method(scope), route, status)
                _count(_method(scope), route, status, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (refused := scope.get(REFUSED)) is not None:
            await answer(HTTPConnection(scope), refused)(scope, receive, send)
        elif scope.get(WHOLE_SERVER):
            await Response(status_code=204)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _method(scope: Scope) -> str:
    return "HEAD" if scope.get(HEAD) else str(scope["method"])


def _request_id(scope: Scope) -> str:
    """Return the caller's own request id if it is harmless, otherwise a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value.decode("latin-1")):
            return str(value.decode("latin-1"))
    return str(uuid7())


def _traceparent(scope: Scope) -> str | None:
    """Return the caller's trace context, if it sent a valid one."""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            return tracing.valid(value.decode("latin-1"))
    return None


def _names(scope: Scope) -> dict[str, object]:
    """Return the fields that every log line of the request has."""
    traceparent = scope[tracing.TRACEPARENT]
    request = {"request_id": scope["request_id"]}
    return {**request, "trace_id": tracing.trace_id(traceparent)} if traceparent else request


def _count(method: str, route: str, status: int, seconds: float) -> None:
    metrics.REQUESTS.labels(route, known(method, metrics.METHODS), status).inc()
    metrics.REQUEST_SECONDS.labels(route).observe(seconds)
    log.debug("request", extra={"route": route, "status": status, "seconds": round(seconds, 4)})


def _tell(traced: tracing.Span, method: str, route: str, status: int) -> None:
    if traced is not tracing.OFF:
        traced.rename(f"{method} {route}")
        traced.note({"http.request.method": method, "http.route": route, "http.response.status_code": status})
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            traced.failed(str(status))


def _route(scope: Scope) -> str:
    """Return the route's template: raw paths would make a label with unlimited values."""
    route: BaseRoute | Any = scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None) or "unknown"
