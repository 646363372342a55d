"""`/console/sign-in`: an API key or a one-time code opens a session, whose cookie is a random token."""

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.api.actions import signing_in
from services.api.auth.access import RateLimited, Unauthorized
from services.api.auth.principal import Origin
from services.api.console.page import page
from services.api.console.route import open_page, page_for
from services.api.console.visit import Visit, read_form, within
from services.api.http.client_address import client_address
from shared.access import sign_in_codes
from shared.access.sessions import LASTS_S

router = APIRouter(include_in_schema=False)

_WHYS = ("ended", "not_done")
"""Why a reader is sent here, other than coming for the first time: the session has ended, or the form they sent was not
accepted."""


@router.get("/sign-in")
@open_page
async def ask(visit: Visit) -> Response:
    """Show the form for the key. Where no keys are required, everyone is signed in already."""
    if visit.parts.sessions is None or visit.signed_in:
        return visit.to("")
    asked = visit.request.query_params
    return sign_in_page(visit, asked.get("next", ""), why=asked.get("why"))


@router.post("/sign-in")
@open_page
async def sign_in(visit: Visit) -> Response:
    """Open a session, with a new token whatever the browser had before, and go to the page that the reader wanted."""
    request = visit.request
    form = await read_form(visit)
    if visit.parts.sessions is None:
        return visit.to("")
    address = client_address(request, request.app.state.trusted_proxies)
    origin = Origin(request.scope.get("request_id"), address or None)
    try:
        token = await _session(visit, form.one("key").strip(), origin)
    except (Unauthorized, RateLimited) as error:
        status = 429 if isinstance(error, RateLimited) else 401
        return sign_in_page(visit, form.one("next"), str(error), status=status)
    answer = RedirectResponse(within(form.one("next"), visit.console), 303)
    answer.set_cookie(max_age=round(LASTS_S), value=token, **visit.cookie)
    return answer


def sign_in_page(
    visit: Visit, wanted: str, refused: str | None = None, *, why: str | None = None, status: int = 200
) -> Response:
    """Show every way to sign in: a form for the key, and a link for each issuer.

    `wanted` is the page to go to afterwards, and `why` says what led here.
    """
    logins = visit.parts.logins
    context = {
        "next": wanted,
        "refused": refused,
        "why": why if why in _WHYS else None,
        "takes_keys": visit.parts.settings.takes_keys,
        "logins": {} if logins is None else logins.offered,
    }
    return page(visit, "sign_in.html", context, status=status)


async def _session(visit: Visit, given: str, origin: Origin) -> str:
    """Return the cookie of a new session for an API key or a one-time code."""
    if given.startswith(sign_in_codes.PREFIX):
        return await signing_in.redeem(visit.parts, given, origin)
    principal = await visit.parts.access.principal(f"Bearer {given}", origin.address or "")
    if principal.key_id is None:
        raise Unauthorized(visit.texts("sign_in.no_token"))
    return await signing_in.sign_in(visit.parts, principal.asking(origin))


@router.post("/sign-out")
@page_for
async def sign_out(visit: Visit) -> Response:
    """End the session."""
    await read_form(visit)
    if visit.parts.sessions is not None and visit.token is not None:
        await signing_in.sign_out(visit.parts, visit.parts.sessions, visit.token, visit.principal)
    answer = visit.to("/sign-in")
    answer.set_cookie(max_age=0, value="", **visit.cookie)
    return answer
