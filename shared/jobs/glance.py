"""Looks at the state of many jobs with one statement, each for a viewer of its own."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.jobs.viewer import Viewer


class Glance(NamedTuple):
    """What tells whether a client knows a job's state already, and when to look again."""

    version: int
    expired: bool
    """True when the job had files and their time is over."""
    status: JobStatus
    report_type: str
    run_at: datetime


# Each by the primary key, as in shared/jobs/watch.py. The conditions are those of shared/jobs/viewer.py.
_GLANCE = text("""
    /* jobs.glance */
    SELECT asked.place, j.version, coalesce(j.expired, false), j.status, j.report_type, j.run_at
      FROM jsonb_to_recordset(CAST(:asked AS jsonb))
           AS asked(place int, id uuid, tenant text, requester text, hidden jsonb),
           LATERAL (SELECT tenant, requester, version, status, report_type, run_at, deleted_at,
                           status = 'SUCCESS'
                           AND finished_at + make_interval(secs => keep_artifacts_s) <= clock_timestamp() AS expired
                      FROM jobs WHERE jobs.id = asked.id LIMIT 1) AS j
     WHERE j.tenant = asked.tenant AND (asked.requester IS NULL OR j.requester = asked.requester)
       AND NOT asked.hidden ? j.report_type AND j.deleted_at IS NULL
""")


def glance(conn: Connection, asked: Sequence[tuple[UUID, Viewer]]) -> Sequence[Glance | None]:
    """Each job as its viewer sees it; None if it sees none with that id, or one that was deleted."""
    rows = [
        {"place": place, "id": str(job_id), "tenant": viewer.tenant, "requester": viewer.requester,
         "hidden": list(viewer.hidden)}
        for place, (job_id, viewer) in enumerate(asked)
    ]  # fmt: skip
    found: list[Glance | None] = [None] * len(rows)
    for place, version, expired, status, report_type, run_at in conn.execute(_GLANCE, {"asked": json.dumps(rows)}):
        found[place] = Glance(version, expired, JobStatus(status), report_type, run_at)
    return found
