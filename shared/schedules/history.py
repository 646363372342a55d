"""What happened to a schedule's ticks."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Row

from shared.jobs.states import JobStatus
from shared.jobs.viewer import Viewer
from shared.schedules.schedule import Cause, Fate, Reason, Tick
from shared.stored import member, member_or_none

_COLUMNS = "tick, cause, fate, reason, detail, job_id, since, at"
MOST_COUNTED = 10_000
"""The highest count of missed ticks, and of failing schedules."""
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)

_LIST = text(f"""
    /* schedule_ticks.list */
    SELECT {_COLUMNS} FROM schedule_ticks
     WHERE schedule_id = :id AND tick < :before
     ORDER BY tick DESC LIMIT :limit
""")
_LATEST = text("""
    /* schedule_ticks.latest */
    SELECT t.schedule_id, t.tick, t.fate, t.reason, t.job_id, j.status
      FROM unnest(CAST(:ids AS uuid[])) AS s(id)
     CROSS JOIN LATERAL (
           SELECT schedule_id, tick, fate, reason, job_id FROM schedule_ticks
            WHERE schedule_id = s.id ORDER BY tick DESC LIMIT :each) AS t
      LEFT JOIN jobs j ON j.id = t.job_id AND j.tenant = :tenant
            AND (CAST(:requester AS text) IS NULL OR j.requester = :requester)
            AND j.report_type <> ALL (CAST(:hidden AS text[]))
     ORDER BY t.schedule_id, t.tick
""")
_FORGET = text("""
    /* schedule_ticks.forget */
    DELETE FROM schedule_ticks
     WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM schedule_ticks
            WHERE at < clock_timestamp() - make_interval(secs => :keep_s) AND fate <> 'waiting'
            ORDER BY at LIMIT :slice FOR UPDATE SKIP LOCKED))
""")
_MISSED = text(f"""
    /* schedule_ticks.missed */
    SELECT count(*) FROM (
           SELECT FROM schedule_ticks
            WHERE reason = 'missed' AND at > now() - make_interval(secs => :within_s)
            LIMIT {MOST_COUNTED + 1}) AS bounded
""")


def ticks(conn: Connection, schedule_id: UUID, *, limit: int, before: datetime | None = None) -> Sequence[Tick]:
    """Return up to `limit` ticks before that moment, the latest first."""
    asked = {"id": schedule_id, "before": before or _NEVER, "limit": limit}
    return [_tick(row) for row in conn.execute(_LIST, asked)]


class Outcome(NamedTuple):
    """How a tick ended."""

    tick: datetime
    fate: Fate
    reason: Reason | None
    job_id: UUID | None
    status: JobStatus | None
    """The status of its job; None without a job, for a job that is gone, and for one that the viewer may not see."""


def latest(conn: Connection, ids: Sequence[UUID], viewer: Viewer, *, each: int) -> Mapping[UUID, Sequence[Outcome]]:
    """Return the latest `each` ticks of these schedules of the viewer's tenant, oldest first."""
    asked = {"ids": list(ids), "each": each, **viewer.where}
    found: dict[UUID, list[Outcome]] = {one: [] for one in ids}
    for row in conn.execute(_LATEST, asked):
        reason, status = member_or_none(Reason, row.reason), member_or_none(JobStatus, row.status)
        found[row.schedule_id].append(Outcome(row.tick, member(Fate, row.fate), reason, row.job_id, status))
    return found


def missed(conn: Connection, *, within_s: float) -> int:
    """Count the lines of ticks missed within so many seconds because no relay was running; MOST_COUNTED + 1 for any
    more.
    """
    return int(conn.execute(_MISSED, {"within_s": within_s}).scalar_one())


def forget(conn: Connection, *, keep_s: float, slice_size: int) -> int:
    """Remove up to `slice_size` ticks that are older than `keep_s` seconds. Returns how many."""
    return conn.execute(_FORGET, {"keep_s": keep_s, "slice": slice_size}).rowcount


def _tick(row: Row[Any]) -> Tick:
    cause, fate, reason = member(Cause, row.cause), member(Fate, row.fate), member_or_none(Reason, row.reason)
    return Tick(row.tick, cause, fate, reason, row.detail, row.job_id, row.since, row.at)
