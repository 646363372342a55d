"""Requests for previews, and how their answers are read."""

from todoke._core.config import Config
from todoke._core.requests import Request, content_of, job_path, send
from todoke._core.steps import Emit, Flow
from todoke.errors import UnexpectedAnswer
from todoke.rows import RowsPage

_MOST = 1_000
"""Rows of the largest page: the most that a server keeps."""


def page(config: Config, job: object, *, page_size: int | None, after: int | None) -> Flow[RowsPage]:
    """One page of a report's first rows."""
    query = {"pageSize": page_size, "after": after}
    answer = yield from send(config, Request("GET", job_path(job, "/rows"), query=query))
    return RowsPage.from_json(content_of(answer))


def iterate(config: Config, job: object) -> Flow[None]:
    """Emit each row that the server keeps."""
    after: int | None = None
    while True:
        found = yield from page(config, job, page_size=_MOST, after=after)
        for row in found.rows:
            yield Emit(row)
        if found.next_after is None:
            return
        if found.next_after <= (after or 0):
            raise UnexpectedAnswer("the server returned the same page token for rows twice")
        after = found.next_after


def picture(config: Config, job: object) -> Flow[bytes]:
    """Return the picture of a page."""
    request = Request("GET", job_path(job, "/page.png"), headers={"Accept": "image/png, application/json"})
    answer = yield from send(config, request)
    if not answer.body.startswith(b"\x89PNG\r\n\x1a\n"):
        raise UnexpectedAnswer("the picture is not a PNG")
    return answer.body
