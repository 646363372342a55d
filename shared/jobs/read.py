"""Look at jobs. Every statement is limited to one tenant, in SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.finish import Artifact
from shared.jobs.transitions import JobStatus


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its tenant may see it."""

    id: UUID
    tenant: str
    report_type: str
    report_version: str
    parameters: Mapping[str, Any]
    formats: Sequence[str]
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


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's history."""

    version: int
    from_status: JobStatus | None
    to_status: JobStatus
    verb: str
    attempt: int
    worker: str | None
    reason: str | None
    at: datetime


_COLUMNS = """id, tenant, report_type, report_version, parameters, formats, status, version, attempt, max_attempts,
           crashes, lease_token, progress, result, error, run_at, deadline_at, created_at, updated_at, started_at,
           cancel_requested_at, finished_at"""

_GET = text(f"""
    /* jobs.get */
    SELECT {_COLUMNS}
      FROM jobs
     WHERE id = :id AND tenant = :tenant
""")

_ARTIFACTS = text("""
    /* artifacts.of_job */
    SELECT a.name, a.format, a.media_type, a.size_bytes, a.sha256, a.rows
      FROM artifacts a JOIN jobs j ON j.id = a.job_id AND j.lease_token = a.lease_token
     WHERE a.job_id = :id AND j.tenant = :tenant AND j.status = 'SUCCESS'
     ORDER BY a.name
""")

_EVENTS = text("""
    /* job_events.of_job */
    SELECT e.version, e.from_status, e.to_status, e.verb, e.attempt, e.worker, e.reason, e.at
      FROM job_events e JOIN jobs j ON j.id = e.job_id
     WHERE e.job_id = :id AND j.tenant = :tenant
     ORDER BY e.version
""")

# Newest first. Ids are in order of creation, so the last id of a page is where the next one begins.
_LIST = text(f"""
    /* jobs.list */
    SELECT {_COLUMNS}
      FROM jobs
     WHERE tenant = :tenant
       AND (CAST(:before AS uuid) IS NULL OR id < :before)
       AND (CAST(:statuses AS text[]) IS NULL OR status = ANY (CAST(:statuses AS text[])))
       AND (CAST(:report_type AS text) IS NULL OR report_type = :report_type)
     ORDER BY id DESC
     LIMIT :limit
""")


def get(conn: Connection, job_id: UUID, *, tenant: str) -> Job | None:
    """The job, or None if this tenant has none with that id."""
    row = conn.execute(_GET, {"id": job_id, "tenant": tenant}).one_or_none()
    return None if row is None else _job(row)


def artifacts(conn: Connection, job_id: UUID, *, tenant: str) -> list[Artifact]:
    """The files of a successful job, by name; empty for any other."""
    rows = conn.execute(_ARTIFACTS, {"id": job_id, "tenant": tenant})
    return [Artifact(r.name, r.format, r.media_type, r.size_bytes, r.sha256, r.rows) for r in rows]


def events(conn: Connection, job_id: UUID, *, tenant: str) -> list[JobEvent]:
    """The job's history, oldest first."""
    rows = conn.execute(_EVENTS, {"id": job_id, "tenant": tenant})
    return [
        JobEvent(
            r.version,
            r.from_status and JobStatus(r.from_status),
            JobStatus(r.to_status),
            r.verb,
            r.attempt,
            r.worker,
            r.reason,
            r.at,
        )
        for r in rows
    ]


def list_jobs(
    conn: Connection,
    *,
    tenant: str,
    limit: int,
    before: UUID | None = None,
    statuses: Sequence[JobStatus] | None = None,
    report_type: str | None = None,
) -> list[Job]:
    """Up to `limit` of the tenant's jobs, newest first, that come after the page ending with `before`."""
    rows = conn.execute(
        _LIST,
        {
            "tenant": tenant,
            "limit": limit,
            "before": before,
            "statuses": None if statuses is None else [str(s) for s in statuses],
            "report_type": report_type,
        },
    )
    return [_job(row) for row in rows]


def _job(row: Any) -> Job:
    fields = row._asdict()
    return Job(**{**fields, "status": JobStatus(fields["status"])})
