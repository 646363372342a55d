"""Pause and resume report types, tenants and sources. Workers start no paused job; the doorbells of such jobs are held.

Their deadlines stand still: during the pause no job ends by its deadline. Afterwards every affected job is given back
the time that it lost, in slices, before any is started again. So a pause ends in two steps: it is over, and then it is
settled, which removes its row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.doorbell import RING
from shared.jobs.gates import Gate, Kind, concerns, holds
from shared.jobs.unfinished import SLICE
from shared.jobs.walk import START, next_after
from shared.stored import member


class Pause(NamedTuple):
    """A pause in force."""

    gate: Gate
    reason: str
    by: str
    began_at: datetime
    until: datetime | None
    """When it ends by itself; None if somebody must end it."""
    ended_at: datetime | None
    """When it was ended; jobs are then given back their time, and start."""


_PAUSE = text("""
    /* pauses.begin */
    INSERT INTO pauses AS p (kind, name, reason, paused_by, until)
    VALUES (:kind, :name, :reason, :by, :until)
        ON CONFLICT (kind, name) DO UPDATE SET reason = excluded.reason, until = excluded.until
     WHERE p.ended_at IS NULL AND (p.until IS NULL OR p.until > clock_timestamp())
    RETURNING began_at
""")

_RESUME = text("""
    /* pauses.end */
    UPDATE pauses SET ended_at = coalesce(ended_at, least(clock_timestamp(), until))
     WHERE kind = :kind AND name = :name
    RETURNING ended_at
""")

_COLUMNS = "kind, name, reason, paused_by, began_at, until, ended_at"

_LIST = text(f"/* pauses.list */ SELECT {_COLUMNS} FROM pauses ORDER BY kind, name")

_GET = text(f"/* pauses.get */ SELECT {_COLUMNS} FROM pauses WHERE kind = :kind AND name = :name")

# The first pause that is over, for one relay at a time: what overlaps with another pause is left to the later of the
# two, and neither may believe that the other is still to come.
_OVER = text("""
    /* pauses.over */
    SELECT kind, name, settled_upto FROM pauses
     WHERE least(ended_at, until) <= clock_timestamp() AND pg_try_advisory_xact_lock(hashtextextended('pauses', 4711))
     ORDER BY kind, name LIMIT 1 FOR UPDATE SKIP LOCKED
""")

# `moved` gives each unfinished job of the pause the time for which it stood still; a moment named by the client stays.
# The time since another pause of the job began is left to that one, unless it has dealt with the job already.
# `rung` rings for jobs that looked overdue meanwhile, whose doorbell was dropped.
_GIVE_BACK_TIME = text(f"""
    /* pauses.give_back_time */
    WITH pause AS MATERIALIZED (
        SELECT began_at FROM pauses WHERE kind = :kind AND name = :name
    ), slice AS MATERIALIZED (
        {SLICE.format(columns="id, tenant, report_type, finished_at")}
    ), concerned AS MATERIALIZED (
        SELECT id FROM jobs
         WHERE id = ANY (ARRAY(
               SELECT id FROM slice
                WHERE finished_at IS NULL
                  AND {concerns("slice")}))
           AND finished_at IS NULL
         ORDER BY id FOR NO KEY UPDATE
    ), moved AS (
        UPDATE jobs
           SET deadline_at = least(
                   CAST(options ->> 'notAfter' AS timestamptz),
                   deadline_at + greatest(interval '0', least(clock_timestamp(), (
                       SELECT min(other.began_at) FROM pauses AS other
                        WHERE (other.kind, other.name) <> (:kind, :name) AND {holds("other", "jobs")}
                          AND (other.settled_upto IS NULL OR other.settled_upto < jobs.id)))
                   - greatest(pause.began_at, created_at))),
               version = version + 1, updated_at = clock_timestamp()
          FROM pause
         WHERE id = ANY (ARRAY(SELECT id FROM concerned))
        RETURNING id, tenant, trace_context, status, run_at
    ), rung AS (
        {RING} FROM moved WHERE status = 'PENDING' AND run_at <= clock_timestamp()
                            AND NOT EXISTS (SELECT FROM held WHERE job_id = moved.id OFFSET 0)
    )
    SELECT (SELECT id FROM slice ORDER BY id DESC LIMIT 1) AS upto, (SELECT count(*) FROM slice) AS seen,
           (SELECT count(*) FROM moved) AS moved
""")

_SETTLED_UPTO = text("""
    /* pauses.settled_upto */
    UPDATE pauses SET settled_upto = :upto, ended_at = least(ended_at, until) WHERE kind = :kind AND name = :name
""")

_FORGET = text("/* pauses.forget */ DELETE FROM pauses WHERE kind = :kind AND name = :name")


def pause(conn: Connection, gate: Gate, *, reason: str, by: str, until: datetime | None = None) -> datetime | None:
    """Pause the gate from now on; a pause in force gets the new reason and end. Returns when it began.

    Returns None while an earlier pause of it is over but not settled: a moment later it can be paused again.
    """
    asked = {"kind": gate.kind, "name": gate.name, "reason": reason, "by": by, "until": until}
    return conn.execute(_PAUSE, asked).scalar()


def resume(conn: Connection, gate: Gate) -> bool:
    """End the pause. Returns False if there is none. Jobs start once they have been given back their time."""
    return conn.execute(_RESUME, {"kind": gate.kind, "name": gate.name}).first() is not None


def pauses(conn: Connection) -> Sequence[Pause]:
    """Return every pause that is in force or being settled."""
    return [_pause(row) for row in conn.execute(_LIST)]


def pause_of(conn: Connection, gate: Gate) -> Pause | None:
    """Return the pause of that gate that is in force or being settled; None if there is none."""
    row = conn.execute(_GET, {"kind": gate.kind, "name": gate.name}).one_or_none()
    return None if row is None else _pause(row)


def _pause(row: Sequence[Any]) -> Pause:
    kind, name, *rest = row
    return Pause(Gate(member(Kind, kind), name), *rest)


def settle_slice(conn: Connection, *, slice_size: int = 5_000) -> int | None:
    """Give the next jobs of a pause that is over their time back. Returns how many; None if no pause is over.

    `conn` is in a transaction: after a crash inside it, the slice has not happened; after it, the next slice follows.
    The last slice removes the pause.
    """
    over = conn.execute(_OVER).one_or_none()
    if over is None:
        return None
    gate = {"kind": over.kind, "name": over.name}
    after: UUID = over.settled_upto or START
    row = conn.execute(_GIVE_BACK_TIME, {**gate, "after": after, "slice": slice_size}).one()
    upto = next_after(row.upto, row.seen, slice_size)
    if upto == START:
        conn.execute(_FORGET, gate)
    else:
        conn.execute(_SETTLED_UPTO, {**gate, "upto": upto})
    return int(row.moved)
