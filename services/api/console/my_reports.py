"""`/console`: the reports that the visitor has requested, and ways to request the next one."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from services.api.actions import deletions, lists, visible
from services.api.actions.lists import FoundPage
from services.api.console import as_command
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.rows import context_of, newer_context, newest_of
from services.api.console.visit import Visit
from services.api.http.problems import invalid
from services.api.v1.job_filters import Written
from shared.catalog.model import ReportType
from shared.jobs.filters import JobFilter
from shared.jobs.read import Job
from shared.suggest import did_you_mean

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 25
_CARDS = 3
_KNOWN = ("pageToken", "deleted")


@router.get("")
@page_for
async def mine(visit: Visit) -> Response:
    """List the visitor's own reports; everyone's where no keys are required, because there are no identities then."""
    params = visit.request.query_params
    for name in params:
        if name not in _KNOWN:
            raise invalid(f"{name[:60]!r} is nothing that this page knows{did_you_mean(name[:60], _KNOWN)}.")
    subject, token = visit.principal.subject, params.get("pageToken") or None
    written = Written(requester=subject)
    query = lists.Query(_ON_A_PAGE, JobFilter(requester=subject), written.named, token)
    found = await lists.list_page(visit.parts, visit.principal, query)
    deleted = await _deleted(visit, params.get("deleted"))
    context = {**context_of(visit, found, "reports", ""), **_around(visit, found, token), "deleted": deleted}
    return page(visit, "reports.html", context)


async def _deleted(visit: Visit, given: str | None) -> Job | None:
    """Return the deleted job that an address mentions, if it was deleted: a page verifies such a claim, and never takes
    it from the address.
    """
    if not given:
        return None
    try:
        job_id = UUID(given)
    except ValueError:
        raise invalid(f"{given[:60]!r} is not a job's id.") from None
    return await deletions.deleted(visit.parts, visit.principal, job_id)


def _around(visit: Visit, found: FoundPage, token: str | None) -> dict[str, Any]:
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    given = [("requester", visit.principal.subject)] if visit.principal.subject else []
    filters = urlencode(given)
    return {
        **newer_context("reports", filters, newest_of(found)),
        "cards": _latest(found, types),
        "samples": [report for report in types.values() if _runs_at_once(report)][:_CARDS],
        "key": str(uuid4()),
        "filters": filters,
        "commands": as_command.list_jobs(given, size=_ON_A_PAGE),
        "next_token": found.next_page_token,
        "first_page": token is None,
    }


def _latest(found: FoundPage, types: Mapping[str, ReportType]) -> Sequence[ReportType]:
    """Return the report types requested most recently, among those still available."""
    names = list(dict.fromkeys(job.report_type for job in found.jobs if job.report_type in types))
    return [types[name] for name in names[:_CARDS]]


def _runs_at_once(report: ReportType) -> bool:
    """True if nothing has to be filled in."""
    return report.parameter_model is None and not any(parameter.required for parameter in report.parameters)
