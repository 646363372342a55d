"""Looks at the state of many jobs with one statement, each for a viewer of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.jobs.viewer import ASKED, SEEN_BY_ASKER, Viewer, asked_about
from shared.stored import member


class Glance(NamedTuple):
    """What tells whether a client has a job's current state, and when it should look again."""

    version: int
    expired: bool
    """True when the job had files that have expired."""
    status: JobStatus
    report_type: str
    run_at: datetime


# Each by the primary key, as in shared/jobs/watch.py.
_GLANCE = text(f"""
    /* jobs.glance */
    SELECT asked.place, job.version, coalesce(job.expired, false), job.status, job.report_type, job.run_at
      FROM {ASKED},
           LATERAL (SELECT tenant, requester, version, status, report_type, run_at, deleted_at,
                           status = 'SUCCESS'
                           AND finished_at + make_interval(secs => keep_artifacts_s) <= clock_timestamp() AS expired
                      FROM jobs WHERE jobs.id = asked.id LIMIT 1) AS job
     WHERE {SEEN_BY_ASKER} AND job.deleted_at IS NULL
""")


def glance(conn: Connection, asked: Sequence[tuple[UUID, Viewer]]) -> Sequence[Glance | None]:
    """Return each job as its viewer may see it; None if it sees none with that id, or one that was deleted."""
    found: list[Glance | None] = [None] * len(asked)
    rows = conn.execute(_GLANCE, {"asked": asked_about(asked)})
    for place, version, expired, status, report_type, run_at in rows:
        found[place] = Glance(version, expired, member(JobStatus, status), report_type, run_at)
    return found
