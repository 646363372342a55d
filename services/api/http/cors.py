"""Lets pages of other origins read the API (CORS, Fetch standard), if an operator names the origins.

No cookie opens the API, so there are no credentials to allow: a page sends its bearer token itself. The console is
excluded.
"""

import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPEN = re.compile(r"/(v1|jobs|generate-report|openapi\.json|problems)(?![a-z0-9-])")
_ASKED_WITH = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Last-Event-ID, Prefer, Range, "
    b"traceparent, X-Request-Id"
)
_SHOWN = (
    b"Content-Disposition, Content-Range, ETag, Idempotent-Replayed, Link, Location, Preference-Applied, RateLimit, "
    b"RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
)
_KEEP_S = b"600"


class Cors:
    """Wraps the whole application, so that a page can read its errors, too."""

    def __init__(self, app: ASGIApp, *, origins: Sequence[str], root_path: str) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _OPEN.match(scope["path"].removeprefix(self._root_path)):
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"])
        origin = sent.get(b"origin")
        allowed = origin if origin in self._origins else None
        asks_first = scope["method"] == "OPTIONS" and b"access-control-request-method" in sent

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"vary", b"Origin")]
                if allowed is not None:
                    message["headers"] += _allowing(allowed, message, asks_first=asks_first)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _allowing(origin: bytes, message: Message, *, asks_first: bool) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers that a browser needs.

    The application has already answered OPTIONS with the methods of the path.
    """
    whose = (b"access-control-allow-origin", origin)
    if not asks_first:
        return [whose, (b"access-control-expose-headers", _SHOWN)]
    methods = next((value for name, value in message["headers"] if name.lower() == b"allow"), b"")
    return [
        whose,
        (b"access-control-allow-methods", methods),
        (b"access-control-allow-headers", _ASKED_WITH),
        (b"access-control-max-age", _KEEP_S),
    ]
