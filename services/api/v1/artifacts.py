"""Download finished files."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from services.api.http.dependencies import JobId, Parts, PartsOf, Tenant
from services.api.http.problems import Problem, ProblemView, unknown_job
from shared.artifacts.interface import ArtifactMissing, ArtifactStoreUnavailable, LocalFile, SignedUrl, artifact_key
from shared.jobs import read
from shared.jobs.artifacts import Artifact, artifacts_of
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.runtime.metrics.artifacts import ARTIFACT_REQUESTS
from shared.suggest import did_you_mean

router = APIRouter(tags=["artifacts"])

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemView, "content": {"application/problem+json": {}}}
    for status in (401, 404, 409, 410, 422, 429, 503)
}
_OTHERS: dict[int | str, dict[str, Any]] = {
    206: {"description": "The range asked for"},
    304: {"description": "Not changed"},
    307: {"description": "The file is on S3, at this link"},
    416: {"description": "The file has no such range"},
}


@router.get("/jobs/{job_id:job}/artifacts/{name}", response_class=FileResponse, responses={**_OTHERS, **_PROBLEMS})
async def download(request: Request, job_id: JobId, name: str, parts: PartsOf, tenant: Tenant) -> Response:
    """The file, with ranges; or a redirect (307) to a link that works for a few minutes."""
    artifact, place = await run_in_threadpool(_find, parts, job_id, name, tenant)
    if isinstance(place, SignedUrl):
        return RedirectResponse(place.url, 307, {"Cache-Control": "no-store"})
    headers = {"ETag": f'"{artifact.sha256}"', "Cache-Control": "private, max-age=0, must-revalidate"}
    if artifact.sha256 in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(place.path, headers=headers, media_type=artifact.media_type, filename=artifact.name)


def _find(parts: Parts, job_id: Any, name: str, tenant: str) -> tuple[Artifact, LocalFile | SignedUrl]:
    with parts.engine.connect() as conn:
        job = read.get(conn, job_id, tenant=tenant)
        if job is None:
            raise unknown_job(str(job_id))
        artifacts = {a.name: a for a in artifacts_of(conn, [job], tenant=tenant)[job.id]}
    if job.status is not JobStatus.SUCCESS or job.lease_token is None:
        raise _not_ready(job)
    if job.expired or not artifacts:  # or expired since: a success always has files
        detail = f"The job's files expired at {job.expires_at:%Y-%m-%d %H:%M:%SZ}. Submit the report again."
        raise Problem(410, "artifact_expired", detail)
    artifact = artifacts.get(name)
    if artifact is None:
        raise Problem(404, "unknown_artifact", f"The job has no file {name[:60]!r}{did_you_mean(name, artifacts)}")
    key = artifact_key(job.tenant, job.id, job.lease_token, artifact.name)
    try:
        place = parts.store.locate(
            key,
            download_name=artifact.name,
            media_type=artifact.media_type,
            # No link outlives what it leads to.
            expires_s=max(1, int(min(parts.link_expires_s, job.files_left_s or 0))),
        )
    except ArtifactMissing:
        raise Problem(410, "artifact_gone", "The file has been removed. Submit the report again.") from None
    except ArtifactStoreUnavailable:
        ARTIFACT_REQUESTS.labels("locate", "failed").inc()
        headers = {"Retry-After": "5"}
        raise Problem(503, "artifact_store_unavailable", "Try again.", retryable=True, headers=headers) from None
    ARTIFACT_REQUESTS.labels("locate", "ok").inc()
    return artifact, place


def _not_ready(job: Job) -> Problem:
    detail = f"The job is {job.status}: only a job that ended in SUCCESS has files."
    return Problem(409, "not_ready", detail, retryable=not job.status.final)
