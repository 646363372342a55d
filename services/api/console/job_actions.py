"""Actions on a job. Each first shows its effect in numbers and asks for confirmation."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter, Response

from services.api.actions import deletions, jobs, keeping, retries
from services.api.actions.checks import Wanted
from services.api.actions.passwords import FIELD as PASSWORD
from services.api.console.job_page import job_context, job_id_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit, read_form
from services.api.http.problems import Problem
from shared import json_text
from shared.access.scopes import Scope
from shared.runtime import tracing

router = APIRouter(include_in_schema=False)


class _Action(NamedTuple):
    scope: Scope
    dangerous: bool
    """True if its button is red, and the safe button has the focus."""


_ACTIONS: Mapping[str, _Action] = {
    "cancel": _Action(Scope.JOBS_CANCEL, dangerous=True),
    "retry": _Action(Scope.JOBS_CREATE, dangerous=False),
    "delete": _Action(Scope.JOBS_DELETE, dangerous=True),
    "keep": _Action(Scope.JOBS_CREATE, dangerous=False),
}
"""Actions that need confirmation. Each has a POST route of the same name, and the texts `confirm.{name}`."""


@router.get("/jobs/{job_id}/{action}")
@page_for
async def confirm(visit: Visit) -> Response:
    """Show what the action would do, as a page of its own or as the content of a dialog."""
    name = visit.name("action")
    if name not in _ACTIONS:
        raise Problem(404, "unknown_path", "There is no such page.")
    action = _ACTIONS[name]
    visit.principal.need(action.scope)
    found = await jobs.get(visit.parts, visit.principal, job_id_of(visit))
    most_s = max(visit.parts.settings.most_keep_artifacts_s, found.job.keep_artifacts_s)
    context: dict[str, Any] = {
        **await job_context(visit, found),
        "action": name,
        "dangerous": action.dangerous,
        "bytes": sum(file.size_bytes for file in found.artifacts),
        "kept_to": (found.job.finished_at or found.job.created_at) + timedelta(seconds=most_s),
        "inside": "hx-request" in visit.request.headers,
    }
    return page(visit, "_confirm.html" if context["inside"] else "confirm.html", context)


@router.post("/jobs/{job_id}/cancel")
@page_for
async def cancel(visit: Visit) -> Response:
    """Cancel the job, and show it."""
    await read_form(visit)
    await jobs.cancel(visit.parts, visit.principal, job_id_of(visit))
    return visit.to(f"/jobs/{visit.name('job_id')}")


@router.post("/jobs/{job_id}/retry")
@page_for
async def retry(visit: Visit) -> Response:
    """Repeat the job, and show the new one."""
    form = await read_form(visit)
    asked = {PASSWORD: password} if (password := form.one(PASSWORD)) else {}
    key = [form.one("key")] if form.one("key") else []
    wanted = Wanted(asked, json_text.write(asked).encode(), key, visit.request.scope.get(tracing.TRACEPARENT))
    retried = await retries.retry(visit.parts, visit.principal, job_id_of(visit), wanted)
    return visit.to(f"/jobs/{retried.submitted.job_id}")


@router.post("/jobs/{job_id}/delete")
@page_for
async def delete(visit: Visit) -> Response:
    """Delete the job with its files, and show the list, which says what was deleted."""
    await read_form(visit)
    await deletions.delete(visit.parts, visit.principal, job_id_of(visit))
    return visit.to(f"?deleted={job_id_of(visit)}")


@router.post("/jobs/{job_id}/keep")
@page_for
async def keep(visit: Visit) -> Response:
    """Keep the files for as long as the operator allows, and show the job."""
    await read_form(visit)
    await keeping.keep(visit.parts, visit.principal, job_id_of(visit), {})
    return visit.to(f"/jobs/{visit.name('job_id')}")
