"""`/console/report-types`: what can be requested, and how recent jobs ended."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter, Response

from services.api.actions import type_figures, visible
from services.api.console import charts, translated
from services.api.console.charts import Chart, Steps
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit
from shared.access.scopes import Scope
from shared.catalog.model import ReportKind, ReportType
from shared.catalog.schema import json_schema
from shared.jobs.rollups import quantile
from shared.jobs.states import JobStatus
from shared.jobs.totals import Point
from shared.jobs.type_totals import Figures

router = APIRouter(include_in_schema=False)

_NOTHING = Figures(0, 0, (), None)


class _Lately(NamedTuple):
    """How a type's jobs ended in the last day."""

    figures: Figures
    percent_failed: float | None
    """None if no job ended."""
    half_s: float | None
    """The time from request to success that half of the jobs needed, in seconds; None if none succeeded."""
    nearly_all_s: float | None
    """The same for 95 of 100."""


@router.get("/report-types")
@page_for
async def every(visit: Visit) -> Response:
    """Show every report type that the visitor may request."""
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    return page(visit, "report_types.html", {"types": list(types.values()), **await _lately(visit, list(types))})


@router.get("/report-types/{name}")
@page_for
async def one(visit: Visit) -> Response:
    """Show one report type: its parameters, columns, formats and limits."""
    report = visible.report_type(visit.parts.catalog, visit.principal, visit.name("name"))
    begins = _begins()
    chart = await _durations(visit, report.name, begins) if type_figures.may_see(visit.principal) else None
    context = {
        **_about(report, visit.language),
        **await _lately(visit, [report.name]),
        "durations": chart,
        "first_day": begins[0],
        "last_day": begins[-1],
        # The query is shown to operators only: it names tables that its readers never see.
        "queries": _queries(report) if visit.principal.has(Scope.ADMIN_READ) else (),
    }
    return page(visit, "report_type.html", context)


async def _lately(visit: Visit, names: Sequence[str]) -> dict[str, Any]:
    """Return the figures of the types for visitors who may see them: `lately` is None if they could not be read."""
    if not type_figures.may_see(visit.principal):
        return {"shows_figures": False, "lately": None}
    found = await type_figures.figures(visit.parts, visit.principal, names)
    looked_at = names[: type_figures.MOST]
    return {"shows_figures": True, "lately": None if found is None else {n: _of(found, n) for n in looked_at}}


def _begins() -> Sequence[datetime]:
    """Return the days that are shown, up to today, in UTC."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return [today - timedelta(days=n) for n in range(type_figures.DAYS, -1, -1)]


async def _durations(visit: Visit, name: str, begins: Sequence[datetime]) -> Chart | None:
    """Draw how long jobs of the type took, day by day; None if that could not be read."""
    days = await type_figures.days(visit.parts, visit.principal, name)
    if days is None:
        return None
    done = JobStatus.SUCCESS
    found = {day.begins: {done: Point(day.begins, done, day.jobs, day.seconds, day.buckets)} for day in days}
    return charts.took(Steps(begins, found))


def _queries(report: ReportType) -> Sequence[tuple[str, str]]:
    """Return the query files of the report type, with their content."""
    if report.kind is not ReportKind.QUERY:
        return ()
    return [("query.sql", report.query), *((f"queries/{each.name}.sql", each.query) for each in report.queries)]


def _of(found: Mapping[str, Figures], name: str) -> _Lately:
    figures = found.get(name, _NOTHING)
    failed = 100 * figures.failed / figures.ended if figures.ended else None
    return _Lately(figures, failed, quantile(figures.buckets, 0.5), quantile(figures.buckets, 0.95))


def _about(report: ReportType, language: str) -> dict[str, Any]:
    return {
        "report": report,
        "scopes": [report.required_scope] if report.required_scope else [],
        "schema": json_schema(report),
        "parameters": translated.parameter_titles(report, language),
        "columns": translated.column_titles(report, language),
    }
