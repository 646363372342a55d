"""`/console/jobs`: the jobs that match a filter, newest first."""

from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Response

from services.api.actions import lists, visible
from services.api.console import as_command, files, translated
from services.api.console.bulk import offered
from services.api.console.job_page import panel_context
from services.api.console.list_query import COLUMNS, FILTERS, SIZES, SORTS, ListQuery, read_query
from services.api.console.list_search import is_entered, search
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.rows import context_of, newer_context, newest_of
from services.api.console.views import views_context
from services.api.console.visit import Visit
from shared.access.scopes import Scope
from shared.jobs.states import JobStatus

router = APIRouter(include_in_schema=False)

_PERIODS = ("-15m", "-1h", "-24h", "-7d", "-30d")
"""Periods that can be chosen, as the API's `createdAfter` writes them."""
_LASTED = ("10s", "1m", "10m", "1h")
"""Durations that can be chosen, as the API's `tookAtLeast` writes them."""


@router.get("/jobs")
@page_for
async def listed(visit: Visit) -> Response:
    """List the newest jobs that the visitor may see and that match the filter."""
    if is_entered(visit.request.query_params):
        job_id, query = search(visit.request.query_params)
        if job_id is not None:
            return visit.to(f"/jobs/{job_id}")
        if parse_qsl(query) != visit.request.query_params.multi_items():
            return visit.to(f"/jobs?{query}")
    visit.principal.need(Scope.JOBS_READ)
    asked = read_query(visit.request.query_params, texts=visit.texts)
    found = lists.FoundPage((), {}, None)
    if not asked.violations:
        wanted = lists.Query(asked.size, asked.wanted, asked.written.named, asked.page_token)
        found = await lists.list_page(visit.parts, visit.principal, wanted)
    panel = None if asked.panel is None else await panel_context(visit, asked.panel, reasons=False)
    context = {
        **context_of(visit, found, "jobs", asked.query, columns=asked.columns, sort=asked.sort),
        **_around(visit, asked, found),
        **await views_context(visit, asked.query),
        "panel": panel,
    }
    return page(visit, "jobs.html", context, status=422 if asked.violations else 200)


def _sorts(asked: ListQuery) -> dict[str, tuple[str, str]]:
    """Return for each sortable column its current order, for `aria-sort`, and the query of the next order.

    The order goes from newest first to highest first, to lowest first, and back.
    """
    told = {}
    for name in dict.fromkeys(sort.removeprefix("-") for sort in SORTS):
        now, following = {
            f"-{name}": ("descending", name),
            name: ("ascending", None),
        }.get(asked.sort or "", ("", f"-{name}"))
        told[name] = (now, asked.sorted_by(following))
    return told


def _around(visit: Visit, asked: ListQuery, found: lists.FoundPage) -> dict[str, Any]:
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    first_page = asked.page_token is None
    return {
        **newer_context("jobs", asked.query, newest_of(found)),
        "list": asked,
        "commands": as_command.list_jobs(asked.given, size=asked.size),
        "sizes": SIZES,
        "chosen": {**dict.fromkeys(FILTERS, ""), **dict(asked.given)},
        "statuses": [str(status) for status in JobStatus],
        "chosen_statuses": [value for name, value in asked.given if name == "status"],
        "periods": _PERIODS,
        "lasted": _LASTED,
        "all_columns": COLUMNS,
        "sorts": _sorts(asked),
        "most_exported": files.MOST,
        "bulk_actions": [] if asked.violations else offered(visit),
        "types": {name: translated.title(report, visit.language) for name, report in types.items()},
        "next_token": found.next_page_token,
        "first_page": first_page,
        # A page that reached its bound before it was full has not examined everything.
        "short": found.next_page_token is not None and len(found.jobs) < asked.size,
        "looked_at": lists.LOOKED_AT,
    }
