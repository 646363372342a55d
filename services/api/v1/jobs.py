"""Look at jobs, and cancel them."""

import asyncio
import base64
import re
import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from services.api.http.dependencies import JobId, Parts, PartsOf, Tenant
from services.api.http.problems import Problem, ProblemView, unknown_job
from services.api.v1.views import EventView, JobsView, JobView, event_view, job_view
from shared.catalog.parameters import Violation
from shared.jobs import cancel, read
from shared.jobs.artifacts import Artifact, artifacts_of
from shared.jobs.cancel import CancelOutcome
from shared.jobs.events import events_of
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.runtime.metrics.common import count_finished
from shared.suggest import did_you_mean

router = APIRouter(tags=["jobs"])

_LONGEST_WAIT_S = 30.0
_LOOK_EVERY_S = 0.2
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemView, "content": {"application/problem+json": {}}} for status in (401, 404, 422, 429, 503)
}


@router.get("/jobs/{job_id:job}", responses={200: {"model": JobView}, 304: {"description": "Not changed"}, **_PROBLEMS})
async def get_job(request: Request, job_id: JobId, parts: PartsOf, tenant: Tenant) -> Response:
    """A job. With `Prefer: wait=n` (up to 30 s) the answer waits until the job changes from If-None-Match, or ends."""
    wait_s = _preferred_wait(request)
    known = request.headers.get("if-none-match", "")
    give_up_at = time.monotonic() + wait_s
    while True:
        job, artifacts = await run_in_threadpool(_load, parts, job_id, tenant)
        etag = f'"{job.version}{"-expired" if job.expired else ""}"'
        changed = etag not in known if known else job.status.final
        if changed or job.status.final or time.monotonic() >= give_up_at:
            break
        await asyncio.sleep(_LOOK_EVERY_S)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if wait_s:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
    if not job.status.final:
        headers["Retry-After"] = "1"
    if etag in known:
        return Response(status_code=304, headers=headers)
    return JSONResponse(job_view(job, artifacts, parts.root_path), headers=headers)


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
_PageSize = Annotated[str, Query(description="1 to 100 jobs a page", json_schema_extra={"pattern": _PAGE_SIZE})]
_PageToken = Annotated[
    str | None, Query(description="nextPageToken of the page before", json_schema_extra={"pattern": _PAGE_TOKEN})
]


@router.get("/jobs", responses={200: {"model": JobsView}, **_PROBLEMS})
async def list_jobs(
    parts: PartsOf,
    tenant: Tenant,
    status: _Statuses = None,
    reportType: _ReportType = None,  # noqa: N803 - the wire's spelling
    pageSize: _PageSize = "20",  # noqa: N803
    pageToken: _PageToken = None,  # noqa: N803
) -> JSONResponse:
    """The tenant's jobs, newest first, a page at a time, until `nextPageToken` is null.

    A page of a filtered list may hold fewer jobs than asked for, even none, although more follow: each request looks
    at a bounded number of jobs.
    """
    violations: list[Violation] = []
    size = _page_size(pageSize, violations)
    before = _page_token(pageToken, violations)
    statuses = _statuses(status, violations)
    if reportType is not None and "\0" in reportType:
        violations.append(Violation("reportType", "character", "contains U+0000"))
    if violations:
        raise Problem(422, "invalid_request", "The query has problems.", violations=violations)

    def load() -> dict[str, Any]:
        with parts.engine.connect() as conn:
            page = read.list_jobs(
                conn, tenant=tenant, size=size, before=before, statuses=statuses, report_type=reportType
            )
            files = artifacts_of(conn, page.jobs, tenant=tenant)
        token = None if page.next_before is None else _token(page.next_before)
        return {"jobs": [job_view(job, files[job.id], parts.root_path) for job in page.jobs], "nextPageToken": token}

    return JSONResponse(await run_in_threadpool(load))


@router.get("/jobs/{job_id:job}/events", responses={200: {"model": list[EventView]}, **_PROBLEMS})
async def get_events(job_id: JobId, parts: PartsOf, tenant: Tenant) -> JSONResponse:
    """Every change of the job's state, oldest first."""

    def load() -> list[dict[str, Any]]:
        with parts.engine.connect() as conn:
            return [event_view(event) for event in events_of(conn, job_id, tenant=tenant)]

    events = await run_in_threadpool(load)
    if not events:
        raise unknown_job(str(job_id))
    return JSONResponse(events)


_TOO_LATE: dict[int | str, dict[str, Any]] = {409: {**_PROBLEMS[404], "description": "The job had ended before"}}


@router.post(
    "/jobs/{job_id:job}:cancel",
    responses={200: {"model": JobView}, 202: {"model": JobView}, **_TOO_LATE, **_PROBLEMS},
)
async def cancel_job(job_id: JobId, parts: PartsOf, tenant: Tenant) -> JSONResponse:
    """Cancel a job: 200 when it is cancelled, 202 when its worker will be told, 409 when it had ended already."""

    def carry_out() -> CancelOutcome:
        with parts.engine.connect() as conn:
            return cancel.cancel(conn, job_id, tenant=tenant)

    outcome = await run_in_threadpool(carry_out)
    if outcome is CancelOutcome.UNKNOWN:
        raise unknown_job(str(job_id))
    job, artifacts = await run_in_threadpool(_load, parts, job_id, tenant)
    if outcome is CancelOutcome.CANCELLED and job.finished_at is not None:
        count_finished("cancelled", "requested", job.report_type, [(job.finished_at - job.created_at).total_seconds()])
    if outcome is CancelOutcome.TOO_LATE:
        raise Problem(409, "job_already_ended", f"The job had ended before: {job.status}.")
    return JSONResponse(job_view(job, artifacts, parts.root_path), 202 if outcome is CancelOutcome.REQUESTED else 200)


def _load(parts: Parts, job_id: UUID, tenant: str) -> tuple[Job, list[Artifact]]:
    with parts.engine.connect() as conn:
        job = read.get(conn, job_id, tenant=tenant)
        if job is None:
            raise unknown_job(str(job_id))
        return job, artifacts_of(conn, [job], tenant=tenant)[job.id]


def _preferred_wait(request: Request) -> float:
    """Seconds from `Prefer: wait=n` (RFC 7240, section 4.3); what cannot be read is no preference."""
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})", request.headers.get("prefer", ""))
    return min(float(match[1]), _LONGEST_WAIT_S) if match else 0.0


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
    violations.extend(
        Violation("status", "choice", f"{name[:40]!r} is not a state{did_you_mean(name, known)}")
        for name in given or []
        if name not in known
    )
    return [JobStatus(name) for name in given if name in known] if given else None
