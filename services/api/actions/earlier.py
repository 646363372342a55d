"""Earlier jobs of the same report type, to tell whether a job took as long as usual."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from anyio import to_thread

from services.api.actions import visible
from services.api.actions.jobs import open_artifacts
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.jobs.artifacts import MANIFEST_FORMAT
from shared.jobs.filters import JobFilter
from shared.jobs.listing import list_jobs
from shared.jobs.read import Job
from shared.jobs.states import JobStatus

MOST = 20


class Run(NamedTuple):
    """A job that succeeded."""

    job_id: UUID
    at: datetime
    seconds: float
    """How long its last attempt worked."""
    rows: int | None
    """Rows of its largest file; None without files."""


async def before(parts: Parts, principal: Principal, job: Job) -> Sequence[Run]:
    """Return the latest successful jobs of the job's type that the principal may see and that were submitted before it,
    oldest first.

    At most MOST, found among a bounded number of jobs, so a type that is rarely used may have more.
    """

    def look() -> Sequence[Run]:
        wanted = JobFilter([JobStatus.SUCCESS], job.report_type, created_before=job.created_at)
        with parts.engine.connect() as conn:
            found = list_jobs(conn, visible.viewer(parts.catalog, principal), size=MOST, wanted=wanted, before=job.id)
            files = open_artifacts(conn, principal, found.jobs)
            return [_run(each, [file.rows for file in files[each.id] if file.format != MANIFEST_FORMAT])
                    for each in reversed(found.jobs)]  # fmt: skip

    principal.need(Scope.JOBS_READ)
    return await to_thread.run_sync(look)


def _run(job: Job, rows: Sequence[int]) -> Run:
    return Run(job.id, job.created_at, float((job.result or {}).get("seconds", 0)), max(rows, default=None))
