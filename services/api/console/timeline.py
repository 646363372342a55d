"""A job's history as bars on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.jobs.events import JobEvent
from shared.jobs.states import JobStatus

_LEAST = 0.6
"""The least length of a bar, in hundredths of the scale, so that it is visible."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The period that a job spent in one state."""

    status: JobStatus
    attempt: int
    left: float
    """How much of the scale precedes it, in hundredths."""
    width: float
    seconds: float
    outcome: str
    """Its colour: pending, processing, success, failed or cancelled."""


def timeline(events: Sequence[JobEvent], *, ended: bool, now: datetime | None = None) -> list[Bar]:
    """Return the periods that the job waited and worked, oldest first, by the database's clock. None is negative."""
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
    """A phase of the attempt that made the report, on the scale of the bars."""

    name: str
    """For example `querying` or `writing pdf`; `starting` is what precedes the first."""
    left: float
    width: float
    seconds: float


def phases_of(told: Sequence[tuple[str, float]], seconds: float, bars: Sequence[Bar]) -> list[Phase]:
    """Return the phases of the attempt that made the report, in order; `told` are names and seconds out of `seconds`.

    The worker's clock measured the phases, and the database's the attempt. They are aligned to the attempt's end, and
    none begins before its start.
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
    """Return how the attempt ended: one that is retried failed, too."""
    if event.to_status is JobStatus.PENDING or following is None:
        return event.to_status.lower()
    if following.to_status.final:
        return following.to_status.lower()
    return "cancelled" if following.verb == "give_back" else "failed"
