"""`/console/jobs/{id}/links`: links to the job's files that work without a key.

They are created, listed and revoked here.
"""

from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from services.api.actions import jobs, shares
from services.api.actions.errors import KeyRequestReused
from services.api.actions.partial import looked_at_if_quick
from services.api.actions.shares import (
    MadeShare,
    SharingOff,
    TooManyShares,
    UnknownShare,
    WantedShare,
)
from services.api.console.job_page import job_id_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit, read_form
from services.api.v1.share_views import shared_url
from services.api.v1.views import job_view
from shared.access.scopes import Scope
from shared.access.shares import MOST_DOWNLOADS, MOST_OF_A_JOB

router = APIRouter(include_in_schema=False)

_DAY_S = 86_400
_DAYS = (1, 7, 30)
_USUAL_DAYS = 7


@router.get("/jobs/{job_id}/links")
@page_for
async def every(visit: Visit) -> Response:
    """List the links to the job's files, newest first."""
    return await _links_page(visit)


@router.post("/jobs/{job_id}/links")
@page_for
async def create(visit: Visit) -> Response:
    """Create a link, and show it for this once."""
    form = await read_form(visit)
    given, most = form.one("most").strip(), None
    if given:
        most = int(given) if given.isascii() and given.isdecimal() and len(given) < 8 else 0
        if not 1 <= most <= MOST_DOWNLOADS:
            return await _links_page(visit, wrong=visit.texts("links.most_wrong"), status=422)
    days = int(form.one("days")) if form.one("days") in map(str, _DAYS) else _USUAL_DAYS
    expires_s = min(days, visit.parts.settings.share_max_days) * _DAY_S
    wanted = WantedShare(int(expires_s), most, form.one("key")[:255] or None)
    try:
        made = await shares.create(visit.parts, visit.principal, job_id_of(visit), form.one("file"), wanted)
    except (KeyRequestReused, SharingOff, TooManyShares) as error:
        return await _links_page(visit, wrong=str(error), status=409)
    return await _links_page(visit, made=made, status=201)


@router.post("/jobs/{job_id}/links/{share_id}/revoke")
@page_for
async def revoke(visit: Visit) -> Response:
    """Revoke a link."""
    await read_form(visit)
    try:
        share_id = UUID(visit.name("share_id"))
    except ValueError:
        raise UnknownShare from None
    await shares.revoke(visit.parts, visit.principal, share_id)
    return visit.to(f"/jobs/{job_id_of(visit)}/links")


async def _links_page(
    visit: Visit, *, made: MadeShare | None = None, wrong: str | None = None, status: int = 200
) -> Response:
    job_id, reading = job_id_of(visit), visit.parts.for_reading()
    found = await jobs.get(reading, visit.principal, job_id)
    listed = shares.list_page(reading, visit.principal, job_id=job_id, size=MOST_OF_A_JOB, token=None)
    root = visit.parts.settings.root_path
    context = {
        "job": job_view(found.job, found.artifacts, root),
        "report": visit.parts.catalog.types.get(found.job.report_type),
        "shares": await looked_at_if_quick("links", listed),
        "made": made,
        "url": shared_url(made.token, root) if made is not None and made.token is not None else None,
        "wrong": wrong,
        "days": [one for one in _DAYS if one <= visit.parts.settings.share_max_days] or _DAYS[:1],
        "usual_days": _USUAL_DAYS,
        "may_share": visit.principal.has(Scope.JOBS_SHARE) and visit.parts.settings.share_max_days > 0,
        "key": str(uuid4()),
    }
    return page(visit, "links.html", context, status=status)
