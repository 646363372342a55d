"""A stored file as an answer: whole, in part, or not modified."""

import logging
from collections.abc import AsyncIterator
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from services.api.actions.job_errors import ArtifactNotWhole
from services.api.http.byte_ranges import NotSatisfiable, the_range
from services.api.http.conditional import check
from services.api.http.problems import HEAD, Problem
from services.api.store_threads import from_the_store, in_store_thread
from shared.artifacts.disposition import content_disposition
from shared.artifacts.interface import ArtifactDamaged, LocalFile
from shared.artifacts.opened_file import PIECE_BYTES
from shared.jobs.artifacts import Artifact
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS

log = logging.getLogger(__name__)


def answer(request: Request, artifact: Artifact, file: LocalFile, *, accel: str = "") -> Response:
    """Return 200, 206, 304 or 416, depending on the request's conditions and range. The file is closed in the end.

    With `accel`, the path of nginx's location over the store's folder, nginx is told to send the file. nginx checks no
    digest while it sends, so the first one to ask for a large file gets it from here, hashed on its way: reading it
    through beforehand would take longer than a proxy waits.
    """
    headers = {
        "ETag": f'"{artifact.sha256}"',
        "Cache-Control": "private, max-age=0, must-revalidate",
        # The same address returns a link to clients that ask for JSON.
        "Vary": "Accept",
    }
    try:
        if not check(request, headers["ETag"]):
            file.close()
            return Response(status_code=304, headers=headers)
    except Problem:
        file.close()
        raise
    try:
        part = the_range(_range(request, headers), file.size_bytes)
    except NotSatisfiable:
        file.close()
        size = file.size_bytes
        raise Problem(
            416, "range_not_satisfiable", f"The file has {size} bytes.", headers={"Content-Range": f"bytes */{size}"}
        ) from None
    if accel and file.verified and not _ASKS_NGINX_TOO.intersection(request.headers):
        file.close()
        about = {"Content-Disposition": content_disposition(artifact.name), "Content-Type": artifact.media_type}
        return Response(headers={**headers, **about, "X-Accel-Redirect": f"{accel}/{quote(file.key)}"})
    headers["Accept-Ranges"] = "bytes"  # nginx adds it itself
    start, stop = part or (0, file.size_bytes)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size_bytes}"
    headers["Content-Length"] = str(stop - start)
    headers["Content-Disposition"] = content_disposition(artifact.name)
    kind = _Short if stop - start <= PIECE_BYTES else _Pieces
    return kind(file, start, stop, 206 if part else 200, headers, artifact.media_type)


_ASKS_NGINX_TOO = frozenset({"if-match", "if-unmodified-since"})
"""Conditions that nginx would evaluate again, with an ETag and a time of its own. With them the API sends the file."""


def _range(request: Request, headers: dict[str, str]) -> str | None:
    """Return the requested range, unless its condition does not hold (RFC 9110, section 13.1.5)."""
    lines, condition = request.headers.getlist("range"), request.headers.get("if-range")
    holds = condition is None or condition == headers["ETag"]
    return lines[0] if holds and len(lines) == 1 else None


class _Short(Response):
    """A file, or a part of one, that is read in a single call to a thread: a stream makes one call for each step."""

    def __init__(
        self, file: LocalFile, start: int, stop: int, status: int, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(None, status, headers, media_type)  # the headers already contain the file's length
        self._file = file
        self._pieces = file.pieces(start, stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or only its headers. Raises ArtifactNotWhole before anything is sent."""
        try:
            self.body = b"" if scope.get(HEAD) else await in_store_thread(b"".join, self._pieces)
        except ArtifactDamaged as error:
            _tell(error)
            raise ArtifactNotWhole("The stored file was damaged. Submit the report again.") from None
        finally:
            self._file.close()
        await super().__call__(scope, receive, send)


class _Pieces(StreamingResponse):
    """Breaks off where the file turns out to be damaged: the client then misses bytes that Content-Length announced."""

    def __init__(
        self, file: LocalFile, start: int, stop: int, status: int, headers: dict[str, str], media_type: str
    ) -> None:
        super().__init__(from_the_store(file.pieces(start, stop)), status, headers, media_type)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or only its headers."""
        if scope.get(HEAD):
            self.body_iterator = _nothing()
        try:
            await super().__call__(scope, receive, send)
        except ArtifactDamaged as error:
            # Too late for a problem. The server closes the connection of an incomplete answer.
            _tell(error)
        finally:
            # A client that disconnects leaves the pieces half-read until the garbage collector finds them.
            self._file.close()


def _tell(error: ArtifactDamaged) -> None:
    ARTIFACT_REQUESTS.labels("send", "damaged").inc()
    log.error("artifact.damaged", extra={"reason": str(error)})


async def _nothing() -> AsyncIterator[bytes]:
    """Yield nothing: the body of a HEAD request."""
    return
    yield b""
