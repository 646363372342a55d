"""The files of successful jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.read import Job
from shared.jobs.states import JobStatus

MANIFEST_FORMAT = "manifest"
"""The format of the artifact that describes the others."""
ROWS_FORMAT, PAGE_FORMAT = "rows", "page"
"""The formats of the first rows, and of the picture of a PDF's first page."""
PREVIEWS = frozenset({ROWS_FORMAT, PAGE_FORMAT})
"""The formats of previews. They cannot be downloaded by name: the rows require a scope of their own."""
BESIDE = PREVIEWS | {MANIFEST_FORMAT}
"""The formats of files that are stored besides those that a client requested."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored, verified file that `succeed` makes visible."""

    name: str
    format: str
    media_type: str
    size_bytes: int
    sha256: str
    rows: int


_ARTIFACTS = text("""
    /* artifacts.of_jobs */
    SELECT a.job_id, a.name, a.format, a.media_type, a.size_bytes, a.sha256, a.rows
      FROM artifacts a JOIN jobs j ON j.id = a.job_id AND j.lease_token = a.lease_token
     WHERE j.id = ANY (CAST(:ids AS uuid[])) AND j.tenant = :tenant AND j.status = 'SUCCESS'
     ORDER BY a.job_id, a.name
""")


def artifacts_of(conn: Connection, jobs: Sequence[Job], *, tenant: str) -> dict[UUID, list[Artifact]]:
    """Return the files of each job, ordered by name; none for a job that did not succeed, or whose
    files have expired.
    """
    found: dict[UUID, list[Artifact]] = {job.id: [] for job in jobs}
    if ids := [job.id for job in jobs if job.status is JobStatus.SUCCESS and not job.expired]:
        for r in conn.execute(_ARTIFACTS, {"ids": ids, "tenant": tenant}):
            found[r.job_id].append(Artifact(r.name, r.format, r.media_type, r.size_bytes, r.sha256, r.rows))
    return found
