"""Reads the history of a job: every change of its state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.jobs.viewer import VISIBLE, Viewer
from shared.stored import member, member_or_none


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


class JobHistory(NamedTuple):
    """Every change of a job's state, oldest first."""

    events: Sequence[JobEvent]
    deleted: bool
    """True if a client has deleted the job since."""


_EVENTS = text(f"""
    /* job_events.of_job */
    SELECT e.version, e.from_status, e.to_status, e.verb, e.attempt, e.reason, e.at, j.deleted_at
      FROM job_events e JOIN jobs j ON j.id = e.job_id
     WHERE e.job_id = :id AND {VISIBLE}
     ORDER BY e.version
""")


def events_of(conn: Connection, job_id: UUID, viewer: Viewer) -> JobHistory:
    """Return the job's history; empty if the viewer may not see the job."""
    rows = conn.execute(_EVENTS, {"id": job_id, **viewer.where}).all()
    found = [
        JobEvent(
            r.version,
            member_or_none(JobStatus, r.from_status),
            member(JobStatus, r.to_status),
            r.verb,
            r.attempt,
            r.reason,
            r.at,
        )
        for r in rows
    ]
    return JobHistory(found, deleted=any(r.deleted_at is not None for r in rows))
