"""Signing in with an issuer of tokens: the way there and back."""

import base64
import binascii

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.api.actions import signing_in
from services.api.auth.access import RateLimited
from services.api.auth.issuer_keys import IssuerAway
from services.api.auth.logins import LASTS_S as LOGIN_LASTS_S
from services.api.auth.logins import Begun
from services.api.auth.tokens import NoTenant, WrongToken
from services.api.console.route import open_page
from services.api.console.sign_in import sign_in_page
from services.api.console.visit import CookieOptions, Visit, within
from services.api.http.dependencies import parts_of
from services.api.http.problems import Problem
from shared.access.sessions import LASTS_S

router = APIRouter(include_in_schema=False)

_MOST_NEXT = 1_000
# The address of the following page contains a code.
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@router.get("/sign-in/with/{name}")
@open_page
async def leave(visit: Visit) -> Response:
    """Redirect to the issuer, with what it must send back."""
    logins, name = visit.parts.logins, visit.name("name")
    if logins is None or name not in logins.offered:
        raise Problem(404, "unknown_path", "There is no such sign-in method.")
    wanted = within(visit.request.query_params.get("next", "")[:_MOST_NEXT], visit.console)
    address = visit.principal.origin.address or ""
    try:
        visit.parts.access.attempt(address)
        url, begun = await logins.begin(name)
    except (RateLimited, IssuerAway) as error:
        return sign_in_page(visit, wanted, str(error), status=429 if isinstance(error, RateLimited) else 503)
    visit.parts.access.succeeded(address)
    answer = RedirectResponse(url, 303, _HEADERS)
    answer.set_cookie(max_age=LOGIN_LASTS_S, value=_written(begun, wanted), **_cookie(visit))
    return answer


@router.get("/signed-in")
@open_page
async def come_back(visit: Visit) -> Response:
    """Complete the sign-in: open a session, with a new token whatever the browser had before."""
    parts, logins = parts_of(visit.request), visit.parts.logins
    given = _read(visit.request.cookies.get(_cookie(visit)["key"], ""))
    if logins is None or parts.sessions is None or given is None or given[0].issuer not in logins.offered:
        return _refused(visit, "", visit.texts("sign_in.not_begun"), 401)
    begun, wanted = given
    address = visit.principal.origin.address or ""
    try:
        parts.access.attempt(address)
        principal = await logins.finish(begun, dict(visit.request.query_params))
    except RateLimited as error:
        return _refused(visit, wanted, str(error), 429)
    except IssuerAway as error:
        parts.access.succeeded(address)
        return _refused(visit, wanted, str(error), 503)
    except (WrongToken, NoTenant) as error:
        words = f"{visit.texts('sign_in.token')} {error}." if isinstance(error, WrongToken) else str(error)
        return _refused(visit, wanted, words, 401)
    parts.access.succeeded(address)
    if visit.token is not None:
        await signing_in.sign_out(parts, parts.sessions, visit.token, visit.principal)
    token = await signing_in.sign_in(parts, principal.asking(visit.principal.origin))
    answer = RedirectResponse(within(wanted, visit.console), 303, _HEADERS)
    answer.set_cookie(max_age=round(LASTS_S), value=token, **visit.cookie)
    answer.set_cookie(max_age=0, value="", **_cookie(visit))
    return answer


def _refused(visit: Visit, wanted: str, words: str, status: int) -> Response:
    answer = sign_in_page(visit, wanted, words, status=status)
    answer.set_cookie(max_age=0, value="", **_cookie(visit))  # the sign-in is over, however it ended
    return answer


def _cookie(visit: Visit) -> CookieOptions:
    return {**visit.cookie, "key": f"{visit.cookie['key']}-login"}


def _written(begun: Begun, wanted: str) -> str:
    return ".".join((*begun, base64.urlsafe_b64encode(wanted.encode()).decode()))


def _read(cookie: str) -> tuple[Begun, str] | None:
    parts = cookie.split(".")
    if len(parts) != 5 or not all(parts):
        return None
    try:
        return Begun(*parts[:4]), base64.b64decode(parts[4], altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
