"""Reads jobs. Every statement is limited to what its viewer may see, in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.jobs.viewer import VISIBLE, Viewer
from shared.stored import member


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its tenant may see it."""

    id: UUID
    tenant: str
    requester: str | None
    report_type: str
    report_version: str
    parameters: Mapping[str, Any]
    formats: Sequence[str]
    scopes: Sequence[str] | None
    """The scopes that its files require; None if there are none."""
    retry_of: UUID | None
    """The job that this one repeats."""
    schedule_id: UUID | None
    """The schedule that requested it."""
    labels: Mapping[str, str] | None
    """Its client's labels; None if there are none."""
    scheduled_for: datetime | None
    """The moment before which it must not run; None if it may run at once."""
    keep_artifacts_s: int
    """Seconds after its end for which its files are kept."""
    keep_s: int
    """Seconds after its end for which it is kept."""
    options: Mapping[str, Any] | None
    """The client's other options (services/api/actions/options.py); None if there are none."""
    status: JobStatus
    version: int
    """Grows with every change that a client can see."""
    attempt: int
    max_attempts: int
    crashes: int
    lease_token: UUID | None
    progress: Mapping[str, Any] | None
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None
    run_at: datetime
    deadline_at: datetime
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    cancel_requested_at: datetime | None
    finished_at: datetime | None
    deleted_at: datetime | None
    """When a client deleted it: nothing of it is shown any more."""
    expires_at: datetime | None
    """When its files expire; None before SUCCESS."""
    files_left_s: float | None
    """Time until `expires_at`, by the database's clock; 0 or less when the files have expired."""
    kept_until: datetime | None
    """When the job may be forgotten; None before its end."""

    @property
    def wanted_at(self) -> datetime:
        """When it was to run: at once, or at the moment before which it must not."""
        return max(self.created_at, self.scheduled_for or self.created_at)

    @property
    def expired(self) -> bool:
        """True when the job had files that have expired."""
        return self.files_left_s is not None and self.files_left_s <= 0


_EXPIRES = "CASE status WHEN 'SUCCESS' THEN finished_at + make_interval(secs => keep_artifacts_s) END"
COLUMNS = f"""id, tenant, requester, report_type, report_version, parameters, formats, scopes, retry_of, schedule_id,
           labels, scheduled_for, keep_artifacts_s, keep_s, options, status, version, attempt, max_attempts, crashes,
           lease_token, progress, result, error, run_at, deadline_at, created_at, updated_at, started_at,
           cancel_requested_at, finished_at, deleted_at, {_EXPIRES} AS expires_at,
           extract(epoch FROM {_EXPIRES} - clock_timestamp())::float8 AS files_left_s,
           finished_at + make_interval(secs => keep_s) AS kept_until"""
"""What `job_of` reads from a row of `jobs`."""
_BESIDE = ("fits", "place", "files")
"""What statements read besides."""

_GET = text(f"""
    /* jobs.get */
    SELECT {COLUMNS}
      FROM jobs
     WHERE id = :id AND {VISIBLE}
""")

_HOLD = text(f"""
    /* jobs.hold */
    SELECT {COLUMNS}
      FROM jobs
     WHERE id = :id AND {VISIBLE}
       FOR NO KEY UPDATE
""")

# Each by the primary key, as in shared/jobs/watch.py, whatever the statistics.
_OF_IDS = text(f"""
    /* jobs.of_ids */
    SELECT found.* FROM unnest(CAST(:ids AS uuid[])) AS asked(id),
           LATERAL (SELECT {COLUMNS} FROM jobs WHERE jobs.id = asked.id LIMIT 1) AS found
""")


def get(conn: Connection, job_id: UUID, viewer: Viewer) -> Job | None:
    """Return the job, or None if the viewer may see none with that id."""
    row = conn.execute(_GET, {"id": job_id, **viewer.where}).one_or_none()
    return None if row is None else job_of(row)


def hold(conn: Connection, job_id: UUID, viewer: Viewer) -> Job | None:
    """Lock the job until this transaction ends, and return it; None if the viewer may see none with that id."""
    row = conn.execute(_HOLD, {"id": job_id, **viewer.where}).one_or_none()
    return None if row is None else job_of(row)


def of_ids(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Job]:
    """Return those of the jobs that exist.

    No viewer limits this: the caller shows a job only to clients that have read it through their own viewer before.
    """
    return {row.id: job_of(row) for row in conn.execute(_OF_IDS, {"ids": list(ids)})}


def job_of(row: Any) -> Job:
    """Return the job of a row with COLUMNS."""
    fields = row._asdict()
    for beside in _BESIDE:
        fields.pop(beside, None)
    return Job(**{**fields, "status": member(JobStatus, fields["status"])})
