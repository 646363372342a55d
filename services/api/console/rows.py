"""The rows of a list of jobs, and their updates: only rows that are visible and not final are read again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Response

from services.api.actions import lists, visible
from services.api.actions.lists import FoundPage
from services.api.console import translated
from services.api.console.list_query import read_query
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.told import parameters_told
from services.api.console.visit import Visit
from services.api.http.problems import invalid
from services.api.v1.views import JobView, job_view
from shared.access.scopes import Scope
from shared.ids import uuid7

router = APIRouter(include_in_schema=False)

Kind = Literal["reports", "jobs"]
"""Which columns the rows have: those for requesters, or those for operators."""
_KINDS: Mapping[str, Kind] = {"reports": "reports", "jobs": "jobs"}


@router.get("/part/rows")
@page_for
async def rows(visit: Visit) -> Response:
    """Return the named rows as they are now."""
    asked = read_query(visit.request.query_params, more=("kind", "row"))
    found = await lists.of_ids(visit.parts, visit.principal, _ids(visit))
    return page(visit, "_rows_again.html", context_of(visit, found, _kind(visit), asked.query, columns=asked.columns))


@router.get("/part/newer")
@page_for
async def newer(visit: Visit) -> Response:
    """Return how many rows there would be before the first one."""
    asked = read_query(visit.request.query_params, more=("kind", "than"))
    than = _id(visit.request.query_params.get("than", ""))
    if asked.violations:
        raise invalid("The list's address means nothing.", asked.violations)
    count = await lists.newer(visit.parts, visit.principal, than, asked.wanted)
    return page(visit, "_newer.html", newer_context(_kind(visit), asked.query, than, count))


def newer_context(kind: Kind, query: str, than: UUID, count: int = 0) -> dict[str, Any]:
    """Return the template context that announces jobs newer than `than`."""
    return {"kind": kind, "query": query, "than": than, "newer_count": count, "newer_most": lists.MOST}


def context_of(
    visit: Visit, found: FoundPage, kind: Kind, query: str, *, columns: Sequence[str] = (), sort: str | None = None
) -> dict[str, Any]:
    """Return the template context of rows; `query`, `columns` and `sort` are those of the list."""
    types = visible.report_types(visit.parts.catalog, visit.principal).types
    jobs = [job_view(job, found.artifacts[job.id], visit.parts.settings.root_path) for job in found.jobs]
    if sort is not None:
        jobs = sort_page(jobs, sort)
    unfinished = [("row", str(job.job_id)) for job in jobs if not job.done]
    return {
        "kind": kind,
        "query": query,
        "jobs": jobs,
        "columns": columns,
        "titles": {name: translated.title(report, visit.language) for name, report in types.items()},
        "parameters": {
            job.job_id: [
                each for each in parameters_told(job, types.get(job.report_type), visit.language) if each[1] is not None
            ]
            for job in jobs
        },
        "unfinished": f"{urlencode([('kind', kind), *unfinished])}{'&' if query else ''}{query}" if unfinished else "",
        "may_ask": visit.principal.has(Scope.JOBS_CREATE),
        "may_cancel": visit.principal.has(Scope.JOBS_CANCEL),
        "askable": set(types),
    }


def sort_page(jobs: Sequence[JobView], sort: str) -> list[JobView]:
    """Sort the jobs of one page by one of SORTS; those without a value come last."""
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    by = [(_SORTED_BY[name](job), job) for job in jobs]
    known = sorted((pair for pair in by if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
    return [job for _, job in known] + [job for value, job in by if value is None]


def _waited(job: JobView) -> float | None:
    return (job.started_at - job.wanted_at).total_seconds() if job.started_at else None


def _ran(job: JobView) -> float | None:
    return (job.finished_at - job.started_at).total_seconds() if job.started_at and job.finished_at else None


def _rows(job: JobView) -> float | None:
    return max((file.rows for file in job.result.artifacts), default=None) if job.result else None


def _size(job: JobView) -> float | None:
    return sum(file.size_bytes for file in job.result.artifacts) if job.result and job.result.artifacts else None


_SORTED_BY: Mapping[str, Callable[[JobView], Any]] = {
    "asked": lambda job: job.created_at,
    "waited": _waited,
    "ran": _ran,
    "attempt": lambda job: job.attempt,
    "rows": _rows,
    "size": _size,
}


def newest_of(found: FoundPage) -> UUID:
    """Return the job after which newer ones would come first in a list that is newest first."""
    return found.jobs[0].id if found.jobs else uuid7()


def _kind(visit: Visit) -> Kind:
    return _KINDS.get(visit.request.query_params.get("kind", ""), "reports")


def _ids(visit: Visit) -> Sequence[UUID]:
    given = visit.request.query_params.getlist("row")
    if len(given) > lists.MOST:
        raise invalid(f"Name at most {lists.MOST} jobs.")
    return [_id(each) for each in given]


def _id(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise invalid(f"{given[:60]!r} is not a job's id.") from None
