"""Show a report before its files are downloaded: its first rows, and a picture of a PDF's first page."""

import json
import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.api.actions import previews
from services.api.actions.previews import MOST, USUAL_SIZE, RowsPage
from services.api.http.accept import asks_for
from services.api.http.conditional import check
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.openapi import Responses, problems
from services.api.http.problems import invalid
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.base_view import View
from services.api.v1.job_links import job_url
from shared.catalog.parameters import Violation

router = APIRouter(tags=["artifacts"])

NDJSON, PNG = "application/x-ndjson", "image/png"
_PROBLEMS = problems(401, 403, 404, 409, 410, 412, 422, 429, 503)
_KEPT = {"Cache-Control": "private, max-age=0, must-revalidate"}
# A picture that is opened on its own runs nothing and loads nothing, whatever it contains.
PICTURE_HEADERS = {**_KEPT, "Content-Security-Policy": "default-src 'none'; sandbox", "Content-Disposition": "inline"}


class RowsColumnView(View):
    """A column of the rows."""

    name: str
    title: str
    type: str
    """`integer` and `boolean` values are JSON's own; `bigint`, `decimal`, `float`, `date`, `timestamp`, `timestamptz`,
    `json` and `text` values are text. More types may come."""


class RowsView(View):
    """Some of a report's first rows."""

    columns: list[RowsColumnView]
    rows: list[dict[str, str | int | bool | None]]
    """Values by column name: null, or what the file contains."""
    stored_rows: int
    """How many rows are kept: the first 1,000, or as many as fit into 1 MiB."""
    total_rows: int
    """How many rows the report has."""
    truncated: bool
    """True if the report has more rows than are kept."""
    next_after: int | None
    """The `after` of the next page; null on the last one."""


_LINES = {"schema": {"type": "string"}, "example": '{"carrier": "9E", "flights": "848"}\n'}
_ROWS: Responses = {
    200: {"model": RowsView, "description": "The rows", "content": {NDJSON: _LINES}},
    304: {"description": "Not changed"},
    **_PROBLEMS,
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_PICTURE: Responses = {
    # Client generators know only the first of these two types.
    200: {"description": "The picture", "content": {"application/octet-stream": _FILE, PNG: _FILE}},
    304: {"description": "Not changed"},
    **_PROBLEMS,
}
_Size = Annotated[
    str,
    Query(
        description=f"How many per page; 0 for the usual {USUAL_SIZE}, and {MOST} for more than that",
        json_schema_extra={"type": "integer", "minimum": 0, "default": USUAL_SIZE},
    ),
]
_After = Annotated[
    str,
    Query(
        description="How many rows to leave out: `nextAfter` of the page before",
        json_schema_extra={"type": "integer", "minimum": 0, "default": 0},
    ),
]


@router.get("/jobs/{job_id:job}/rows", responses=_ROWS)
async def list_job_rows(
    request: Request,
    job_id: JobId,
    parts: PartsOf,
    principal: Caller,
    pageSize: _Size = "0",  # noqa: N803 - the wire's spelling
    after: _After = "0",
) -> Response:
    """The first rows of the job's report, a page at a time: what is in its files, before they are downloaded.

    A client that asks for `application/x-ndjson` gets only the rows, one JSON object per line; `Link` leads to the next
    page.
    """
    violations: list[Violation] = []
    size = pages.page_size(pageSize, violations, usual=USUAL_SIZE, most=MOST)
    skipped = _whole("after", after, violations)
    if violations:
        raise invalid("The query is not valid.", violations)
    stored = await previews.rows_of(parts, principal, job_id)
    lines = asks_for(request.headers.get("accept", ""), NDJSON)
    etag = f'"{stored.artifact.sha256[:32]}-{skipped}-{size}-{"lines" if lines else "page"}"'
    headers = {**_KEPT, "ETag": etag, "Vary": "Accept"}
    if not check(request, etag):
        return Response(status_code=304, headers=headers)
    page = await previews.read_rows(parts, stored, after=skipped, size=size)
    headers["Link"] = _links(f"{job_url(job_id, parts.settings.root_path)}/rows", pageSize, page)
    if lines:
        written = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in page.objects)
        return Response(written, headers=headers, media_type=NDJSON)
    return json_response(_view(page), headers=headers)


@router.get("/jobs/{job_id:job}/page.png", responses=_PICTURE, response_class=Response)
async def get_job_page(request: Request, job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """A small picture of the first page of the job's PDF."""
    stored = await previews.picture_of(parts, principal, job_id)
    headers = {**PICTURE_HEADERS, "ETag": f'"{stored.artifact.sha256}"'}
    if not check(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(await previews.read(parts, stored), headers=headers, media_type=PNG)


def _whole(name: str, given: str, violations: list[Violation]) -> int:
    if re.fullmatch(r"[0-9]{1,100}", given, re.ASCII):
        return min(int(given), MOST)
    violations.append(Violation(name, "range", "must be a whole number, 0 or more: nextAfter of the previous page"))
    return 0


def _links(place: str, size: str, page: RowsPage) -> str:
    asked = {} if size == "0" else {"pageSize": size}
    return pages.links(place, asked, None if page.next_after is None else str(page.next_after), by="after")


def _view(page: RowsPage) -> RowsView:
    return RowsView(
        columns=[RowsColumnView(**column._asdict()) for column in page.columns],
        rows=[dict(row) for row in page.objects],
        stored_rows=page.stored,
        total_rows=page.total,
        truncated=page.stored < page.total,
        next_after=page.next_after,
    )
