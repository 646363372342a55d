"""What every page has around it: who visits, and problems as pages."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlencode

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
        if "hx-request" in visit.request.headers:  # a part of an open page: the whole of it goes to the sign-in
            return Response(status_code=401, headers={"HX-Redirect": f"{visit.console}/sign-in"})
        wanted = visit.request.url.path if visit.request.method == "GET" else visit.console
        return visit.to(f"/sign-in?{urlencode({'next': wanted})}")

    return _named(handler, open_page(guarded))


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
