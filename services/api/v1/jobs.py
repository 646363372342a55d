"""Read jobs, and cancel them."""

from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from services.api.actions import jobs
from services.api.actions.jobs import FoundJob, Waited
from services.api.actions.parts import Parts
from services.api.http.conditional import check, insists, seen
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.hang_up import HungUp, unless_hung_up
from services.api.http.middleware import CLIENT_CLOSED_REQUEST
from services.api.http.openapi import problems
from services.api.http.prefer import wait_asked_s
from services.api.http.responses import json_response
from services.api.v1.event_views import EventView, event_view
from services.api.v1.views import JobView, job_view
from shared.jobs.glance import Glance
from shared.jobs.read import Job

router = APIRouter(tags=["jobs"])

_EVENTS = TypeAdapter(list[EventView])


@router.get(
    "/jobs/{job_id:job}",
    responses={
        200: {"model": JobView},
        304: {"description": "Not changed"},
        **problems(401, 403, 404, 410, 412, 422, 429, 503),
    },
)
async def get_job(request: Request, job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """A job. With `Prefer: wait=n` (up to 30 s) the answer waits until the job differs from If-None-Match, or ends."""
    if wait_s := wait_asked_s(request):
        waiting = jobs.wait(parts, principal, job_id, seconds=wait_s, known=_known(request))
        try:
            waited = await unless_hung_up(request, waiting)
        except HungUp:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
    elif (known := _known(request)) is not None and (
        same := await jobs.unchanged(parts, principal, job_id, known)
    ) is not None:
        revision = jobs.revision_of(same.version, expired=same.expired)
        headers = _headers(parts, revision, same, tenant=principal.tenant)
        check(request, headers["ETag"])  # if-Match takes precedence
        return Response(status_code=304, headers=headers)
    else:
        waited = Waited(await jobs.get(parts, principal, job_id), honoured=False)
    return _job_response(request, parts, waited, wait_s)


def _known(request: Request) -> Callable[[str], bool] | None:
    known = seen(request)
    return None if known is None else lambda revision: known(f'"{revision}"')


def _job_response(request: Request, parts: Parts, waited: Waited, wait_s: float) -> Response:
    found = waited.found
    headers = _headers(parts, found.revision, found.job, tenant=found.job.tenant)
    if waited.honoured:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
    if not check(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return json_response(_view(found, parts.settings.root_path), headers=headers)


def _headers(parts: Parts, revision: str, job: Job | Glance, *, tenant: str) -> dict[str, str]:
    headers = {"ETag": f'"{revision}"', "Cache-Control": "private, no-cache", "Vary": "Prefer"}
    if not job.status.final:
        headers["Retry-After"] = str(parts.history.retry_after_s(tenant, job.report_type, due_at=job.run_at))
    return headers


@router.get(
    "/jobs/{job_id:job}/events",
    responses={200: {"model": list[EventView]}, **problems(401, 403, 404, 410, 422, 429, 503)},
)
async def list_job_events(job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """Every change of the job's state, oldest first."""
    events = [event_view(event) for event in await jobs.history(parts, principal, job_id)]
    return Response(_EVENTS.dump_json(events, by_alias=True), media_type="application/json")


@router.post(
    "/jobs/{job_id:job}:cancel",
    responses={
        200: {"model": JobView},
        202: {"model": JobView},
        **problems(401, 403, 404, 409, 410, 412, 422, 429, 503),
    },
)
async def cancel_job(request: Request, job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """Cancel a job: 200 if it is cancelled, 202 if its worker was asked to stop, 409 if it had ended already."""
    cancelled = await jobs.cancel(parts, principal, job_id, insists=insists(request))
    headers = {"ETag": f'"{cancelled.found.revision}"'}
    return json_response(_view(cancelled.found, parts.settings.root_path), 202 if cancelled.requested else 200, headers)


def _view(found: FoundJob, root: str) -> JobView:
    return job_view(found.job, found.artifacts, root)
