"""Derives a job's attempts from its history."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from shared.jobs.events import JobEvent
from shared.jobs.states import JobStatus


class Attempt(NamedTuple):
    """The time during which one worker had the job."""

    number: int
    began: datetime
    ended: datetime | None
    """None while it lasts."""
    verb: str
    """What ended it, such as succeed or expire; start if another worker took the job over; empty while it lasts."""
    reason: str
    """The code of what went wrong; empty if nothing did."""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it lasts."""
        return None if self.ended is None else max(0.0, (self.ended - self.began).total_seconds())


def attempts_of(events: Sequence[JobEvent]) -> Sequence[Attempt]:
    """The attempts, oldest first."""
    return [
        Attempt(
            event.attempt,
            event.at,
            following.at if following else None,
            following.verb if following else "",
            (following.reason or "") if following else "",
        )
        for event, following in zip(events, [*events[1:], None], strict=True)
        if event.to_status is JobStatus.PROCESSING
    ]
