"""What surrounds every page: identifying the visitor, and problems as pages."""

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
    """Return a route for signed-in visitors, which sends others to the sign-in. Problems become pages."""

    async def guarded(visit: Visit) -> Response:
        if visit.signed_in:
            return await handler(visit)
        if "hx-request" not in visit.request.headers:
            return visit.to(_sign_in(visit))
        # For a part of an open page, the whole page goes to the sign-in, unless somebody is filling in a form.
        looks = visit.request.method == "GET"
        return Response(status_code=401, headers={"HX-Redirect": visit.console + _sign_in(visit)} if looks else None)

    return _named(handler, open_page(guarded))


def _sign_in(visit: Visit) -> str:
    """Return the address of the sign-in.

    It says why, and leads back to the reader's page, which may differ from the requested one.
    """
    request, fields = visit.request, {"next": visit.console}
    sent = request.method != "GET"
    if sent or visit.cookie["key"] in request.cookies:
        fields["why"] = "not_done" if sent else "ended"
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    inside = "hx-request" in request.headers
    told = request.headers.get("hx-current-url" if inside else "referer", "") if sent or inside else here
    with contextlib.suppress(ValueError):  # not a valid host
        place = urlsplit(told)
        if f"{place.path}/".startswith(f"{visit.console}/"):
            fields["next"] = place.path + (f"?{place.query}" if place.query else "")
    return f"/sign-in?{urlencode(fields)}"


def open_page(handler: Handler) -> Route:
    """Return a route for everyone. Problems become pages."""

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
