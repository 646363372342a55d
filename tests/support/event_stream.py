"""A client of server-sent events, over a real connection."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx


@dataclass
class Event:
    """One event, or one comment (`name` is empty)."""

    name: str = ""
    id: str | None = None
    data: Any = None
    comments: list[str] = field(default_factory=list)
    retry_ms: int | None = None


class Stream:
    """An open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.iter_lines()

    def next(self) -> Event | None:
        """Return the next event or comment; None when the server has ended the stream."""
        event, any_line = Event(), False
        for line in self._lines:
            if not line:
                if any_line:
                    return event
                continue
            any_line = True
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "":
                event.comments.append(value)
            elif name == "event":
                event.name = value
            elif name == "id":
                event.id = value
            elif name == "retry":
                event.retry_ms = int(value)
            else:
                event.data = json.loads(value)
        return None

    def named(self, name: str) -> Event:
        """Return the next event of that name."""
        while (event := self.next()) is not None:
            if event.name == name:
                return event
        raise AssertionError(f"the stream ended without {name!r}")

    def rest(self) -> list[Event]:
        """Return everything that arrives until the server ends the stream."""
        found = []
        while (event := self.next()) is not None:
            found.append(event)
        return found


@contextlib.contextmanager
def listening(url: str, **headers: str) -> Iterator[Stream]:
    """Open a stream, which is closed at the end of the block."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.Client(timeout=60) as client, client.stream("GET", url, headers=given) as response:
        yield Stream(response)
