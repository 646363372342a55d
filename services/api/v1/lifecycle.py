"""How long jobs are kept: POST /v1/jobs/{id}:keep and DELETE /v1/jobs/{id}."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from services.api.actions import deletions, keeping
from services.api.http.conditional import insists
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1.submission_body import read_fields
from services.api.v1.views import JobView, job_view

router = APIRouter(tags=["jobs"])

_Cancel = Annotated[bool, Query(description="End a job that goes on, too")]


@router.delete(
    "/jobs/{job_id:job}",
    status_code=204,
    responses={
        204: {"description": "It is deleted, or was before"},
        **problems(401, 403, 404, 409, 412, 422, 429, 503),
    },
)
async def delete_job(
    request: Request, job_id: JobId, parts: PartsOf, principal: Caller, cancel: _Cancel = False
) -> Response:
    """Delete a job with its parameters, result, error texts and files. Afterwards it answers 410 until it is forgotten.

    Nothing can be downloaded any more, and the files leave the store within seconds. 409 if the job is unfinished,
    unless `cancel=true`: then its worker is asked to stop, and whatever it still makes is removed.
    """
    await deletions.delete(parts, principal, job_id, cancel=cancel, insists=insists(request))
    return Response(status_code=204)


def _moment(description: str) -> dict[str, Any]:
    return {"type": ["string", "null"], "format": "date-time", "description": description}


_KEEP: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "Without a body both are moved as far as the operator allows.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "expiresAt": _moment("Until when the files are kept at least"),
                        "keptUntil": _moment("Until when the job is kept at least; never shorter than its files"),
                    },
                },
                "example": {"expiresAt": "2027-01-31T00:00:00Z"},
            }
        },
    }
}


@router.post(
    "/jobs/{job_id:job}:keep",
    openapi_extra=_KEEP,
    responses={200: {"model": JobView}, **problems(400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 429, 503)},
)
async def keep_job(request: Request, job_id: JobId, parts: PartsOf, principal: Caller) -> Response:
    """Keep an ended job and its files for longer, within the operator's bounds; never for less time than before.

    409 while the job is unfinished, and when the files have expired.
    """
    fields = await read_fields(request)
    found = await keeping.keep(parts, principal, job_id, fields, insists=insists(request))
    view = job_view(found.job, found.artifacts, parts.settings.root_path)
    return json_response(view, headers={"ETag": f'"{found.revision}"'})
