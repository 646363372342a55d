"""`/console/sign-in`: an API key opens a session, whose cookie holds nothing but a random token."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.api.auth.access import RateLimited, Unauthorized
from services.api.auth.principal import Origin
from services.api.console.page import page
from services.api.console.route import open_page, page_for
from services.api.console.visit import Visit, read_form, within
from services.api.http.client_address import client_address
from shared.access.sessions import LASTS_S

router = APIRouter(include_in_schema=False)


@router.get("/sign-in")
@open_page
async def ask(visit: Visit) -> Response:
    """The form for the key. Where no keys are asked for, everybody is in already."""
    if visit.parts.sessions is None or visit.signed_in:
        return visit.to("")
    return page(visit, "sign_in.html", {"next": visit.request.query_params.get("next", ""), "refused": None})


@router.post("/sign-in")
@open_page
async def sign_in(visit: Visit) -> Response:
    """Open a session, under a new token whatever the browser had, and go to where the reader wanted to."""
    request, sessions = visit.request, visit.parts.sessions
    form = await read_form(visit)
    if sessions is None:
        return visit.to("")
    address = client_address(request, request.app.state.trusted_proxies)
    try:
        principal = await visit.parts.access.principal(f"Bearer {form.one('key')}", address)
    except (Unauthorized, RateLimited) as error:
        status = 429 if isinstance(error, RateLimited) else 401
        return page(visit, "sign_in.html", {"next": form.one("next"), "refused": str(error)}, status=status)
    if principal.key_id is None:
        told = {"next": form.one("next"), "refused": visit.texts("sign_in.no_token")}
        return page(visit, "sign_in.html", told, status=401)
    token = await sessions.begin(principal.asking(Origin(request.scope.get("request_id"), address or None)))
    answer = RedirectResponse(within(form.one("next"), visit.console), 303)
    answer.set_cookie(max_age=round(LASTS_S), value=token, **visit.cookie)
    return answer


@router.post("/sign-out")
@page_for
async def sign_out(visit: Visit) -> Response:
    """End the session."""
    await read_form(visit)
    if visit.parts.sessions is not None and visit.token is not None:
        await visit.parts.sessions.end(visit.token, visit.principal)
    answer = visit.to("/sign-in")
    answer.set_cookie(max_age=0, value="", **visit.cookie)
    return answer
