"""Views of a job's state changes."""

from services.api.v1.base_view import Time, View
from shared.jobs.events import JobEvent
from shared.jobs.states import JobStatus


class EventView(View):
    """One change of a job's state."""

    version: int
    from_status: JobStatus | None
    to_status: JobStatus
    verb: str
    attempt: int
    reason: str | None
    at: Time


def event_view(event: JobEvent) -> EventView:
    """The view of one change."""
    return EventView(
        version=event.version, from_status=event.from_status, to_status=event.to_status, verb=event.verb,
        attempt=event.attempt, reason=event.reason, at=event.at,
    )  # fmt: skip
