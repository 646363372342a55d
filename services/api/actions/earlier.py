"""What jobs of the same report type took before a job: whether it is a usual one."""

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
    """Time that its last attempt worked."""
    rows: int | None
    """Of its largest file; None without files."""


async def before(parts: Parts, principal: Principal, job: Job) -> Sequence[Run]:
    """The newest successes of the job's type that the principal sees and that were asked for before it, oldest first.

    At most MOST, found among a bounded number of jobs: a type that is rarely asked for may have more.
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
