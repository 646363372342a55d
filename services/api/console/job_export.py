"""`/console/jobs/export`: the list of jobs as a file, for a spreadsheet or for a program."""

from collections.abc import Sequence

from fastapi import APIRouter, Response

from services.api.actions import lists
from services.api.console.files import FORMATS, Written, as_json, download
from services.api.console.list_query import read_query
from services.api.console.route import page_for
from services.api.console.visit import Visit
from services.api.http.problems import invalid
from services.api.v1.views import JobView, job_view
from shared.access.scopes import Scope
from shared.catalog.parameters import Violation

router = APIRouter(include_in_schema=False)

_COLUMNS = (
    "jobId", "status", "reportType", "requestedBy", "createdAt", "startedAt", "finishedAt", "attempt", "rows",
    "sizeBytes", "errorCode", "labels", "parameters",
)  # fmt: skip


@router.get("/jobs/export")
@page_for
async def export(visit: Visit) -> Response:
    """Return the newest jobs that match the filter, as CSV or JSON Lines. If there are more, the last line says so."""
    visit.principal.need(Scope.JOBS_READ)
    params = visit.request.query_params
    asked, form = read_query(params, more=("format",)), params.get("format", "")
    violations = list(asked.violations)
    if form not in FORMATS:
        violations.append(Violation("format", "choice", f"must be {' or '.join(FORMATS)}"))
    if violations:
        raise invalid("The list cannot be exported.", violations)
    root = visit.parts.settings.root_path

    async def read(size: int, token: str | None) -> tuple[Sequence[JobView], str | None]:
        query = lists.Query(size, asked.wanted, asked.written.named, token)
        found = await lists.list_page(visit.parts, visit.principal, query)
        return [job_view(job, found.artifacts[job.id], root) for job in found.jobs], found.next_page_token

    return await download("jobs", form, _WRITTEN, read)


def _cells(job: JobView) -> list[str]:
    files = job.result.artifacts if job.result else []
    moments = (job.created_at, job.started_at, job.finished_at)
    return [
        str(job.job_id),
        str(job.status),
        job.report_type,
        job.requested_by or "",
        *(moment.isoformat() if moment else "" for moment in moments),
        str(job.attempt),
        str(max(file.rows for file in files)) if files else "",
        str(sum(file.size_bytes for file in files)) if files else "",
        job.error.code if job.error else "",
        as_json(job.labels) if job.labels else "",
        as_json(job.parameters),
    ]


_WRITTEN: Written[JobView] = Written(_COLUMNS, _cells, lambda job: job.model_dump_json(by_alias=True))
