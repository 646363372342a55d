"""When a schedule is due after a change, and what the audit trail records about it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.actions.schedule_request import as_fields
from shared.schedules import let_go
from shared.schedules.schedule import Reason, Schedule, Wanted
from shared.schedules.store import Next

_NOTHING = Next(None, None)


def next_due_of(schedule_id: UUID, wanted: Wanted, now: datetime) -> Next:
    """Return when a new schedule is first due."""
    tick = wanted.timing.next_tick(now)
    if tick is None:
        return Next(None, None, Reason.NO_TICKS_LEFT)
    return Next(tick, wanted.timing.due_at(schedule_id, tick))


def next_of_changed(conn: Connection, old: Schedule, wanted: Wanted, now: datetime) -> Next:
    """Return when a changed schedule is next due.

    A tick that is due already, but not yet submitted by a relay, stays due if the new timing still includes it.
    """
    if old.next_tick is None or old.paused_at is not None:
        let_go.before(conn, old, now)
        return _NOTHING if old.paused_at is not None else next_due_of(old.id, wanted, now)
    if wanted.timing == old.wanted.timing:
        # What is looked at more and more rarely, because something is wrong with it, may be mended by this.
        return Next(
            old.next_tick, old.due_at if old.failing_since is None else wanted.timing.due_at(old.id, old.next_tick)
        )
    kept = let_go.unless_named(conn, old, wanted.timing, now)
    return next_due_of(old.id, wanted, now) if kept is None else Next(kept, wanted.timing.due_at(old.id, kept))


def told_of(schedule: Schedule) -> dict[str, object]:
    """Return what the audit trail records: name and timing, but none of the parameters or texts."""
    fields = as_fields(schedule.wanted)
    told = ("name", "reportType", "cron", "everySeconds", "timeZone", "until", "misfire", "overlap")
    beside: dict[str, object] = {"paused": schedule.paused_at is not None, "owner": schedule.owner.subject}
    if schedule.stop_reason is Reason.FILE_GONE:
        beside["stopReason"] = schedule.stop_reason
    return {name: fields[name] for name in told if fields[name] is not None} | beside
