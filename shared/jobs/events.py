"""Reads the history of a job: every change of its state."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.jobs.viewer import VISIBLE, Viewer


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's history."""

    version: int
    from_status: JobStatus | None
    to_status: JobStatus
    verb: str
    attempt: int
    reason: str | None
    at: datetime


_EVENTS = text(f"""
    /* job_events.of_job */
    SELECT e.version, e.from_status, e.to_status, e.verb, e.attempt, e.reason, e.at
      FROM job_events e JOIN jobs j ON j.id = e.job_id
     WHERE e.job_id = :id AND {VISIBLE}
     ORDER BY e.version
""")


def events_of(conn: Connection, job_id: UUID, viewer: Viewer) -> list[JobEvent]:
    """The job's history, oldest first."""
    rows = conn.execute(_EVENTS, {"id": job_id, **viewer.where})
    return [
        JobEvent(
            r.version,
            r.from_status and JobStatus(r.from_status),
            JobStatus(r.to_status),
            r.verb,
            r.attempt,
            r.reason,
            r.at,
        )
        for r in rows
    ]
