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
    outcome: str
    """How it is coloured: pending, processing, success, failed or cancelled."""


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
                _outcome(event, following),
            )
        )
    return bars


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the attempt that made the report, on the scale of the bars."""

    name: str
    """Such as `querying` or `writing pdf`; `starting` for what went before the first."""
    left: float
    width: float
    seconds: float


def phases_of(told: Sequence[tuple[str, float]], seconds: float, bars: Sequence[Bar]) -> list[Phase]:
    """The parts of the attempt that made the report, one after the other; `told` are names and seconds of `seconds`.

    The worker's clock measured the parts, and the database's the attempt: they are laid to the attempt's end, and none
    begins before it.
    """
    if not told or not bars:
        return []
    attempt = bars[-1]
    parts = [("starting", round(max(0.0, seconds - sum(took for _, took in told)), 3)), *told]
    whole = sum(took for _, took in parts)
    scale = attempt.width / (max(attempt.seconds, whole) or 1.0)
    phases, at = [], attempt.left + attempt.width - whole * scale
    for name, took in parts:
        width = max(took * scale, _LEAST)
        phases.append(Phase(name, round(min(at, 100 - _LEAST), 2), round(width, 2), took))
        at += took * scale
    return phases


def _outcome(event: JobEvent, following: JobEvent | None) -> str:
    """An attempt is told by how it ended: one that is tried again was a failure, too."""
    if event.to_status is JobStatus.PENDING or following is None:
        return event.to_status.lower()
    if following.to_status.final:
        return following.to_status.lower()
    return "cancelled" if following.verb == "give_back" else "failed"
