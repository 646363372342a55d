"""Schedules that are due, and what happens to them: read, decided on, and written in one transaction.

A schedule that is read here is locked until that transaction ends, so that any number of relays may look; and the key
of `schedule_ticks` makes a tick one job, even if it is read twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Row

from shared import json_text
from shared.schedules.history import MOST_COUNTED
from shared.schedules.schedule import Cause, Fate, Misfire, Overlap, Reason, Schedule, Terms
from shared.schedules.store import COLUMNS, schedule_of
from shared.stored import member


class Due(NamedTuple):
    """A schedule whose tick is due, locked until the transaction ends."""

    schedule: Schedule
    now: datetime
    """The time by the database's clock."""
    tick: datetime
    cause: Cause
    key_id: str | None
    """The owner's API key, or the one that followed it; None if none of them works any more, or there never was one."""
    key_scopes: Sequence[str] | None
    """The scopes of that key."""
    runs_still: bool
    """True if the job of its last due tick has not ended."""


class HistoryLine(NamedTuple):
    """A line of a schedule's history."""

    tick: datetime
    cause: Cause
    fate: Fate
    reason: Reason | None = None
    detail: str | None = None
    job_id: UUID | None = None
    since: datetime | None = None


class Move(NamedTuple):
    """What happens to a schedule that was due."""

    schedule_id: UUID
    tenant: str
    told: Sequence[HistoryLine]
    """Empty leaves the tick as it is, to be looked at again at `due_at`."""
    next_tick: datetime | None = None
    due_at: datetime | None = None
    stop_reason: Reason | None = None
    key_id: str | None = None
    failing_because: str | None = None
    """The error that nobody foresaw, for operators; None if there was none."""


# One look into the index per tenant, however many schedules it has; with the first of them that is due.
_FIRST = """
    WITH RECURSIVE firsts AS (
        (SELECT tenant, due_at FROM schedules WHERE due_at IS NOT NULL ORDER BY tenant, due_at LIMIT 1)
        UNION ALL
        SELECT next.tenant, next.due_at
          FROM firsts, LATERAL (
              SELECT tenant, due_at FROM schedules
               WHERE due_at IS NOT NULL AND tenant > firsts.tenant ORDER BY tenant, due_at LIMIT 1) AS next
    )"""
_WAIT = """
    WITH RECURSIVE firsts AS (
        (SELECT tenant FROM schedule_ticks WHERE fate = 'waiting' ORDER BY tenant LIMIT 1)
        UNION ALL
        SELECT next.tenant
          FROM firsts, LATERAL (
              SELECT tenant FROM schedule_ticks
               WHERE fate = 'waiting' AND tenant > firsts.tenant ORDER BY tenant LIMIT 1) AS next
    )"""
# The same share for each tenant, so that a tenant with one due schedule never waits for one with very many. If there
# are more tenants than a pass takes, chance decides: nobody comes last because of its name.
_SOME = """, tenants AS MATERIALIZED (
        SELECT tenant FROM firsts WHERE {due} ORDER BY random() LIMIT :most)"""
_SHARE = "(SELECT greatest(1, CAST(:most AS bigint) / count(*)) FROM tenants)"

_FAILING = text(f"""
    /* schedules.failing */
    SELECT count(*) FROM (SELECT FROM schedules WHERE failing_since IS NOT NULL LIMIT {MOST_COUNTED + 1}) AS bounded
""")

_ANY = text(f"""
    /* schedules.any_due */
    {_FIRST}
    SELECT EXISTS (SELECT FROM firsts WHERE due_at <= now())
        OR EXISTS (SELECT FROM schedule_ticks WHERE fate = 'waiting')
""")
_OLDEST = text(f"""
    /* schedules.oldest_due */
    {_FIRST}
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0)::float8 FROM firsts WHERE due_at <= now()
""")

# The owner's key, or the key that followed it when it was rotated: the last one that works.
_OWNER = """
    LEFT JOIN LATERAL (
        WITH RECURSIVE line AS (
            SELECT k.id, 0 AS n FROM api_keys k WHERE k.id = s.owner_key AND k.tenant = s.tenant
            UNION ALL
            SELECT k.id, line.n + 1 FROM line JOIN api_keys k ON k.replaces = line.id AND k.revoked_at IS NULL
             WHERE line.n < 50)
        SELECT k.id, k.scopes FROM line JOIN api_keys k ON k.id = line.id
         WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
         ORDER BY line.n DESC LIMIT 1) AS key ON true"""
