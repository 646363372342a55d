"""/shared: files for visitors who have a link, without a key."""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.api import metrics
from services.api.actions import shares
from services.api.actions.shares import ShareOver, UnknownShare
from services.api.auth.access import RateLimited
from services.api.auth.principal import Origin
from services.api.http import stored_file, stranger_page
from services.api.http.client_address import client_address
from services.api.http.dependencies import PartsOf
from services.api.http.error_problems import of
from services.api.http.problems import HEAD, Problem
from shared.artifacts.disposition import content_disposition
from shared.artifacts.interface import SignedUrl
from shared.errors import TodokeError

router = APIRouter(include_in_schema=False)

_ALONE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow, noarchive, nosnippet",
}
"""What a link leads to must not be cached, passed on or indexed."""
_OUTCOMES: Mapping[type[Exception], str] = {UnknownShare: "unknown", ShareOver: "over", RateLimited: "limited"}


@router.get("/shared/{token}")
async def download_shared(request: Request, token: str, parts: PartsOf) -> Response:
    """The file, with ranges, or a redirect (307) to where the store has it. Every GET counts; HEAD does not."""
    address = client_address(request, request.app.state.trusted_proxies)
    origin = Origin(request.scope.get("request_id"), address or None)
    try:
        parts.visitors.count(address)
        if request.scope.get(HEAD):
            file = await shares.about(parts, token, origin)
            about = {"Content-Disposition": content_disposition(file.name), "Content-Length": str(file.size_bytes)}
            return Response(media_type=file.media_type, headers={**_ALONE, **about})
        artifact, place, _ = await shares.download(parts, token, origin)
        if isinstance(place, SignedUrl):
            return RedirectResponse(place.url, 307, _ALONE)
        # Not through nginx, which would leave these headers out.
        answer = stored_file.answer(request, artifact, place)
    except (TodokeError, Problem) as error:
        metrics.SHARE_DOWNLOADS.labels(_OUTCOMES.get(type(error), "failed")).inc()
        problem = _alone(of(error))
        if page := stranger_page.page_of(request, problem):
            return page
        raise problem from error
    answer.headers.update(_ALONE)
    return answer


def _alone(problem: Problem) -> Problem:
    problem.headers.update(_ALONE)
    return problem
