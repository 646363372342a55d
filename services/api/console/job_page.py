"""`/console/jobs/{id}`: one job, as a page, as a panel beside a list, and in parts."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.api.actions import downloads, earlier, jobs, why
from services.api.actions.job_errors import JobDeleted, UnknownJob
from services.api.actions.jobs import FoundJob
from services.api.actions.why import Reason
from services.api.console import as_command
from services.api.console.attempts import attempts_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.show import Shown
from services.api.console.sparkline import Sparkline, sparkline
from services.api.console.timeline import phases_of, timeline
from services.api.console.told import parameters_told
from services.api.console.visit import Visit
from services.api.http import stored_file
from services.api.v1.views import job_view
from shared.access.scopes import Scope
from shared.artifacts.interface import SignedUrl

router = APIRouter(include_in_schema=False)


@router.get("/jobs/{job_id}")
@page_for
async def one(visit: Visit) -> Response:
    """Show one job: its outcome, its files, its history, and how long others of its type took."""
    found = await jobs.get(visit.parts, visit.principal, job_id_of(visit))
    final = found.job.status.final
    # An unfinished job gets the comparison when it ends: six statements are enough for one page.
    compared = await _compared(visit, found) if final else None
    told = await job_context(visit, found)
    may_fetch = told["job"].result is not None and not (found.lacking or found.job.expired)
    names = [file.name for file in told["job"].result.artifacts] if may_fetch else []
    commands = as_command.of_job(str(found.job.id), names)
    context = {"earlier": compared, "streams": not final, "commands": commands, "records": _records(visit, told)}
    return page(visit, "job.html", {**told, **context})


@router.get("/jobs/{job_id}/part")
@page_for
async def part(visit: Visit) -> Response:
    """Return the changing part of a job's page."""
    found = await jobs.get(visit.parts, visit.principal, job_id_of(visit))
    return page(visit, "_job.html", {**await job_context(visit, found), "polls": True})


@router.get("/jobs/{job_id}/earlier")
@page_for
async def earlier_ones(visit: Visit) -> Response:
    """Return how long others of the job's type took, for a page that is open when the job ends."""
    found = await jobs.get(visit.parts, visit.principal, job_id_of(visit))
    job = job_view(found.job, found.artifacts, visit.parts.settings.root_path)
    return page(visit, "_earlier.html", {"job": job, "earlier": await _compared(visit, found)})


@router.get("/jobs/{job_id}/panel")
@page_for
async def panel(visit: Visit) -> Response:
    """Return the panel of the job beside a list, with what holds the job back."""
    return page(visit, "_panel.html", {"panel": await panel_context(visit, job_id_of(visit), reasons=True)})


@router.get("/jobs/{job_id}/files/{name}")
@page_for
async def download(visit: Visit) -> Response:
    """Send one of the job's files, always as a download: content of a report must never run as a
    page of the console.
    """
    name = visit.name("name")
    artifact, place, _ = await downloads.locate(visit.parts, visit.principal, job_id_of(visit), name)
    if isinstance(place, SignedUrl):
        return RedirectResponse(place.url, 307, {"Cache-Control": "no-store"})
    accel = visit.parts.settings.accel_redirect
    return stored_file.answer(visit.request, artifact, place, accel=accel)


async def panel_context(visit: Visit, job_id: UUID, *, reasons: bool) -> dict[str, Any] | None:
    """Return the template context of the panel, without the history; None if there is no such job any more.

    Without `reasons` the panel fetches them itself: together with those of its list, six statements would not suffice.
    """
    try:
        found = await jobs.get(visit.parts, visit.principal, job_id)
    except (UnknownJob, JobDeleted):
        return None
    told = await _reasons(visit, found) if reasons else None
    return {**_known(visit, found), "reasons": told}


async def job_context(visit: Visit, found: FoundJob) -> dict[str, Any]:
    """Return the template context of one job."""
    events = await jobs.history(visit.parts, visit.principal, found.job.id)
    result = found.job.result or {}
    bars = timeline(events, ended=found.job.status.final)
    return {
        **_known(visit, found),
        "reasons": await _reasons(visit, found),
        "events": events,
        "timeline": bars,
        "phases": phases_of(result.get("phases", ()), result.get("seconds", 0.0), bars),
        "attempts": attempts_of(events),
    }


def _records(visit: Visit, told: Mapping[str, Any]) -> Sequence[str]:
    """Return which further records of the job the visitor may read: services/api/console/job_records.py."""
    job, has = told["job"], visit.principal.has
    manifest = bool(job.result and job.result.manifest) if job.done else bool(job.formats)
    kinds = {"manifest": manifest, "deliveries": has(Scope.WEBHOOKS_READ), "audit": has(Scope.AUDIT_READ)}
    return [name for name, shown in kinds.items() if shown]


async def _reasons(visit: Visit, found: FoundJob) -> Sequence[str]:
    """Say what holds the job back; empty once it has ended."""
    if found.job.status.final:
        return []
    explained = await why.explain(visit.parts, visit.principal, found.job.id)
    return [_in_words(visit, reason) for reason in explained.reasons]


def _known(visit: Visit, found: FoundJob) -> dict[str, Any]:
    """Return what the job itself shows, and what the visitor may do with it."""
    parts, has = visit.parts, visit.principal.has
    report = parts.catalog.types.get(found.job.report_type)
    job = job_view(found.job, found.artifacts, parts.settings.root_path)
    return {
        "job": job,
        "report": report,
        "lacking": found.lacking,
        "expired": found.job.expired,
        "parameters": parameters_told(job, report, visit.language),
        "may_cancel": has(Scope.JOBS_CANCEL),
        "may_look": has(Scope.ROWS_READ),
        "may_delete": has(Scope.JOBS_DELETE),
        "may_keep": has(Scope.JOBS_CREATE),
        "may_link": has(Scope.JOBS_SHARE),
        "may_ask": has(Scope.JOBS_CREATE) and report is not None,
        "key": str(uuid4()),
    }


def job_id_of(visit: Visit) -> UUID:
    """Return the job that the path names. Raises UnknownJob."""
    given = visit.name("job_id")
    try:
        return UUID(given)
    except ValueError:
        raise UnknownJob(given) from None


async def _compared(visit: Visit, found: FoundJob) -> Sparkline | None:
    """Return the job compared with earlier ones of its type; None if there are none."""
    seconds = (found.job.result or {}).get("seconds")
    runs = await earlier.before(visit.parts, visit.principal, found.job)
    return sparkline(runs, None if seconds is None else float(seconds))


def _in_words(visit: Visit, reason: Reason) -> str:
    """Return the reason in the reader's language, or in the API's words if it has no text there."""
    key, shown = f"why.{reason.code}", Shown(visit.texts.locale)
    if not visit.texts.has(key):
        return reason.message
    facts: dict[str, Any] = {name: shown.fact(value) for name, value in reason.facts.items()}
    if reason.facts.get("atLeast"):
        facts["ahead"] = f"≥ {facts['ahead']}"
    if reason.code == "no_worker" and reason.facts["lastSeenAt"] is None:
        key = "why.no_worker_ever"
    return visit.texts.marked_up(key, **facts)
