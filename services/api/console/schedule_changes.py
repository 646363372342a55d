"""Changes of schedules from the console: create, change, pause, resume, run, backfill, delete."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Response

from services.api.actions import schedule_looks, schedule_runs, schedules, visible
from services.api.actions.cron_words import in_words
from services.api.actions.errors import InvalidRequest
from services.api.console import schedule_form, translated
from services.api.console.offers import offers_of
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.schedules import schedule_id_of, told
from services.api.console.visit import Visit, read_form
from services.api.console.words_of_dates import Resolved, resolved
from services.api.http.problems import Problem
from shared.access.scopes import Scope
from shared.catalog.model import BUNDLE, ReportType
from shared.catalog.parameters import Violation
from shared.schedules.schedule import Schedule

router = APIRouter(include_in_schema=False)

_ASKED_ABOUT: Mapping[str, bool] = {"pause": False, "backfill": False, "delete": True}
"""Actions that need confirmation, and whether they are dangerous: then the safe button has the focus."""
_LONGEST_NOTE = 1_000
_NEXT = 5


@router.get("/schedules/new")
@page_for
async def choose(visit: Visit) -> Response:
    """Show every report type that a schedule may request."""
    _need(visit)
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    return page(visit, "schedule_types.html", {"types": list(types.values())})


@router.get("/schedules/new/{name}")
@page_for
async def fill_in(visit: Visit) -> Response:
    """Show the form of a new schedule."""
    _need(visit)
    report = _report(visit, visit.name("name"))
    return await _form_page(visit, report, schedule_form.new(report))


@router.post("/schedules/new/{name}")
@page_for
async def create(visit: Visit) -> Response:
    """Create the schedule and show it, or show the form again, with its mistakes or its next ticks."""
    form = await read_form(visit)
    _need(visit)
    report = _report(visit, visit.name("name"))
    values = schedule_form.entered(report, form)
    if form.one("look"):
        return await _form_page(visit, report, values)
    asked, wrong = schedule_form.asked(report, values)
    key = form.one("key")[:255] or None
    if not wrong:
        try:
            made = await schedules.create(visit.parts, visit.principal, asked, idempotency_key=key)
            return visit.to(f"/schedules/{made.schedule.id}")
        except InvalidRequest as error:
            wrong = list(error.violations)
    return await _form_page(visit, report, values, wrong, key=key)


@router.post("/schedules/new/{name}/coming")
@page_for
async def coming(visit: Visit) -> Response:
    """Show when the form as it stands would be due, in words and ticks. Other mistakes are not reported here."""
    form = await read_form(visit)
    _need(visit)
    report = _report(visit, visit.name("name"))
    return page(visit, "_coming.html", await _coming(visit, report, schedule_form.entered(report, form)))


@router.get("/schedules/{schedule_id}/edit")
@page_for
async def edit(visit: Visit) -> Response:
    """Show the form of an existing schedule."""
    _need(visit)
    schedule = await schedules.get(visit.parts, visit.principal, schedule_id_of(visit))
    report = _report(visit, schedule.wanted.report_type)
    return await _form_page(visit, report, schedule_form.of_schedule(report, schedule), schedule=schedule)


@router.post("/schedules/{schedule_id}/edit")
@page_for
async def change(visit: Visit) -> Response:
    """Change the schedule and show it, unless somebody else changed it since the form was opened."""
    form = await read_form(visit)
    _need(visit)
    schedule = await schedules.get(visit.parts, visit.principal, schedule_id_of(visit))
    report = _report(visit, schedule.wanted.report_type)
    values = schedule_form.entered(report, form)
    if form.one("look"):
        return await _form_page(visit, report, values, schedule=schedule)
    asked, wrong = schedule_form.asked(report, values)
    if not wrong:
        try:
            await schedules.update(
                visit.parts, visit.principal, schedule.id, asked, insists=lambda version: version == values["version"]
            )
            return visit.to(f"/schedules/{schedule.id}")
        except InvalidRequest as error:
            wrong = list(error.violations)
    return await _form_page(visit, report, values, wrong, schedule=schedule)


@router.get("/schedules/{schedule_id}/{action}")
@page_for
async def confirm(visit: Visit) -> Response:
    """Show what the action would do and what it needs, as a page of its own or as the content of a dialog."""
    if visit.name("action") not in _ASKED_ABOUT:
        raise Problem(404, "unknown_path", "There is no such page.")
    visit.principal.need(Scope.SCHEDULES_WRITE)
    return await _sure_page(visit, visit.name("action"))


@router.post("/schedules/{schedule_id}/pause")
@page_for
async def pause(visit: Visit) -> Response:
    """Pause the schedule."""
    form = await read_form(visit)
    note = form.one("note").strip()[:_LONGEST_NOTE].replace("\0", "")
    await schedules.pause(visit.parts, visit.principal, schedule_id_of(visit), note=note)
    return _back(visit)


@router.post("/schedules/{schedule_id}/resume")
@page_for
async def resume(visit: Visit) -> Response:
    """Resume the schedule."""
    await read_form(visit)
    await schedules.resume(visit.parts, visit.principal, schedule_id_of(visit))
    return _back(visit)


@router.post("/schedules/{schedule_id}/run")
@page_for
async def run(visit: Visit) -> Response:
    """Submit its job now, and show the job to visitors who may see jobs."""
    form = await read_form(visit)
    key = form.one("key")[:255] or None
    found = await schedule_runs.run(visit.parts, visit.principal, schedule_id_of(visit), idempotency_key=key)
    return visit.to(f"/jobs/{found.job_id}") if visit.principal.has(Scope.JOBS_READ) else _back(visit)


@router.post("/schedules/{schedule_id}/backfill")
@page_for
async def backfill(visit: Visit) -> Response:
    """Submit the jobs of those ticks of a range that had none."""
    form = await read_form(visit)
    given = {name: form.one(name).strip() for name in ("from", "to")}
    try:
        await schedule_runs.backfill(visit.parts, visit.principal, schedule_id_of(visit), given, by_its_clocks=True)
    except InvalidRequest as error:
        return await _sure_page(visit, "backfill", given, error.violations)
    return _back(visit)


@router.post("/schedules/{schedule_id}/delete")
@page_for
async def delete(visit: Visit) -> Response:
    """Remove the schedule with its history."""
    await read_form(visit)
    await schedules.delete(visit.parts, visit.principal, schedule_id_of(visit))
    return visit.to("/schedules")


def _need(visit: Visit) -> None:
    visit.principal.need(Scope.SCHEDULES_WRITE)
    visit.principal.need(Scope.JOBS_CREATE)


def _report(visit: Visit, name: str) -> ReportType:
    return visible.report_type(visit.parts.catalog, visit.principal, name)


def _back(visit: Visit) -> Response:
    return visit.to(f"/schedules/{schedule_id_of(visit)}")


async def _sure_page(
    visit: Visit, action: str, given: Mapping[str, str] | None = None, wrong: Sequence[Violation] = ()
) -> Response:
    schedule = await schedules.get(visit.parts, visit.principal, schedule_id_of(visit))
    inside = "hx-request" in visit.request.headers and not wrong
    context = {
        **told(visit, schedule), "action": action, "dangerous": _ASKED_ABOUT[action], "inside": inside,
        "given": given or {"from": "", "to": ""}, "wrong": translated.violations(wrong, visit.texts),
    }  # fmt: skip
    template = "_schedule_sure.html" if inside else "schedule_sure.html"
    return page(visit, template, context, status=422 if wrong else 200)


async def _coming(visit: Visit, report: ReportType, values: Mapping[str, str]) -> dict[str, Any]:
    """Return the words and the next ticks of the form's timing, or its mistakes."""
    asked, wrong = schedule_form.asked(report, values)
    late = [one for one in wrong if one.field == "time"]
    found = None
    if not late:
        try:
            found = await schedule_looks.due(visit.parts, visit.principal, asked, ticks=_NEXT)
        except InvalidRequest as error:
            late = list(error.violations)
    at_the_next: Sequence[Resolved] = ()
    if found and found.ticks and isinstance(parameters := asked["parameters"], dict):
        at_the_next = resolved(report, visit.language, parameters, found.ticks[0], found.timing.zone)
    return {
        "at_the_next": at_the_next,
        "timing": found.timing if found else None,
        "ticks": [(tick, found.timing.remark(tick)) for tick in found.ticks] if found else [],
        "due": in_words(found.timing, visit.language) if found else "",
        "late": translated.violations(late, visit.texts),
    }


async def _form_page(
    visit: Visit, report: ReportType, values: Mapping[str, str], violations: Sequence[Violation] = (), *,
    schedule: Schedule | None = None, key: str | None = None,
) -> Response:  # fmt: skip
    violations = translated.violations(violations, visit.texts)
    offers = await offers_of(visit, report, values, values.get("zone"))
    own = f"/schedules/{schedule.id}/edit" if schedule else f"/schedules/new/{report.name}"
    context = {
        **schedule_form.context(report, visit.language, visit.texts, values, violations, offers),
        **await _coming(visit, report, values),
        "report": report, "schedule": schedule, "own_path": own, "key": key or str(uuid4()),
        "readers_zone": not schedule and visit.request.method == "GET",
        "formats": [*(str(f) for f in report.formats), *([BUNDLE] if len(report.formats) > 1 else [])],
        "chosen": set(values["format"].split("\n")),
    }  # fmt: skip
    return page(visit, "schedule_form.html", context, status=422 if violations else 200)
