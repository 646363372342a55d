"""End what is kept of jobs: DELETE /v1/jobs/{id}."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from services.api.actions import deletions
from services.api.http.conditional import insists
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.openapi import problems

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
    """Delete a job with its parameters, result, error texts and files. What is left answers 410 until it is forgotten.

    Nothing can be downloaded from here any more; the files leave the store within seconds. 409 if the job goes on,
    unless `cancel=true`: then its worker is told, and what it still makes is removed.
    """
    await deletions.delete(parts, principal, job_id, cancel=cancel, insists=insists(request))
    return Response(status_code=204)
