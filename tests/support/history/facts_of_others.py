"""Facts about many jobs at once, about clocks, and about notifications: pauses, bulk actions, schedules and webhooks,
as the rules compare them.

Times are the same as in `facts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Paused:
    """The times at which an operator was told of a pause, and asked for its end."""

    kind: str
    """`tenant` or `report_type`."""
    name: str
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class BulkRow:
    """A row of `bulk_actions`."""

    id: UUID
    tenant: str
    action: str
    state: str
    created_at: float
    """Its horizon: jobs accepted later are not included."""
    outcomes: Mapping[str, int]
    """The numbers that it reports."""


@dataclass(frozen=True, slots=True)
class BulkResult:
    """A row of `bulk_results`."""

    bulk_id: UUID
    job_id: UUID
    outcome: str
    new_job_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A row of `schedules`."""

    id: UUID
    every_s: float | None
    """None for a cron expression: its ticks are checked elsewhere."""
    begins_at: float
    next_tick: float | None
    """None while it is paused, and after its end."""


@dataclass(frozen=True, slots=True)
class TickRow:
    """A row of `schedule_ticks`."""

    schedule_id: UUID
    tick: float
    cause: str
    fate: str
    reason: str | None = None
    job_id: UUID | None = None
    since: float | None = None
    """The row stands for all ticks from this one on."""


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A row of `webhooks` that is not disabled."""

    id: UUID
    tenant: str
    types: Sequence[str]
    report_types: Sequence[str] | None
    since: float
    """When its owner wrote it last: earlier events do not concern it."""
    conditions: Sequence[str | Mapping[str, Any]] | None = None
    """The conditions under which it is notified of an end; None is always."""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class ToldRow:
    """A row of `webhook_events`."""

    id: UUID
    tenant: str
    type: str
    job_id: UUID | None
    status: str | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A row of `webhook_deliveries`, with the result of its attempts."""

    webhook_id: UUID
    event_id: UUID
    state: str
    body: str
    acknowledged: bool
    """True if an attempt with a 2xx answer is recorded."""
    url: str | None = None
    """The address of a callback; None for the webhook's own address."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A message that a receiver got, and accepted because its signature was valid."""

    webhook_id: UUID
    event_id: UUID
    """As in `webhook-id`."""
    body: str
    answered: int | None
    """None if it broke the connection instead."""
    url: str | None = None
    """The address that a callback named; None for the webhook's own."""
