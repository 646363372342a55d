"""`/console/schedules`: schedules and their ticks, for reading."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from services.api.actions import schedule_looks, schedules, visible
from services.api.actions.cron_words import in_words
from services.api.actions.errors import UnknownReportType, UnknownSchedule
from services.api.actions.partial import looked_at_if_quick
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.translated import parameter_titles
from services.api.console.visit import Visit
from services.api.v1.schedule_views import schedule_view
from shared.access.scopes import Scope
from shared.catalog.model import ReportType
from shared.schedules.schedule import Schedule

router = APIRouter(include_in_schema=False)

_ON_A_PAGE, _TICKS = 25, 25


@router.get("/schedules")
@page_for
async def every(visit: Visit) -> Response:
    """List the schedules that the reader may see, newest first."""
    token = visit.request.query_params.get("pageToken")
    listed = schedules.list_page(visit.parts, visit.principal, size=_ON_A_PAGE, token=token)
    found = await looked_at_if_quick("schedules", listed)
    outcomes: Mapping[UUID, Any] | None = {}
    if found is not None and found.schedules:
        looked = schedule_looks.outcomes(visit.parts, visit.principal, found.schedules)
        outcomes = await looked_at_if_quick("the latest ticks", looked)
    context = {
        "found": found,
        "told": [told(visit, one) for one in found.schedules] if found else [],
        "outcomes_of": outcomes or {},
        "first_page": token is None,
        "may_make": _may_write(visit),
        "may_read_jobs": visit.principal.has(Scope.JOBS_READ),
    }
    return page(visit, "schedules.html", context)


@router.get("/schedules/{schedule_id}")
@page_for
async def one(visit: Visit) -> Response:
    """Show one schedule: when it is due, what it requests, and how its ticks ended."""
    schedule = await schedules.get(visit.parts, visit.principal, schedule_id_of(visit))
    token = visit.request.query_params.get("pageToken")
    looked = schedules.ticks(visit.parts, visit.principal, schedule.id, size=_TICKS, token=token)
    context = {
        **told(visit, schedule),
        "history": await looked_at_if_quick("ticks", looked),
        "first_page": token is None,
        "key": str(uuid4()),
        "parameters": _parameters(visit, schedule),
        "may_change": visit.principal.has(Scope.SCHEDULES_WRITE),
        "may_write": _may_write(visit),
        "may_read_jobs": visit.principal.has(Scope.JOBS_READ),
    }
    return page(visit, "schedule.html", context)


def told(visit: Visit, schedule: Schedule) -> dict[str, Any]:
    """Return what pages show of a schedule."""
    return {
        "schedule": schedule,
        "view": schedule_view(schedule, visit.parts.settings.root_path),
        "report": report_of(visit, schedule),
        "due": in_words(schedule.wanted.timing, visit.language),
    }


def report_of(visit: Visit, schedule: Schedule) -> ReportType | None:
    """Return its report type; None if the catalog no longer has it, or the reader may not see it."""
    try:
        return visible.report_type(visit.parts.catalog, visit.principal, schedule.wanted.report_type)
    except UnknownReportType:
        return None


def schedule_id_of(visit: Visit) -> UUID:
    """Return the id in the path. Raises UnknownSchedule for an invalid one."""
    text = visit.name("schedule_id")
    try:
        return UUID(text)
    except ValueError:
        raise UnknownSchedule(text) from None


def _parameters(visit: Visit, schedule: Schedule) -> list[tuple[str, Any]]:
    """Return the parameters by their titles, as they were written."""
    report = report_of(visit, schedule)
    titles = parameter_titles(report, visit.language) if report else {}
    return [(titles.get(name, name), value) for name, value in schedule.wanted.parameters.items()]


def _may_write(visit: Visit) -> bool:
    return visit.principal.has(Scope.SCHEDULES_WRITE) and visit.principal.has(Scope.JOBS_CREATE)
