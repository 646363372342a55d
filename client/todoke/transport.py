"""What the two clients share in their use of httpx2: steps become requests, and its exceptions become ours."""

import contextlib
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import httpx2

from todoke._core.steps import Answer, Send
from todoke.errors import ConnectionFailed, TimedOut, UnexpectedAnswer

C = TypeVar("C", httpx2.Client, httpx2.AsyncClient)

AT_ONCE = 100
"""Requests of a client that may be open at the same time; more wait in turn. httpx2's own number."""


def limits(*, long: bool) -> httpx2.Limits:
    """Return the limits on connections.

    Long requests use connections of their own, without a limit. Otherwise a hundred threads that wait for their jobs
    would block every other request of the program.
    """
    return httpx2.Limits(max_connections=None if long else AT_ONCE, max_keepalive_connections=20)


def given_client(given: object, kind: type[C]) -> C | None:
    """Return the caller's own client. Raises TypeError for one that would fail at the first request,
    such as httpx's.
    """
    if given is None or isinstance(given, kind):
        return given
    theirs = type(given)
    name = f"{theirs.__module__.partition('.')[0]}.{theirs.__name__}".removeprefix("builtins.")
    raise TypeError(f"http_client must be an httpx2.{kind.__name__}; {name} is not one")


def options(step: Send) -> dict[str, Any]:
    """Return the arguments of httpx2's `build_request`."""
    return {
        "method": step.method,
        "url": step.url,
        "headers": dict(step.headers),
        "content": step.content,
        "timeout": httpx2.Timeout(step.read_s, connect=step.connect_s, pool=step.read_s),
    }


def foreign_request(step: Send) -> httpx2.Request:
    """Build a request without the client's headers, cookies and credentials."""
    given = options(step)
    timeout: httpx2.Timeout = given.pop("timeout")
    return httpx2.Request(**given, extensions={"timeout": timeout.as_dict()})


def head(response: httpx2.Response) -> Answer:
    """Return the response without its body."""
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()})


class Collecting:
    """Collects a body within limits of size and time."""

    def __init__(self, step: Send) -> None:
        self._step = step
        self._body = bytearray()
        self._until = None if step.total_s is None else time.monotonic() + step.total_s

    def add(self, piece: bytes) -> None:
        """Add a piece. Raises TimedOut or UnexpectedAnswer once a limit is exceeded."""
        self._body += piece
        if len(self._body) > self._step.most_bytes:
            raise UnexpectedAnswer(f"the response is larger than {self._step.most_bytes:,} bytes")
        if self._until is not None and time.monotonic() > self._until:
            raise TimedOut(f"{_place(self._step)} did not complete its response within {self._step.total_s:g} s")

    def body(self) -> bytes:
        """Return the whole body."""
        return bytes(self._body)


@contextlib.contextmanager
def our_errors(step: Send) -> Iterator[None]:
    """Translate httpx2's exceptions into ours."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise TimedOut(f"{_place(step)} did not answer in time ({type(error).__name__})") from error
    except httpx2.DecodingError as error:
        raise UnexpectedAnswer(f"the response cannot be decoded: {error}") from error
    except httpx2.UnsupportedProtocol as error:
        raise UnexpectedAnswer(str(error)) from error
    except httpx2.TransportError as error:
        raise ConnectionFailed(f"{_place(step)} cannot be reached: {_reason(error)}") from error
    except httpx2.InvalidURL as error:
        raise UnexpectedAnswer(f"{step.url[:200]!r} is not an address: {error}") from error


def _place(step: Send) -> str:
    """Return the address without path and query: a link to a store has its secret there."""
    url = httpx2.URL(step.url)
    return f"{url.scheme}://{url.netloc.decode(errors='replace').rpartition('@')[2]}"


def _reason(error: Exception) -> str:
    """Return the operating system's message, without its number."""
    return "; ".join(dict.fromkeys(_said_below(error))) or _without_number(error) or type(error).__name__


def _said_below(error: BaseException) -> Iterator[str]:
    """Yield the operating system's messages. asyncio and trio wrap them in errors of their own: one for
    each address.
    """
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _said_below(one)
    elif isinstance(error, ssl.SSLError | socket.gaierror):
        yield _without_number(error)
    elif isinstance(error, OSError) and error.errno:
        yield os.strerror(error.errno)
    elif below := error.__cause__ or (error.__context__ if type(error).__module__.startswith("httpcore2") else None):
        # The context of any other error may be one that the caller was handling.
        yield from _said_below(below)


def _without_number(error: BaseException) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error))
