"""List jobs, a page at a time."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from anyio import to_thread

from services.api.actions import visible
from services.api.actions.jobs import open_artifacts
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.jobs import newer as newcomers
from shared.jobs import read
from shared.jobs.artifacts import Artifact
from shared.jobs.filters import JobFilter
from shared.jobs.listing import LOOK, list_jobs
from shared.jobs.read import Job

USUAL_SIZE, MOST = 20, 100
"""The default and the greatest number of jobs on a page."""
LOOKED_AT = LOOK
"""How many jobs one page of a filtered list examines at most."""


class Query(NamedTuple):
    """Which jobs to list."""

    size: int
    wanted: JobFilter
    written: Mapping[str, object]
    """The filter as the client wrote it. A page token is valid for this filter only."""
    page_token: str | None = None


class FoundPage(NamedTuple):
    """One page of jobs, newest first, and the files of each."""

    jobs: Sequence[Job]
    artifacts: Mapping[UUID, Sequence[Artifact]]
    next_page_token: str | None
    """None on the last page."""


async def list_page(parts: Parts, principal: Principal, query: Query) -> FoundPage:
    """Return one page of the jobs that the principal may see.

    Raises PageTokenInvalid, PageTokenMismatch and PageTokenExpired.
    """
    listing = Listing("jobs", principal, query.written)

    def load() -> FoundPage:
        with parts.engine.connect() as conn:
            token = query.page_token
            before = None if token is None else parts.page_tokens.read(conn, listing, token)
            viewer = visible.viewer(parts.catalog, principal)
            page = list_jobs(conn, viewer, size=query.size, before=before, wanted=query.wanted)
            goes_on = page.next_before
            return FoundPage(
                page.jobs,
                open_artifacts(conn, principal, page.jobs),
                None if goes_on is None else parts.page_tokens.write(conn, listing, goes_on),
            )

    principal.need(Scope.JOBS_READ)
    return await to_thread.run_sync(load)


async def newer(parts: Parts, principal: Principal, than: UUID, wanted: JobFilter) -> int:
    """Count the wanted jobs that are newer than the job `than`. 101 means more than a hundred."""

    def look() -> int:
        with parts.engine.connect() as conn:
            return newcomers.newer(conn, visible.viewer(parts.catalog, principal), than=than, wanted=wanted)

    principal.need(Scope.JOBS_READ)
    return await to_thread.run_sync(look)


async def of_ids(parts: Parts, principal: Principal, ids: Sequence[UUID]) -> FoundPage:
    """Return the current state of those of the jobs that the principal may see, in the order of `ids`."""

    def load() -> FoundPage:
        with parts.engine.connect() as conn:
            known = read.of_ids(conn, ids)
            jobs = [
                job
                for job_id in ids
                if (job := known.get(job_id)) is not None
                and job.deleted_at is None
                and visible.sees(parts.catalog, principal, job)
            ]
            return FoundPage(jobs, open_artifacts(conn, principal, jobs), None)

    principal.need(Scope.JOBS_READ)
    return await to_thread.run_sync(load)
