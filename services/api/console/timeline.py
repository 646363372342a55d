"""A job's history as bars on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.jobs.events import JobEvent
from shared.jobs.states import JobStatus

_LEAST = 0.6
"""Hundredths of the scale that the shortest bar takes, so that it can be seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A time that a job spent in one state."""

    status: JobStatus
    attempt: int
    left: float
    """Hundredths of the whole before it."""
    width: float
    seconds: float
    ended_by: str
    """The verb that ended it; empty while it lasts."""


def timeline(events: Sequence[JobEvent], *, ended: bool, now: datetime | None = None) -> list[Bar]:
    """The times that the job waited and worked, oldest first, by the database's clock. None is negative."""
    if not events:
        return []
    moments = [event.at for event in events]
    end = moments[-1] if ended else max(moments[-1], now or datetime.now(UTC))
    whole = (end - moments[0]).total_seconds() or 1.0
    bars = []
    for event, until, following in zip(events, [*moments[1:], end], [*events[1:], None], strict=True):
        if event.to_status.final:
            break
        seconds = max(0.0, (until - event.at).total_seconds())
        left = max(0.0, (event.at - moments[0]).total_seconds()) / whole * 100
        bars.append(
            Bar(
                event.to_status,
                event.attempt,
                round(min(left, 100 - _LEAST), 2),
                round(max(seconds / whole * 100, _LEAST), 2),
                seconds,
                following.verb if following else "",
            )
        )
    return bars
