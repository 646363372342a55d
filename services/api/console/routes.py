"""Every path below `/console`."""

from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from services.api.console import (
    bulk,
    job_actions,
    job_export,
    job_links,
    job_list,
    job_page,
    job_records,
    job_stream,
    my_reports,
    new_report,
    operator_pages,
    own_sessions,
    preview,
    report_types,
    rows,
    schedule_changes,
    schedules,
    sign_in,
    views,
    webhook_changes,
    webhooks,
)
from services.api.console.page import STATIC
from services.api.console.route import open_page, page_for
from services.api.console.texts import LANGUAGES
from services.api.console.visit import KEYS, LANGUAGE, SWITCH, THEME, THEMES, Visit, read_form, within
from services.api.http.problems import Problem

_YEAR_S = 365 * 86_400
_CHOICES = ((LANGUAGE, LANGUAGES, "language"), (THEME, THEMES, "theme"), (KEYS, SWITCH, "keys"))
"""Settings that can be chosen: cookie, values, and field."""

# The path of an action is any word after a job's id, so fixed paths there must come before it.
_PAGES = (
    my_reports, job_list, job_export, bulk, rows, preview, job_page, job_records, job_stream, job_links, job_actions,
    new_report, report_types, schedule_changes, schedules, webhook_changes, webhooks, own_sessions, sign_in, views,
)  # fmt: skip

_router = APIRouter(include_in_schema=False)


@_router.post("/preferences")
@open_page
async def prefer(visit: Visit) -> Response:
    """Store language, theme and keyboard switch in cookies, and go back."""
    form = await read_form(visit)
    answer = RedirectResponse(within(form.one("next"), visit.console), 303)
    for cookie, known, name in _CHOICES:
        if form.one(name) in known:
            answer.set_cookie(
                cookie, form.one(name), max_age=_YEAR_S, path=visit.console, httponly=True, samesite="lax"
            )
    return answer


@_router.api_route("/{rest:path}", methods=["GET", "POST"])
@page_for
async def nothing(visit: Visit) -> Response:
    """Answer a path that is no page."""
    if not visit.name("rest") and visit.request.method == "GET":
        return RedirectResponse(visit.console, 308)
    raise Problem(404, "unknown_path", "There is no such page.")


class _Vendored(StaticFiles):
    """Files whose addresses change with their content, so that caches may keep them forever."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """Return the file."""
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def install(app: FastAPI) -> None:
    """Add the console below `/console`."""
    app.mount("/console/static", _Vendored(directory=STATIC), name="static")
    operator_pages.install(app)
    for of in _PAGES:
        app.include_router(of.router, prefix="/console")
    app.include_router(_router, prefix="/console")