_SEEN = f"""{COLUMNS}, clock_timestamp() AS now, key.id AS key_id, key.scopes AS key_scopes,
           coalesce((SELECT j.finished_at IS NULL FROM jobs j WHERE j.id = s.due_job_id), false) AS runs_still"""

# A schedule with terms or policies that only a newer release knows is left to a relay of that release: others would not
# do what was requested.
_KNOWN = f"""terms - CAST('{{{",".join(Terms._fields)}}}' AS text[]) = '{{}}'
           AND misfire = ANY ('{{{",".join(Misfire)}}}') AND overlap = ANY ('{{{",".join(Overlap)}}}')"""

_DUE = text(f"""
    /* schedules.due */
    {_FIRST}{_SOME.format(due="due_at <= now()")}
    SELECT {_SEEN}, s.next_tick AS tick, 'due' AS cause
      FROM tenants, LATERAL (
          SELECT * FROM schedules
           WHERE tenant = tenants.tenant AND due_at <= now() AND {_KNOWN}
           ORDER BY due_at LIMIT {_SHARE}
             FOR UPDATE SKIP LOCKED) AS s
      {_OWNER}
""")
_WAITING = text(f"""
    /* schedules.waiting */
    {_WAIT}{_SOME.format(due="true")}
    SELECT {_SEEN}, t.tick, t.cause
      FROM tenants, LATERAL (
          SELECT schedule_id, tick, cause FROM schedule_ticks
           WHERE tenant = tenants.tenant AND fate = 'waiting'
           ORDER BY tick LIMIT {_SHARE}
             FOR UPDATE SKIP LOCKED) AS t
      JOIN schedules s ON s.id = t.schedule_id AND {_KNOWN}
      {_OWNER}
""")

_ASKED = text(f"""
    /* schedules.asked */
    WITH asked AS (
        INSERT INTO schedule_ticks (schedule_id, tenant, tick, cause, fate)
        VALUES (:id, :tenant, clock_timestamp(), 'run', 'waiting')
        RETURNING schedule_id, tick, cause)
    SELECT {_SEEN}, t.tick, t.cause FROM asked t JOIN schedules s ON s.id = t.schedule_id {_OWNER}
""")
# A tick without a job gets another chance; one with a job is left alone. `since` stays: the earlier ticks that were
# skipped together with it have no other line.
_BACKFILL = text("""
    /* schedules.backfill */
    INSERT INTO schedule_ticks AS t (schedule_id, tenant, tick, cause, fate)
    SELECT :id, :tenant, tick, 'backfill', 'waiting' FROM unnest(CAST(:ticks AS timestamptz[])) AS tick
        ON CONFLICT (schedule_id, tick) DO UPDATE
           SET cause = 'backfill', fate = 'waiting', reason = NULL, detail = NULL, at = clock_timestamp()
         WHERE t.fate IN ('skipped', 'failed')
    RETURNING t.tick
""")

_MOVE = text("""
    /* schedules.move */
    WITH told AS (
        INSERT INTO schedule_ticks AS t (schedule_id, tenant, tick, cause, fate, reason, detail, job_id, since)
        SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS m(
               schedule_id uuid, tenant text, tick timestamptz, cause text, fate text, reason text, detail text,
               job_id uuid, since timestamptz)
            ON CONFLICT (schedule_id, tick) DO UPDATE
               SET fate = excluded.fate, reason = excluded.reason, detail = excluded.detail, job_id = excluded.job_id,
                   at = clock_timestamp()
             WHERE t.fate = 'waiting'
        RETURNING t.schedule_id, t.job_id
    ), made AS (
        SELECT schedule_id, job_id FROM told WHERE job_id IS NOT NULL
    ), moved AS (
        UPDATE schedules s
           SET next_tick = m.next_tick, due_at = m.due_at, stop_reason = m.stop_reason,
               failing_since = CASE WHEN m.failing_because IS NOT NULL
                                    THEN coalesce(s.failing_since, clock_timestamp()) END,
               failing_because = m.failing_because,
               stopped_at = CASE WHEN m.stop_reason IS NOT NULL THEN clock_timestamp() END,
               version = s.version + CASE WHEN m.stop_reason IS NULL THEN 0 ELSE 1 END,
               owner_key = coalesce(m.key_id, s.owner_key), last_tick = coalesce(m.last_tick, s.last_tick),
               last_job_id = coalesce((SELECT job_id FROM made WHERE made.schedule_id = s.id), s.last_job_id),
               due_job_id = coalesce((SELECT job_id FROM made WHERE made.schedule_id = s.id), s.due_job_id)
          FROM jsonb_to_recordset(CAST(:moves AS jsonb)) AS m(
               schedule_id uuid, next_tick timestamptz, due_at timestamptz, stop_reason text, key_id text,
               failing_because text, last_tick timestamptz)
         WHERE s.id = m.schedule_id
    )
    SELECT job_id FROM made
""")

