"""Download finished files."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from services.api.actions import downloads
from services.api.http.conditional import check
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.openapi import Responses, problems
from services.api.http.ranges import RangedFile
from shared.artifacts.interface import SignedUrl

router = APIRouter(tags=["artifacts"])

_RESPONSES: Responses = {
    206: {"description": "The range asked for"},
    304: {"description": "Not changed"},
    307: {"description": "The file is on S3, at this link"},
    **problems(401, 404, 409, 410, 412, 416, 422, 429, 503),
}


@router.get("/jobs/{job_id:job}/artifacts/{name}", response_class=FileResponse, responses=_RESPONSES)
async def download_artifact(request: Request, job_id: JobId, name: str, parts: PartsOf, principal: Caller) -> Response:
    """The file, with ranges; or a redirect (307) to a link that works for a few minutes."""
    artifact, place = await downloads.locate(parts, principal, job_id, name)
    if isinstance(place, SignedUrl):
        return RedirectResponse(place.url, 307, {"Cache-Control": "no-store"})
    headers = {"ETag": f'"{artifact.sha256}"', "Cache-Control": "private, max-age=0, must-revalidate"}
    if not check(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return RangedFile(place.path, headers=headers, media_type=artifact.media_type, filename=artifact.name)
