"""Ticks that pass without a job because of a change to their schedule: a line of its history says so."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.schedules.schedule import Reason, Schedule
from shared.schedules.timing import Timing

_MOST = 100
"""How many due ticks are looked at one by one; earlier ones are covered by the first of them."""

# A tick that has a line has its own fate; only ticks that passed before it are added.
_TELL = text("""
    /* schedule_ticks.let_go */
    INSERT INTO schedule_ticks AS t (schedule_id, tenant, tick, cause, fate, reason, since)
    VALUES (:id, :tenant, :last, 'due', 'skipped', :reason, nullif(CAST(:first AS timestamptz), :last))
        ON CONFLICT (schedule_id, tick) DO UPDATE SET since = least(t.since, excluded.since)
""")


def before(conn: Connection, old: Schedule, now: datetime, *, stops: bool = False) -> None:
    """Record the ticks up to `now` that have no line: they passed while the schedule was paused or stopped, or are due
    as it is paused.

    With `stops`, they are due as it stops.
    """
    stopped = (stops or old.stopped_at is not None) and old.paused_at is None
    first = old.next_tick or old.wanted.timing.next_tick(_rests_since(old, now))
    if first is not None and first <= now:
        _tell(
            conn, old, [first, *old.wanted.timing.latest(first, now, 1)], Reason.STOPPED if stopped else Reason.PAUSED
        )


def unless_named(conn: Connection, old: Schedule, new: Timing, now: datetime) -> datetime | None:
    """Record those ticks that are due and not in the new timing. Returns the first that is.

    None if the new timing includes none of them.
    """
    if old.next_tick is None or old.next_tick > now:
        return None
    due = old.wanted.timing.latest(old.next_tick, now, _MOST) or [old.next_tick]
    named = [tick for tick in due if new.names(tick)]
    gone = [tick for tick in due if tick not in named]
    if due[0] != old.next_tick:
        gone.insert(0, old.next_tick)
    if gone:
        _tell(conn, old, gone, Reason.TIMING_CHANGED)
    return named[0] if named else None


def _rests_since(old: Schedule, now: datetime) -> datetime:
    """Return the moment up to which every tick has a line."""
    began = min((at for at in (old.paused_at, old.stopped_at) if at is not None), default=now)
    if began == old.stopped_at and old.last_tick is not None:
        began = old.last_tick
    return max(began, old.updated_at)


def _tell(conn: Connection, old: Schedule, gone: Sequence[datetime], reason: Reason) -> None:
    said = {"id": old.id, "tenant": old.tenant, "first": gone[0], "last": gone[-1], "reason": reason}
    conn.execute(_TELL, said)
