"""Every path below `/console`."""

from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from services.api.console import job_list, job_page, new_report, report_types, sign_in
from services.api.console.page import STATIC
from services.api.console.route import open_page, page_for
from services.api.console.texts import LANGUAGES
from services.api.console.visit import LANGUAGE, THEME, THEMES, Visit, read_form, within
from services.api.http.problems import Problem

_YEAR_S = 365 * 86_400

_router = APIRouter(include_in_schema=False)


@_router.post("/preferences")
@open_page
async def prefer(visit: Visit) -> Response:
    """Remember language and theme in cookies, and go back."""
    form = await read_form(visit)
    answer = RedirectResponse(within(form.one("next"), visit.console), 303)
    for cookie, known, name in ((LANGUAGE, LANGUAGES, "language"), (THEME, THEMES, "theme")):
        if form.one(name) in known:
            answer.set_cookie(
                cookie, form.one(name), max_age=_YEAR_S, path=visit.console, httponly=True, samesite="lax"
            )
    return answer


@_router.api_route("/{rest:path}", methods=["GET", "POST"])
@page_for
async def nothing(visit: Visit) -> Response:
    """What no page is."""
    if not visit.name("rest") and visit.request.method == "GET":
        return RedirectResponse(visit.console, 308)
    raise Problem(404, "unknown_path", "There is no such page.")


class _Vendored(StaticFiles):
    """Files whose addresses change with their bytes, so that they may be kept for ever."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The file."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def install(app: FastAPI) -> None:
    """Serve the console below `/console`."""
    app.mount("/console/static", _Vendored(directory=STATIC), name="static")
    for router in (job_list.router, job_page.router, new_report.router, report_types.router, sign_in.router, _router):
        app.include_router(router, prefix="/console")