# The schedule itself continues as it would have; only its last job is different.
_SETTLE = text("""
    /* schedules.settle */
    WITH settled AS (
        SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS m(
            schedule_id uuid, tick timestamptz, fate text, reason text, detail text, job_id uuid)
    ), told AS (
        UPDATE schedule_ticks t
           SET fate = m.fate, reason = m.reason, detail = m.detail, job_id = m.job_id, at = clock_timestamp()
          FROM settled m
         WHERE t.schedule_id = m.schedule_id AND t.tick = m.tick AND t.fate = 'waiting'
        RETURNING t.schedule_id, t.job_id
    ), moved AS (
        UPDATE schedules s SET last_job_id = told.job_id
          FROM told WHERE s.id = told.schedule_id AND told.job_id IS NOT NULL
    )
    SELECT job_id FROM told WHERE job_id IS NOT NULL
""")


def any_due(conn: Connection) -> bool:
    """True if a schedule is due, or a requested tick waits. Opens no transaction."""
    return bool(conn.execute(_ANY).scalar_one())


def oldest_due_s(conn: Connection) -> float:
    """Return the seconds since the first of the due schedules should have been submitted; 0 if none is due."""
    return float(conn.execute(_OLDEST).scalar_one())


def failing(conn: Connection) -> int:
    """Schedules at which relays meet an error that nobody foresaw; MOST_COUNTED + 1 for any more."""
    return int(conn.execute(_FAILING).scalar_one())


def due(conn: Connection, *, most: int) -> Sequence[Due]:
    """Return up to `most` due schedules, tenant by tenant; those locked by other relays are left out."""
    return [_due(row) for row in conn.execute(_DUE, {"most": most})]


def waiting(conn: Connection, *, most: int) -> Sequence[Due]:
    """Return requested ticks, tenant by tenant; those locked by other relays are left out."""
    return [_due(row) for row in conn.execute(_WAITING, {"most": most})]


def ask_now(conn: Connection, schedule: Schedule) -> Due:
    """Return a tick of this moment, besides those of the clock.

    The caller's transaction must have locked the schedule.
    """
    return _due(conn.execute(_ASKED, {"id": schedule.id, "tenant": schedule.tenant}).one())


def ask_for(conn: Connection, schedule: Schedule, ticks: Sequence[datetime]) -> int:
    """Make a relay submit the jobs of those ticks that had none. Returns how many there are."""
    asked = {"id": schedule.id, "tenant": schedule.tenant, "ticks": list(ticks)}
    return len(conn.execute(_BACKFILL, asked).all())


def move(conn: Connection, moves: Sequence[Move]) -> set[UUID]:
    """Write what happened to the ticks, and when each schedule is next due.

    Returns the ids of the jobs that must be submitted in this transaction: all except those of ticks that had one
    already.
    """
    told = [
        {**line._asdict(), "schedule_id": one.schedule_id, "tenant": one.tenant} for one in moves for line in one.told
    ]
    rows = [{**one._asdict(), "told": None, "last_tick": one.told[-1].tick if one.told else None} for one in moves]
    asked = {"told": json_text.write(told), "moves": json_text.write(rows)}
    return set(conn.execute(_MOVE, asked).scalars())


def settle(conn: Connection, told: Sequence[tuple[UUID, HistoryLine]]) -> set[UUID]:
    """Write what happened to requested ticks, each with its schedule's id.

    Returns the ids of the jobs that must be submitted in this transaction.
    """
    rows = [{**one._asdict(), "schedule_id": schedule_id} for schedule_id, one in told]
    return set(conn.execute(_SETTLE, {"told": json_text.write(rows)}).scalars())


def _due(row: Row[Any]) -> Due:
    key_scopes = None if row.key_id is None else row.key_scopes
    return Due(schedule_of(row), row.now, row.tick, member(Cause, row.cause), row.key_id, key_scopes, row.runs_still)
