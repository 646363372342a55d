"""Schedules for tests, and the passing of time."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.ids import uuid7
from shared.schedules import store
from shared.schedules.schedule import Misfire, Overlap, Owner, Terms, Wanted
from shared.schedules.store import Next
from shared.schedules.timing import Timing

NOBODY = Owner(None, None, None)
TERMS = Terms(None, 2, 3600.0, 3_600, 86_400)


def a_schedule(
    conn: Connection,
    *,
    tenant: str = "acme",
    owner: Owner = NOBODY,
    first: timedelta = timedelta(seconds=-1),
    every_s: int = 3_600,
    until: datetime | None = None,
    jitter_s: int = 0,
    **wanted: Any,
) -> UUID:
    """Create a schedule whose first tick is that far from now, by the database's clock."""
    now = store.now(conn)
    timing = Timing(None, every_s, "UTC", now + first, until, jitter_s)
    fields: dict[str, Any] = {
        "name": "Calendar of the day",
        "report_type": "calendar",
        "parameters": {"from": "2026-01-01", "to": "2026-01-31"},
        "formats": [],
        "labels": None,
        "options": None,
        "terms": TERMS,
        "timing": timing,
        "misfire": Misfire.RUN_ONCE,
        "overlap": Overlap.SKIP,
    }
    made = store.create(
        conn, uuid7(), tenant, Wanted(**(fields | wanted)), owner, Next(timing.begins_at, timing.begins_at), None
    )
    assert made is not None
    return made.id


def schedule(conn: Connection, schedule_id: UUID) -> Any:
    """Return its row."""
    return conn.execute(text("SELECT * FROM schedules WHERE id = :id"), {"id": schedule_id}).one()


def ticks(conn: Connection, schedule_id: UUID) -> list[Any]:
    """Return its history, oldest first."""
    found = conn.execute(
        text("SELECT * FROM schedule_ticks WHERE schedule_id = :id ORDER BY tick"), {"id": schedule_id}
    )
    return list(found)


def jobs_of(conn: Connection, schedule_id: UUID) -> list[Any]:
    """Return its jobs, oldest first."""
    return list(conn.execute(text("SELECT * FROM jobs WHERE schedule_id = :id ORDER BY id"), {"id": schedule_id}))


def hours_pass(conn: Connection, schedule_id: UUID, hours: float) -> None:
    """Make everything about the schedule so many hours older."""
    moved = ", ".join(
        f"{name} = {name} - make_interval(secs => :s)" for name in ("begins_at", "next_tick", "due_at", "last_tick")
    )
    conn.execute(text(f"UPDATE schedules SET {moved} WHERE id = :id"), {"id": schedule_id, "s": hours * 3600})
    conn.execute(
        text("""
            UPDATE schedule_ticks
               SET tick = tick - make_interval(secs => :s), since = since - make_interval(secs => :s)
             WHERE schedule_id = :id
        """),
        {"id": schedule_id, "s": hours * 3600},
    )


BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
