"""Facts that explain a job's current state. Each statement looks at a bounded number of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs import workers
from shared.jobs.caps import FREE
from shared.jobs.gates import Gate, Kind, holds
from shared.jobs.states import JobStatus
from shared.jobs.viewer import VISIBLE, Viewer
from shared.jobs.workers import Crew
from shared.stored import member

MOST_COUNTED = 1_000
"""Jobs ahead of a job are counted up to this number."""
_LOOK = 2_000
"""How many of the tenant's earlier jobs are examined to count those that wait."""
_OUTBOX_LOOK = 10_000
"""How many of the latest messages are examined to find the oldest unsent one."""


class Closed(NamedTuple):
    """A pause, or a cap that is full."""

    gate: Gate
    reason: str | None
    """Why it is paused; None for a cap."""
    until: datetime | None
    """When the pause ends by itself."""
    running: int | None
    """How many may run; None for a pause."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a job and its surroundings, by the database's clock."""

    at: datetime
    """The moment of these facts."""
    report_type: str
    status: JobStatus
    attempt: int
    max_attempts: int
    run_at: datetime
    deadline_at: datetime
    cancel_requested_at: datetime | None
    lease_until: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    error: Mapping[str, Any] | None
    """Why it failed, or why its last try did."""
    deleted_at: datetime | None = None
    """When a client deleted it; None if none has."""
    crew: Crew | None = None
    """For a job that waits."""
    ahead: int = 0
    """How many of the tenant's earlier jobs wait, too; up to MOST_COUNTED."""
    closed: Sequence[Closed] = ()
    """What keeps it from being started."""
    held: bool = False
    """True if its doorbell waits for the tenant's turn."""
    unsent_since: datetime | None = None
    """When the oldest message that the relay has not sent was written; None if all have been sent."""

    @property
    def due(self) -> bool:
        """True if it waits, and could be started now."""
        return self.status is JobStatus.PENDING and self.run_at <= self.at


_JOB = text(f"""
    /* why.job */
    SELECT clock_timestamp() AS at, report_type, status, attempt, max_attempts, run_at, deadline_at,
           cancel_requested_at, lease_until, started_at, finished_at, error, deleted_at
      FROM jobs WHERE id = :id AND {VISIBLE}
""")

# Ahead: counted backwards from the job, since jobs start roughly in order, so waiting jobs before it are the nearest.
# Unsent: not the oldest of all, since behind a long-held snapshot an index has entries of millions of messages that
# were sent.
_WAITS = text(f"""
    /* why.waits */
    SELECT (SELECT count(*) FROM (
                SELECT FROM (
                    SELECT status, run_at FROM jobs
                     WHERE (tenant, id) <= (:tenant, :id) AND (tenant, id) >= (:tenant, CAST('{UUID(int=0)}' AS uuid))
                       AND id <> :id
                     ORDER BY tenant DESC, id DESC LIMIT :look) AS before
                 WHERE status = 'PENDING' AND run_at <= clock_timestamp() LIMIT :most) AS nearest) AS ahead,
           EXISTS (SELECT FROM held WHERE job_id = :id) AS held,
           (SELECT created_at FROM outbox
             WHERE id > (SELECT last_value FROM outbox_id_seq) - :outbox_look ORDER BY id LIMIT 1) AS unsent_since
""")

_CLOSED = text(f"""
    /* why.closed */
    SELECT gate.kind, gate.name, gate.reason, gate.until, NULL::int AS running
      FROM jobs AS job JOIN pauses AS gate ON {holds("gate", "job")}
     WHERE job.id = :id
     UNION ALL
    SELECT caps.kind, caps.name, NULL, NULL, caps.running
      FROM jobs AS job JOIN caps ON {holds("caps", "job")}
     WHERE job.id = :id AND {FREE} = 0
     ORDER BY running NULLS FIRST, kind, name
""")


def facts(conn: Connection, job_id: UUID, viewer: Viewer) -> Facts | None:
    """Return what is known about the job, or None if the viewer may see none with that id."""
    row = conn.execute(_JOB, {"id": job_id, **viewer.where}).one_or_none()
    if row is None:
        return None
    fields = {**row._asdict(), "status": member(JobStatus, row.status)}
    if fields["status"] is not JobStatus.PENDING:
        return Facts(**fields)
    asked = {
        "tenant": viewer.tenant, "id": job_id, "look": _LOOK, "most": MOST_COUNTED, "outbox_look": _OUTBOX_LOOK,
    }  # fmt: skip
    return Facts(
        **fields,
        crew=workers.crew(conn, row.report_type),
        closed=[
            Closed(Gate(member(Kind, kind), name), *rest) for kind, name, *rest in conn.execute(_CLOSED, {"id": job_id})
        ],
        **conn.execute(_WAITS, asked).one()._asdict(),
    )
