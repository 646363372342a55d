"""Views of what is paused and capped."""

from datetime import datetime
from typing import Annotated

from pydantic import PlainSerializer

from services.api.actions.gates import OpenGate
from services.api.v1.base_view import View
from shared.jobs.gates import Kind

_Time = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]


class PauseView(View):
    """A pause."""

    reason: str
    by: str
    began_at: _Time
    until: _Time | None
    """When it ends by itself; null if somebody must end it."""
    ended_at: _Time | None
    """When it was ended: jobs are then given back the time for which they stood still, and start."""


class CapView(View):
    """How many jobs may run at the same time."""

    most_running: int
    running: int
    """How many are running now; more than `mostRunning` for a while after it was lowered."""


class QueueCapView(View):
    """How many jobs of a tenant may be unfinished, waiting or running."""

    most_unfinished: int
    unfinished: int | None
    """How many are unfinished, counted up to 100,000; null in the list, which does not count them."""


class GateView(View):
    """The state of one tenant, report type or source."""

    kind: Kind
    name: str
    pause: PauseView | None
    cap: CapView | None
    queue_cap: QueueCapView | None
    """Only a tenant has one."""
    etag: str
    """Changes with every setting of an operator: for `If-Match`."""


class GatesView(View):
    """Everything that is paused or capped, by kind and name."""

    gates: list[GateView]


def gate_view(found: OpenGate) -> GateView:
    """The view of a gate."""
    pause, cap = found.pause, found.cap
    return GateView(
        kind=found.gate.kind,
        etag=f'"{found.revision}"',
        name=found.gate.name,
        pause=None
        if pause is None
        else PauseView(
            reason=pause.reason, by=pause.by, began_at=pause.began_at, until=pause.until, ended_at=pause.ended_at
        ),
        cap=None if cap is None else CapView(most_running=cap.running, running=cap.taken),
        queue_cap=None
        if found.queue_cap is None
        else QueueCapView(most_unfinished=found.queue_cap.most, unfinished=found.unfinished),
    )
