"""What every page has around it: who visits, and problems as pages."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlencode, urlsplit

from fastapi import Request, Response

from services.api.console.page import problem_page
from services.api.console.visit import Visit, identified, visit_of
from services.api.http import error_problems

Handler: TypeAlias = Callable[[Visit], Awaitable[Response]]
Route: TypeAlias = Callable[[Request], Awaitable[Response]]


def page_for(handler: Handler) -> Route:
    """A route that answers whoever is signed in, and lets others sign in first. Problems leave as pages."""

    async def guarded(visit: Visit) -> Response:
        if visit.signed_in:
            return await handler(visit)
        if "hx-request" not in visit.request.headers:
            return visit.to(_sign_in(visit))
        # A part of an open page: the whole of it goes to the sign-in, except where somebody is filling in a form.
        looks = visit.request.method == "GET"
        return Response(status_code=401, headers={"HX-Redirect": visit.console + _sign_in(visit)} if looks else None)

    return _named(handler, open_page(guarded))


def _sign_in(visit: Visit) -> str:
    """Where to sign in: it says why, and leads back to where the reader is, which is not always what was asked for."""
    request, fields = visit.request, {"next": visit.console}
    sent = request.method != "GET"
    if sent or visit.cookie["key"] in request.cookies:
        fields["why"] = "not_done" if sent else "ended"
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    inside = "hx-request" in request.headers
    told = request.headers.get("hx-current-url" if inside else "referer", "") if sent or inside else here
    with contextlib.suppress(ValueError):  # of a host that is none
        place = urlsplit(told)
        if f"{place.path}/".startswith(f"{visit.console}/"):
            fields["next"] = place.path + (f"?{place.query}" if place.query else "")
    return f"/sign-in?{urlencode(fields)}"


def open_page(handler: Handler) -> Route:
    """A route that answers everybody. Problems leave as pages."""

    async def answer(request: Request) -> Response:
        visit = visit_of(request)
        try:
            visit = await identified(visit)
            return await handler(visit)
        except Exception as error:  # noqa: BLE001 - told to the reader as a page, and to the log
            return problem_page(visit, error_problems.of(error))

    return _named(handler, answer)


def _named(handler: Handler, route: Callable[[Request], Awaitable[Response]]) -> Route:
    route.__name__, route.__doc__ = handler.__name__, handler.__doc__
    return route
