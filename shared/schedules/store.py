"""Schedules in the database, as their owners read and write them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Row

from shared import json_text
from shared.access.made_once import Request
from shared.schedules.schedule import Misfire, Overlap, Owner, Reason, Schedule, Terms, Wanted
from shared.schedules.timing import Timing
from shared.stored import made_of, member, member_or_none

COLUMNS = """s.id, s.tenant, s.name, s.report_type, s.parameters, s.formats, s.labels, s.options, s.terms, s.cron,
    s.every_s, s.zone, s.begins_at, s.until, s.jitter_s, s.misfire, s.misfire_most, s.overlap, s.owner, s.owner_key,
    s.owner_scopes, s.owner_until, s.created_at, s.updated_at, s.version, s.paused_at, s.paused_by, s.pause_note,
    s.stopped_at, s.stop_reason, s.next_tick, s.due_at, s.last_tick, s.last_job_id, s.due_job_id,
    s.failing_since, s.failing_because, s.file"""
"""What `schedule_of` reads, of the table `schedules` as `s`."""

_WRITTEN = """name, report_type, parameters, formats, labels, options, terms, cron, every_s, zone, until, jitter_s,
    misfire, misfire_most, overlap, owner, owner_key, owner_scopes, owner_until"""
_RECORD = """CAST(:wanted AS jsonb)) AS w(
        name text, report_type text, parameters jsonb, formats text[], labels jsonb, options jsonb, terms jsonb,
        cron text, every_s int, zone text, until timestamptz, jitter_s int, misfire text, misfire_most smallint,
        overlap text, owner text, owner_key text, owner_scopes text[], owner_until timestamptz,
        next_tick timestamptz, due_at timestamptz, begins_at timestamptz)"""

_CREATE = text(f"""
    /* schedules.create */
    INSERT INTO schedules AS s (id, tenant, request, digest, begins_at, next_tick, due_at, {_WRITTEN})
    SELECT :id, :tenant, :request, :digest, begins_at, next_tick, due_at, {_WRITTEN}
      FROM jsonb_to_record({_RECORD}
        ON CONFLICT (tenant, request) WHERE request IS NOT NULL DO NOTHING
    RETURNING {COLUMNS}
""")
_MADE_BY = text(f"""
    /* schedules.made_by */
    SELECT {COLUMNS}, s.digest FROM schedules s WHERE s.tenant = :tenant AND s.request = :request
""")
_GET = text(f"""
    /* schedules.get */
    SELECT {COLUMNS} FROM schedules s
     WHERE s.id = :id AND s.tenant = :tenant AND (CAST(:owner AS text) IS NULL OR s.owner = :owner)
""")
_HOLD = text(_GET.text.replace("schedules.get", "schedules.hold") + " FOR UPDATE OF s")
_LIST = text(f"""
    /* schedules.list */
    SELECT {COLUMNS} FROM schedules s
     WHERE s.tenant = :tenant AND s.id < :before AND (CAST(:owner AS text) IS NULL OR s.owner = :owner)
     ORDER BY s.id DESC LIMIT :limit
""")
_COUNT = text("""
    /* schedules.count */
    SELECT count(*) FROM (SELECT FROM schedules WHERE tenant = :tenant LIMIT :most) AS bounded
""")
# The last writer of a schedule owns it: it acts with what that writer may do. A paused or stopped schedule stays so
# until somebody resumes it.
_REPLACE = text(f"""
    /* schedules.replace */
    UPDATE schedules s
       SET ({_WRITTEN}) = (SELECT {_WRITTEN} FROM jsonb_to_record({_RECORD}),
           next_tick = CAST(:next_tick AS timestamptz), due_at = CAST(:due_at AS timestamptz),
           stopped_at = CASE WHEN CAST(:stop_reason AS text) IS NOT NULL THEN clock_timestamp() END,
           stop_reason = :stop_reason, failing_since = NULL, failing_because = NULL, version = s.version + 1,
           updated_at = clock_timestamp()
     WHERE s.id = :id AND s.tenant = :tenant
    RETURNING {COLUMNS}
""")
_PAUSE = text(f"""
    /* schedules.pause */
    UPDATE schedules s
       SET paused_at = coalesce(s.paused_at, clock_timestamp()), paused_by = :by, pause_note = :note,
           next_tick = NULL, due_at = NULL, failing_since = NULL, failing_because = NULL, version = s.version + 1,
           updated_at = clock_timestamp()
     WHERE s.id = :id AND s.tenant = :tenant
    RETURNING {COLUMNS}
""")
_RESUME = text(f"""
    /* schedules.resume */
    UPDATE schedules s
       SET paused_at = NULL, paused_by = NULL, pause_note = NULL, next_tick = CAST(:next_tick AS timestamptz),
           due_at = CAST(:due_at AS timestamptz),
           stopped_at = CASE WHEN CAST(:stop_reason AS text) IS NOT NULL THEN clock_timestamp() END,
           stop_reason = :stop_reason, owner = :owner, owner_key = :owner_key, owner_scopes = :owner_scopes,
           owner_until = CAST(:owner_until AS timestamptz),
           version = s.version + 1, updated_at = clock_timestamp()
     WHERE s.id = :id AND s.tenant = :tenant
    RETURNING {COLUMNS}
""")
_DELETE = text("/* schedules.delete */ DELETE FROM schedules WHERE id = :id AND tenant = :tenant")
_NOW = text("/* schedules.now */ SELECT clock_timestamp()")


class Next(NamedTuple):
    """When a schedule is next due, or why it is not."""

    tick: datetime | None
    due_at: datetime | None
    stop_reason: Reason | None = None


def create(
    conn: Connection, schedule_id: UUID, tenant: str, wanted: Wanted, owner: Owner, due: Next, request: Request | None
) -> Schedule | None:
    """Create the schedule; None if a request of that name has created one: see `made_by`."""
    asked = {
        "id": schedule_id, "tenant": tenant, "request": request and request.text, "digest": request and request.digest,
        "wanted": _as_record(wanted, owner, next_tick=due.tick, due_at=due.due_at, begins_at=wanted.timing.begins_at),
    }  # fmt: skip
    row = conn.execute(_CREATE, asked).one_or_none()
    return None if row is None else schedule_of(row)


def made_by(conn: Connection, tenant: str, request: str) -> tuple[Schedule, str] | None:
    """Return the schedule that a request of that name has created, and the digest of what it requested."""
    row = conn.execute(_MADE_BY, {"tenant": tenant, "request": request}).one_or_none()
    return None if row is None else (schedule_of(row), row.digest)


def get(conn: Connection, schedule_id: UUID, tenant: str, *, owner: str | None, hold: bool = False) -> Schedule | None:
    """Return the tenant's schedule of that id, of that owner unless it is None; with `hold` it is locked until the
    transaction ends.
    """
    asked = {"id": schedule_id, "tenant": tenant, "owner": owner}
    row = conn.execute(_HOLD if hold else _GET, asked).one_or_none()
    return None if row is None else schedule_of(row)


def list_page(conn: Connection, tenant: str, *, owner: str | None, before: UUID, limit: int) -> Sequence[Schedule]:
    """Return up to `limit` of the tenant's schedules with an id below `before`, newest first."""
    asked = {"tenant": tenant, "owner": owner, "before": before, "limit": limit}
    return [schedule_of(row) for row in conn.execute(_LIST, asked)]


def count(conn: Connection, tenant: str, *, most: int) -> int:
    """Return how many schedules the tenant has, counted up to `most`."""
    return int(conn.execute(_COUNT, {"tenant": tenant, "most": most}).scalar_one())


def replace(
    conn: Connection, schedule_id: UUID, tenant: str, wanted: Wanted, owner: Owner, due: Next
) -> Schedule | None:
    """Rewrite what the schedule requests, and who owns it. None if there is no such schedule."""
    asked = {"id": schedule_id, "tenant": tenant, "wanted": _as_record(wanted, owner), **_due(due)}
    row = conn.execute(_REPLACE, asked).one_or_none()
    return None if row is None else schedule_of(row)


def pause(conn: Connection, schedule_id: UUID, tenant: str, *, by: str | None, note: str) -> Schedule | None:
    """Suspend all ticks until it is resumed. None if there is no such schedule."""
    row = conn.execute(_PAUSE, {"id": schedule_id, "tenant": tenant, "by": by, "note": note}).one_or_none()
    return None if row is None else schedule_of(row)


def resume(conn: Connection, schedule_id: UUID, tenant: str, owner: Owner, due: Next) -> Schedule | None:
    """Continue after a pause or a stop, on behalf of the caller. None if there is no such schedule."""
    asked = {
        "id": schedule_id, "tenant": tenant, "owner": owner.subject, "owner_key": owner.key_id,
        "owner_scopes": None if owner.scopes is None else list(owner.scopes), "owner_until": owner.until, **_due(due),
    }  # fmt: skip
    row = conn.execute(_RESUME, asked).one_or_none()
    return None if row is None else schedule_of(row)


def delete(conn: Connection, schedule_id: UUID, tenant: str) -> bool:
    """Remove the schedule with its history. Its jobs stay. False if there is no such schedule."""
    return conn.execute(_DELETE, {"id": schedule_id, "tenant": tenant}).rowcount == 1


def now(conn: Connection) -> datetime:
    """Return the time by the database's clock, which decides what is due."""
    at: datetime = conn.execute(_NOW).scalar_one()
    return at


def schedule_of(row: Row[Any]) -> Schedule:
    """Return the schedule of a row with `COLUMNS`."""
    timing = Timing(row.cron, row.every_s, row.zone, row.begins_at, row.until, row.jitter_s)
    wanted = Wanted(
        row.name, row.report_type, row.parameters, row.formats, row.labels, row.options,
        made_of(Terms, Terms._fields, row.terms), timing,
        member(Misfire, row.misfire), row.misfire_most, member(Overlap, row.overlap),
    )  # fmt: skip
    owner = Owner(row.owner, row.owner_key, row.owner_scopes, row.owner_until)
    return Schedule(
        row.id, row.tenant, wanted, owner, row.version, row.created_at, row.updated_at, row.paused_at, row.paused_by,
        row.pause_note, row.stopped_at, member_or_none(Reason, row.stop_reason), row.next_tick,
        row.due_at, row.last_tick, row.last_job_id, row.due_job_id,
        row.failing_since, row.failing_because, row.file,
    )  # fmt: skip


def _as_record(wanted: Wanted, owner: Owner, **beside: datetime | None) -> str:
    timing = wanted.timing
    record = {
        **{name: value for name, value in wanted._asdict().items() if name != "timing"},
        **{name: value for name, value in timing._asdict().items() if name != "begins_at"},
        "formats": list(wanted.formats),
        "terms": wanted.terms._asdict(),
        "owner": owner.subject,
        "owner_key": owner.key_id,
        "owner_scopes": None if owner.scopes is None else list(owner.scopes),
        "owner_until": owner.until,
    }
    return json_text.write({**record, **beside})


def _due(due: Next) -> dict[str, object]:
    return {"next_tick": due.tick, "due_at": due.due_at, "stop_reason": due.stop_reason}
