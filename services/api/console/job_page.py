"""`/console/jobs/{id}`: one job, and what can be done with it."""

from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from services.api.actions import downloads, jobs, retries, why
from services.api.actions.errors import UnknownJob
from services.api.actions.jobs import FoundJob
from services.api.actions.submissions import Wanted
from services.api.actions.why import Reason
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.show import Shown
from services.api.console.timeline import timeline
from services.api.console.told import parameters_told
from services.api.console.visit import Visit, read_form
from services.api.http import stored_file
from services.api.v1.views import job_view
from shared.access.scopes import Scope
from shared.artifacts.interface import SignedUrl
from shared.runtime import tracing

router = APIRouter(include_in_schema=False)


@router.get("/jobs/{job_id}")
@page_for
async def one(visit: Visit) -> Response:
    """One job: what became of it, its files, its history."""
    return page(visit, "job.html", await _job(visit))


@router.get("/jobs/{job_id}/part")
@page_for
async def part(visit: Visit) -> Response:
    """The changing part of a job's page."""
    return page(visit, "_job.html", await _job(visit))


@router.get("/jobs/{job_id}/files/{name}")
@page_for
async def download(visit: Visit) -> Response:
    """One of the job's files, always as a download: what a report wrote never runs as a page of ours."""
    name = visit.name("name")
    artifact, place, _ = await downloads.locate(visit.parts, visit.principal, _id(visit), name)
    if isinstance(place, SignedUrl):
        return RedirectResponse(place.url, 307, {"Cache-Control": "no-store"})
    return stored_file.answer(visit.request, artifact, place)


@router.post("/jobs/{job_id}/cancel")
@page_for
async def cancel(visit: Visit) -> Response:
    """Cancel the job, and show it."""
    await read_form(visit)
    await jobs.cancel(visit.parts, visit.principal, _id(visit))
    return visit.to(f"/jobs/{visit.name('job_id')}")


@router.post("/jobs/{job_id}/retry")
@page_for
async def retry(visit: Visit) -> Response:
    """Ask for the same again, and show the new job."""
    form = await read_form(visit)
    wanted = Wanted({}, b"", [form.one("key")] if form.one("key") else [], visit.request.scope.get(tracing.TRACEPARENT))
    retried = await retries.retry(visit.parts, visit.principal, _id(visit), wanted)
    return visit.to(f"/jobs/{retried.submitted.job_id}")


async def _job(visit: Visit) -> dict[str, Any]:
    parts, job_id = visit.parts, _id(visit)
    found: FoundJob = await jobs.get(parts, visit.principal, job_id)
    events = await jobs.history(parts, visit.principal, job_id)
    reasons = () if found.job.status.final else (await why.explain(parts, visit.principal, job_id)).reasons
    report = parts.catalog.types.get(found.job.report_type)
    job = job_view(found.job, found.artifacts, parts.settings.root_path)
    return {
        "job": job,
        "report": report,
        "lacking": found.lacking,
        "expired": found.job.expired,
        "reasons": [_in_words(visit, reason) for reason in reasons],
        "events": events,
        "timeline": timeline(events, ended=job.status.final),
        "parameters": parameters_told(job, report, visit.language),
        "may_cancel": visit.principal.has(Scope.JOBS_CANCEL),
        "may_ask": visit.principal.has(Scope.JOBS_CREATE) and report is not None,
        "key": str(uuid4()),
    }


def _in_words(visit: Visit, reason: Reason) -> str:
    """The reason in the reader's language; one that has no text there says what the API says."""
    key, shown = f"why.{reason.code}", Shown(visit.texts.locale)
    if not visit.texts.has(key):
        return reason.message
    facts: dict[str, Any] = {name: shown.fact(value) for name, value in reason.facts.items()}
    return visit.texts(key, **facts)


def _id(visit: Visit) -> UUID:
    given = visit.name("job_id")
    try:
        return UUID(given)
    except ValueError:
        raise UnknownJob(given) from None
