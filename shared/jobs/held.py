"""Doorbells that wait for their turn: a tenant's surplus, and jobs that may not be started now.

A tenant may have a bounded number of doorbells in the queue. The others are held here, and leave in turns: tenant by
tenant, and within a tenant by priority, then in order. A held doorbell is as safe as one in the outbox: it leaves in
the transaction that sends it, and a crash is a rollback.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.jobs.gates import Gate, gates_of, paused

USUAL_PRIORITY = 4
"""The priority of a job whose request names none. 9 is the most urgent, 0 the least."""


class Waiting(NamedTuple):
    """A held doorbell that may be next."""

    job_id: UUID
    tenant: str
    report_type: str
    priority: int
    source: str | None = None
    """What its report type reads; None if no worker has recorded it."""

    @property
    def gates(self) -> Sequence[Gate]:
        """All gates that it would run under."""
        return gates_of(self.tenant, self.report_type, self.source)


# The job's row has tenant, type and priority. A missing job needs no doorbell; one that is held already keeps its
# place.
_HOLD = text(f"""
    /* held.hold */
    INSERT INTO held (job_id, tenant, report_type, priority, headers)
    SELECT j.id, j.tenant, j.report_type, coalesce(j.priority, {USUAL_PRIORITY}),
           coalesce(asked.headers, j.trace_context)
      FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS asked(job_id uuid, headers text)
      JOIN jobs j ON j.id = asked.job_id
        ON CONFLICT (job_id) DO NOTHING
""")

_ANY = text("/* held.any */ SELECT (SELECT tenant FROM held LIMIT 1) IS NOT NULL")

# Each lane costs one look into the index, however many doorbells it holds.
_LANES = """
    WITH RECURSIVE lanes AS (
        (SELECT tenant, report_type FROM held ORDER BY tenant, report_type LIMIT 1)
        UNION ALL
        SELECT next.tenant, next.report_type
          FROM lanes, LATERAL (
              SELECT tenant, report_type FROM held
               WHERE (tenant, report_type) > (lanes.tenant, lanes.report_type)
               ORDER BY tenant, report_type LIMIT 1) AS next
    )"""

# Without paused ones. From each lane as many as its tenant's turns can reach, and some more where there are few
# tenants.
_NEXT = text(f"""
    /* held.next */
    {_LANES}
    SELECT head.job_id, lanes.tenant, lanes.report_type, head.priority, (
               SELECT source FROM report_sources WHERE report_type = lanes.report_type) AS source
      FROM lanes, LATERAL (
          SELECT job_id, priority FROM held
           WHERE tenant = lanes.tenant AND report_type = lanes.report_type
           ORDER BY priority DESC, job_id
           LIMIT (SELECT 1 + CAST(:most AS bigint) / count(DISTINCT tenant) FROM lanes)) AS head
     WHERE NOT {paused("lanes")}
""")

_TAKE = text("""
    /* held.take */
    DELETE FROM held
     WHERE job_id = ANY (ARRAY(
           SELECT job_id FROM held WHERE job_id = ANY (CAST(:ids AS uuid[]))
              FOR UPDATE SKIP LOCKED))
    RETURNING job_id, tenant, headers,
              EXISTS (SELECT FROM jobs WHERE id = held.job_id AND finished_at IS NULL OFFSET 0) AS wanted
""")

# Two kinds are not in the queue: a doorbell that the sweeper has rung again since, which is most likely lost; and one
# that is held again, because a worker met a pause or a cap.
_UNSTARTED = text("""
    /* held.unstarted */
    SELECT id FROM jobs
     WHERE id = ANY (CAST(:ids AS uuid[])) AND status = 'PENDING' AND run_at <= clock_timestamp() AND rings = 0
       AND NOT EXISTS (SELECT FROM held WHERE job_id = jobs.id OFFSET 0)
""")

_COUNT = text("""
    /* held.count */
    SELECT count(*) AS held, count(DISTINCT tenant) AS tenants,
           coalesce(extract(epoch FROM clock_timestamp() - min(held_at)), 0)::float8 AS oldest_age_s
      FROM (SELECT tenant, held_at FROM held LIMIT 10000) AS bounded
""")


class Taken(NamedTuple):
    """A doorbell that is no longer held."""

    job_id: UUID
    tenant: str
    headers: str | None
    wanted: bool
    """False if its job has ended meanwhile, so that it need not be sent."""


class Held(NamedTuple):
    """How many doorbells are held."""

    messages: int
    tenants: int
    oldest_age_s: float


def hold(conn: Connection, doorbells: Mapping[UUID, str | None]) -> None:
    """Hold these doorbells (job → headers) until their turn. One that is held already keeps its place."""
    rows = [{"job_id": job_id, "headers": headers} for job_id, headers in doorbells.items()]
    conn.execute(_HOLD, {"rows": json_text.write(rows)})


def any_held(conn: Connection) -> bool:
    """True if any doorbell is held."""
    return conn.execute(_ANY).scalar_one() is True


def candidates(conn: Connection, *, most: int) -> list[Waiting]:
    """Return the first doorbells of each tenant and report type, at least one: enough for `most` to leave in turns.

    Paused ones are left out.
    """
    return [Waiting(*row) for row in conn.execute(_NEXT, {"most": most})]


def take(conn: Connection, job_ids: Sequence[UUID]) -> list[Taken]:
    """Take those of these doorbells that nobody else is taking, in this order. They are gone when `conn` commits."""
    if not job_ids:
        return []
    taken = {row.job_id: Taken(*row) for row in conn.execute(_TAKE, {"ids": list(job_ids)})}
    return [taken[job_id] for job_id in job_ids if job_id in taken]


def unstarted(conn: Connection, job_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of these jobs whose doorbell is in the queue: no worker has answered it, and it is not held."""
    return set(conn.execute(_UNSTARTED, {"ids": list(job_ids)}).scalars())


def count(conn: Connection) -> Held:
    """Return how many are held. Looks at 10,000 rows at most."""
    return Held(*conn.execute(_COUNT).one())
