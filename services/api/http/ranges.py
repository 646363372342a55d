"""Ranges of a file (RFC 9110, section 14): what cannot be understood is ignored, what the file lacks is a problem."""

import os
import re

from anyio import to_thread
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from services.api.http.problems import HEAD, Problem, answer

_RANGE = re.compile(r"(\d{0,19})\s*-\s*(\d{0,19})")


def usable_range(header: str, size: int) -> str | None:
    """The header without ranges that the file does not have; None if there is nothing in it that can be understood.

    Raises Problem 416 if the file has none of the ranges.
    """
    unit, equals, listed = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    found = [_RANGE.fullmatch(one.strip()) for one in listed.split(",") if one.strip()]
    pairs = [(match[1], match[2]) for match in found if match is not None]
    if not pairs or len(pairs) < len(found) or any(_malformed(first, last) for first, last in pairs):
        return None
    there = [f"{first}-{last}" for first, last in pairs if (int(first) < size if first else int(last) > 0 and size)]
    if not there:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range_not_satisfiable", f"The file has {size} bytes.", headers=headers)
    return f"bytes={', '.join(there)}"


def _malformed(first: str, last: str) -> bool:
    return (not first and not last) or (bool(first and last) and int(last) < int(first))


class RangedFile(FileResponse):
    """A file of which a client may ask for parts. It has no time of its own: its entity tag tells it from others."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what was asked for, or its head alone."""
        self.stat_result = await to_thread.run_sync(os.stat, self.path)
        self.headers.setdefault("content-length", str(self.stat_result.st_size))
        headers = [(name, value) for name, value in scope["headers"] if name not in (b"range", b"if-range")]
        try:
            wanted = self._wanted(Headers(scope=scope), self.stat_result.st_size)
        except Problem as problem:
            await answer(HTTPConnection(scope), problem)(scope, receive, send)
            return
        if wanted is not None:
            headers.append((b"range", wanted.encode()))
        method = "HEAD" if scope.get(HEAD) else scope["method"]
        await super().__call__({**scope, "headers": headers, "method": method}, receive, send)

    def _wanted(self, headers: Headers, size: int) -> str | None:
        lines, condition = headers.getlist("range"), headers.get("if-range")
        if len(lines) != 1 or (condition is not None and condition != self.headers["etag"]):
            return None
        return usable_range(lines[0], size)
