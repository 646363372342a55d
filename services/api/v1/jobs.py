"""Look at jobs, and cancel them."""

import base64
import itertools
import re
from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from services.api.actions import jobs
from services.api.actions.errors import MOST_VIOLATIONS
from services.api.actions.jobs import FoundJob, Waited
from services.api.http.conditional import check, seen
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.hang_up import HungUp, unless_hung_up
from services.api.http.middleware import CLIENT_CLOSED_REQUEST
from services.api.http.openapi import problems
from services.api.http.prefer import wait_asked_s
from services.api.http.problems import invalid
from services.api.http.responses import json_response
from services.api.v1.views import EventView, JobsView, JobView, event_view, job_view
from shared.catalog.parameters import Violation
from shared.jobs.states import JobStatus
from shared.suggest import did_you_mean

router = APIRouter(tags=["jobs"])

_EVENTS = TypeAdapter(list[EventView])


@router.get(
    "/jobs/{job_id:job}",
    responses={
        200: {"model": JobView},
        304: {"description": "Not changed"},
        **problems(401, 403, 404, 412, 422, 429, 503),
    },
)
async def get_job(request: Request, job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """A job. With `Prefer: wait=n` (up to 30 s) the answer waits until the job changes from If-None-Match, or ends."""
    if wait_s := wait_asked_s(request):
        waiting = jobs.wait(parts, principal, job_id, seconds=wait_s, known=_known(request))
        try:
            waited = await unless_hung_up(request, waiting)
        except HungUp:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
    else:
        waited = Waited(await jobs.get(parts, principal, job_id), honoured=False)
    return _job_response(request, waited, wait_s, parts.settings.root_path)


def _known(request: Request) -> Callable[[str], bool] | None:
    known = seen(request)
    return None if known is None else lambda revision: known(f'"{revision}"')


def _job_response(request: Request, waited: Waited, wait_s: float, root: str) -> Response:
    found = waited.found
    headers = {"ETag": f'"{found.revision}"', "Cache-Control": "private, no-cache", "Vary": "Prefer"}
    if waited.honoured:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
    if not found.job.status.final:
        headers["Retry-After"] = "1"
    if not check(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return json_response(_view(found, root), headers=headers)


# What is described here is checked below, where every violation is told at once.
_PAGE_SIZE = r"^([1-9][0-9]?|100)$"
_PAGE_TOKEN = r"^[A-Za-z0-9_-]{22}$"  # noqa: S105 - a pattern, not a secret
_Statuses = Annotated[
    list[str] | None,
    Query(
        description="Only jobs in these states",
        json_schema_extra={"anyOf": [{"type": "array", "items": {"type": "string", "enum": list(JobStatus)}}]},
    ),
]
_ReportType = Annotated[str | None, Query(max_length=64, json_schema_extra={"pattern": r"^[^\x00]*$"})]
_PageSize = Annotated[str, Query(description="1 to 100 jobs per page", json_schema_extra={"pattern": _PAGE_SIZE})]
_PageToken = Annotated[
    str | None, Query(description="nextPageToken of the page before", json_schema_extra={"pattern": _PAGE_TOKEN})
]


@router.get("/jobs", responses={200: {"model": JobsView}, **problems(401, 403, 404, 422, 429, 503)})
async def list_jobs(
    parts: PartsOf,
    principal: Caller,
    status: _Statuses = None,
    reportType: _ReportType = None,  # noqa: N803 - the wire's spelling
    pageSize: _PageSize = "20",  # noqa: N803
    pageToken: _PageToken = None,  # noqa: N803
) -> Response:
    """The tenant's jobs, newest first, a page at a time, until `nextPageToken` is null.

    A page of a filtered list may hold fewer jobs than asked for, even none, although more follow: each request looks
    at a bounded number of jobs.
    """
    violations: list[Violation] = []
    query = jobs.Query(
        size=_page_size(pageSize, violations),
        before=_page_token(pageToken, violations),
        statuses=_statuses(status, violations),
        report_type=reportType,
    )
    if reportType is not None and "\0" in reportType:
        violations.append(Violation("reportType", "character", "contains U+0000"))
    if violations:
        raise invalid("The query has problems.", violations)
    found, artifacts = await jobs.list_page(parts, principal, query)
    root = parts.settings.root_path
    token = None if found.next_before is None else _token(found.next_before)
    views = [job_view(job, artifacts[job.id], root) for job in found.jobs]
    return json_response(JobsView(jobs=views, next_page_token=token))


@router.get(
    "/jobs/{job_id:job}/events", responses={200: {"model": list[EventView]}, **problems(401, 403, 404, 422, 429, 503)}
)
async def list_job_events(job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """Every change of the job's state, oldest first."""
    events = [event_view(event) for event in await jobs.history(parts, principal, job_id)]
    return Response(_EVENTS.dump_json(events, by_alias=True), media_type="application/json")


@router.post(
    "/jobs/{job_id:job}:cancel",
    responses={200: {"model": JobView}, 202: {"model": JobView}, **problems(401, 403, 404, 409, 422, 429, 503)},
)
async def cancel_job(job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """Cancel a job: 200 when it is cancelled, 202 when its worker will be told, 409 when it had ended already."""
    cancelled = await jobs.cancel(parts, principal, job_id)
    return json_response(_view(cancelled.found, parts.settings.root_path), 202 if cancelled.requested else 200)


def _view(found: FoundJob, root: str) -> JobView:
    return job_view(found.job, found.artifacts, root)


def _page_size(given: str, violations: list[Violation]) -> int:
    if re.fullmatch(_PAGE_SIZE, given):
        return int(given)
    violations.append(Violation("pageSize", "range", "must be a whole number from 1 to 100"))
    return 1


def _token(before: UUID) -> str:
    return base64.urlsafe_b64encode(before.bytes).decode().rstrip("=")


def _page_token(given: str | None, violations: list[Violation]) -> UUID | None:
    if given is None:
        return None
    if re.fullmatch(_PAGE_TOKEN, given):
        return UUID(bytes=base64.urlsafe_b64decode(given + "=="))
    violations.append(Violation("pageToken", "malformed", "must be a nextPageToken, unchanged"))
    return None


def _statuses(given: list[str] | None, violations: list[Violation]) -> list[JobStatus] | None:
    known = [str(s) for s in JobStatus]
    unknown = (name for name in given or [] if name not in known)
    violations.extend(
        Violation("status", "choice", f"{name[:40]!r} is not a state{did_you_mean(name[:40], known)}")
        for name in itertools.islice(unknown, MOST_VIOLATIONS)
    )
    return [JobStatus(name) for name in given if name in known] if given else None
