"""`/console`: the jobs that a filter leaves, newest first."""

from urllib.parse import urlencode

from fastapi import APIRouter, Response

from services.api.actions import lists, visible
from services.api.console import translated
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.told import parameters_told
from services.api.console.visit import Visit
from services.api.v1.job_filters import Written, read_filter
from services.api.v1.views import job_view
from shared.catalog.parameters import Violation
from shared.jobs.states import JobStatus
from shared.suggest import did_you_mean

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 25
_PERIODS = ("-1h", "-24h", "-7d", "-30d")
"""Times that can be chosen, as the API's `createdAfter` writes them."""
_FILTERS = ("status", "reportType", "createdAfter", "createdBefore", "requester", "errorCode", "retryOf", "label")
_REPEATABLE = ("status", "label")
_OWN = {*_FILTERS, "pageToken"}


@router.get("")
@page_for
async def listed(visit: Visit) -> Response:
    """The newest jobs that the visitor may see and has filtered."""
    return await _list(visit, "jobs.html")


@router.get("/part/rows")
@page_for
async def rows(visit: Visit) -> Response:
    """The table of the same jobs alone, for a page that is open."""
    return await _list(visit, "_rows.html")


async def _list(visit: Visit, template: str) -> Response:
    query, parts = visit.request.query_params, visit.parts
    given = [(name, value) for name, value in query.multi_items() if name in _FILTERS and value]
    violations = [
        Violation(name[:100], "unknown_parameter", f"is no filter{did_you_mean(name[:100], _OWN)}")
        for name in query
        if name not in _OWN
    ]
    many = {name: [value for key, value in given if key == name] or None for name in _REPEATABLE}
    once = {name: query.get(name) or None for name in _FILTERS if name not in _REPEATABLE}
    written = Written(**{**once, **many})  # type: ignore[arg-type]
    wanted = read_filter(written, violations)
    found = lists.FoundPage((), {}, None)
    if not violations:
        asked = lists.Query(_ON_A_PAGE, wanted, written.named, query.get("pageToken"))
        found = await lists.list_page(parts, visit.principal, asked)
    shown = [job_view(job, found.artifacts[job.id], parts.settings.root_path) for job in found.jobs]
    types = visible.report_types(parts.catalog, visit.principal).types
    first_page = "pageToken" not in query
    context = {
        "jobs": shown,
        "titles": {name: translated.title(report, visit.language) for name, report in types.items()},
        "parameters": {
            job.job_id: [
                each for each in parameters_told(job, types.get(job.report_type), visit.language) if each[1] is not None
            ]
            for job in shown
        },
        "filters": given,
        "chosen": {**dict.fromkeys(_FILTERS), **dict(given)},
        "query": urlencode(given),
        "next_token": found.next_page_token,
        "first_page": first_page,
        "violations": violations,
        "statuses": [str(status) for status in JobStatus],
        "periods": _PERIODS,
        # What other pages of the list show does not change any more, or only at its pace.
        "every": ("2s" if any(not job.status.final for job in shown) else "10s") if first_page else None,
    }
    return page(visit, template, context, status=422 if violations else 200)
