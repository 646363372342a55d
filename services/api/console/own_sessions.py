"""`/console/sessions`: where the visitor is signed in, and signing out elsewhere."""

from fastapi import APIRouter, Response

from services.api.actions import signing_in
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit, read_form
from services.api.http.problems import Problem

router = APIRouter(include_in_schema=False)

_LONGEST_NAME = 64


@router.get("/sessions")
@page_for
async def listed(visit: Visit) -> Response:
    """List the visitor's own sessions."""
    parts = visit.parts
    if visit.token is None:
        raise Problem(404, "unknown_path", "This installation has no sessions, because it requires no sign-in.")
    found = await signing_in.own_sessions(parts, visit.principal, visit.token)
    given = visit.request.query_params.get("ended", "")
    return page(visit, "sessions.html", {"found": found, "ended": int(given) if given in _ENDED else None})


_ENDED = frozenset(str(number) for number in range(signing_in.MOST_SESSIONS + 1))
"""What an address may report as ended: numbers, never texts."""


@router.post("/sessions/end")
@page_for
async def end(visit: Visit) -> Response:
    """End one of the visitor's other sessions, or all of them."""
    form = await read_form(visit)
    if visit.parts.sessions is None or visit.token is None:
        raise Problem(404, "unknown_path", "This installation has no sessions, because it requires no sign-in.")
    name = form.one("name")[:_LONGEST_NAME] or None
    ended = await signing_in.end_others(visit.parts, visit.parts.sessions, visit.token, visit.principal, name)
    return visit.to(f"/sessions?ended={ended}")
