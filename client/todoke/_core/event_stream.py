"""Parses a stream of server-sent events (HTML standard, section 9.2), wherever it is cut into pieces."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Self

from todoke._core.config import Config
from todoke._core.requests import Request, problem_of, to_send
from todoke._core.steps import Answer, Send
from todoke.errors import UnexpectedAnswer

BEAT_S = 15.0
"""The server sends something after each silence of this length."""
_SILENCE_S = BEAT_S + 10
_MOST_BYTES = 32 * 1024 * 1024
"""The limit for one event."""
_SOON_S = 1.0


class EventStream:
    """Takes the bytes of one connection; subclasses interpret each `event`."""

    blocking = False

    def __init__(self) -> None:
        self._rest = bytearray()
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self.told = False
        """True once this stream has delivered anything."""
        self.last_id: str | None = None
        self.pause_s = _SOON_S
        """The pause before a closed stream is opened again."""

    def event(self, name: str, data: str) -> Iterable[Any]:
        """Return the items that an event emits. Raises UnexpectedAnswer."""
        raise NotImplementedError

    @property
    def enough(self) -> bool:
        """True if nothing more is wanted."""
        return False

    def writer_for(self, answer: Answer) -> Self | None:
        """Return itself for an answer that is a stream."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return self if answer.status == 200 and kind == "text/event-stream" else None

    def write(self, piece: bytes) -> Sequence[Any]:
        """Take a piece and return the items of its complete events. Raises UnexpectedAnswer."""
        self._size += len(piece)
        if self._size > _MOST_BYTES:
            raise UnexpectedAnswer(f"an event is larger than {_MOST_BYTES:,} bytes")
        self._rest += piece
        if b"\n" not in piece:
            return ()
        *lines, rest = self._rest.replace(b"\r\n", b"\n").split(b"\n")
        self._rest = bytearray(rest)
        return [item for line in lines for item in self._line(line.decode("utf-8", "replace"))]

    def _line(self, line: str) -> Iterable[Any]:
        if not line:
            name, data, self._name, self._data, self._size = self._name, "\n".join(self._data), "", [], 0
            return self.event(name, data)
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id" and "\0" not in value:
            self.last_id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.pause_s = min(int(value[:9]) / 1000, 60.0)
        return ()

    def content(self, data: str) -> Any:
        """Return the JSON of an event. Raises UnexpectedAnswer."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise UnexpectedAnswer("an event of a job is not JSON") from None

    def checked(self, answer: Answer, url: str) -> None:
        """Raise ApiError or UnexpectedAnswer for an answer that was not a stream."""
        if answer.status != 200:
            raise problem_of(answer, url)
        if self.writer_for(answer) is None:
            raise UnexpectedAnswer("the response is not an event stream; check whether a proxy buffers it")


def listen(config: Config, path: str, stream: EventStream, last_id: str | None = None) -> Send:
    """Return the request for a stream, which has no time limit of its own."""
    headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity", "Cache-Control": "no-store"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    step = to_send(config, Request("GET", path, headers=headers))
    silence_s = max(_SILENCE_S, config.timeout_s)
    return replace(step, read_s=silence_s, total_s=None, writer_for=stream.writer_for, long=True)
