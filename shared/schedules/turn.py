"""Which tick of a due schedule runs next: the due one, or one chosen by its policy for missed ticks."""

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from shared.schedules.schedule import Misfire, Wanted

ON_TIME_S = 60.0
"""A tick that is later than this was missed, and its schedule's policy decides about it."""


class Turn(NamedTuple):
    """What a schedule does about the ticks that are due."""

    tick: datetime | None
    """The tick that runs; None if none does."""
    skipped: tuple[datetime, datetime] | None
    """The first and the last of the skipped ticks; None if none is skipped."""
    looked_at: datetime
    """The last tick that is settled by this: the next one comes after it."""


def turn(schedule_id: UUID, wanted: Wanted, first: datetime, now: datetime) -> Turn:
    """Decide about the tick `first`, which is due, and all that are due after it."""
    timing = wanted.timing
    if now <= timing.due_at(schedule_id, first) + timedelta(seconds=ON_TIME_S):
        return Turn(first, None, first)
    most = wanted.misfire_most if wanted.misfire is Misfire.RUN_ALL else 1
    last = [tick for tick in timing.latest(first, now, most + 1) if timing.due_at(schedule_id, tick) <= now] or [first]
    runs = last[-most:]
    if wanted.misfire is Misfire.SKIP and now > timing.due_at(schedule_id, runs[-1]) + timedelta(seconds=ON_TIME_S):
        return Turn(None, (first, runs[-1]), runs[-1])
    if runs[0] == first:
        return Turn(first, None, first)
    # The tick before the first one that runs is the last one that does not.
    before = last[-most - 1] if len(last) > most else first
    return Turn(runs[0], (first, before), runs[0])
