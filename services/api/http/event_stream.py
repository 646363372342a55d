"""Server-sent events (HTML standard, section 9.2): their bytes, and an answer that continues until one side ends it."""

import contextlib
from collections.abc import AsyncGenerator

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from services.api.http.hang_up import HungUp, unless_hung_up
from services.api.http.problems import HEAD

BEGIN = b": todoke\nretry: 2000\n\n"
"""A comment opens buffers on the way. A client that loses the connection reconnects after two seconds."""
BEAT = b": beat\n\n"
MEDIA_TYPE = "text/event-stream"


def event(name: str, data: str = "{}", *, number: int | None = None) -> bytes:
    """Return one event.

    `data` is one line; a client that reconnects names the `number` of the last event it has seen.
    """
    numbered = "" if number is None else f"id: {number}\n"
    return f"event: {name}\n{numbered}data: {data}\n\n".encode()


def message(text: str) -> bytes:
    """Return an event without a name, whose text may have several lines."""
    return ("".join(f"data: {line}\n" for line in text.splitlines()) + "\n").encode()


def come_again(after_ms: int) -> bytes:
    """Return what tells the client when to reconnect after the connection has ended."""
    return f"retry: {after_ms}\n\n".encode()


class EventStream(Response):
    """Sends chunks as they come.

    The next one is requested when the client has received the last, however slow it is.
    """

    def __init__(self, chunks: AsyncGenerator[bytes, None], held: contextlib.ExitStack) -> None:
        """`held` is closed at the end, however the stream ends."""
        super().__init__(headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        # The length is unknown.
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        self._chunks = chunks
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream; a HEAD request gets only the headers."""
        with self._held:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if not scope.get(HEAD):
                with contextlib.suppress(HungUp):
                    await unless_hung_up(Request(scope, receive), self._pour(send))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pour(self, send: Send) -> None:
        async with contextlib.aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
