"""Download finished files."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse, RedirectResponse

from services.api.actions import downloads
from services.api.http import stored_file
from services.api.http.accept import rather_json
from services.api.http.dependencies import Caller, JobId, PartsOf
from services.api.http.openapi import Responses, problems
from services.api.v1.job_links import file_url
from services.api.v1.views import LinkView
from shared.artifacts.interface import SignedUrl

router = APIRouter(tags=["artifacts"])

_RESPONSES: Responses = {
    200: {"model": LinkView, "description": "The file; or, to `Accept: application/json`, where to fetch it"},
    206: {"description": "The range asked for"},
    304: {"description": "Not changed"},
    307: {"description": "The file is on S3, at this link: follow it"},
    **problems(401, 403, 404, 409, 410, 412, 416, 422, 429, 503),
}
_NOT_KEPT = {"Cache-Control": "no-store", "Vary": "Accept"}


@router.get("/jobs/{job_id:job}/artifacts/{name:file}", response_class=FileResponse, responses=_RESPONSES)
async def download_artifact(request: Request, job_id: JobId, name: str, parts: PartsOf, principal: Caller) -> Response:
    """The file, with ranges; or a redirect (307) to a link that works for a few minutes.

    A client that accepts `application/json` and not the file's own type gets `{"url": …, "expiresAt": …}` instead.
    """
    artifact, place, until = await downloads.locate(parts, principal, job_id, name)
    if rather_json(request.headers.get("accept", ""), artifact.media_type):
        if isinstance(place, SignedUrl):
            url = place.url
        else:
            place.close()
            url = file_url(job_id, artifact.name, parts.settings.root_path)
        link = LinkView(url=url, expires_at=until)
        return JSONResponse(link.model_dump(mode="json", by_alias=True), headers=_NOT_KEPT)
    if isinstance(place, SignedUrl):
        return RedirectResponse(place.url, 307, _NOT_KEPT)
    return stored_file.answer(request, artifact, place, accel=parts.settings.accel_redirect)
