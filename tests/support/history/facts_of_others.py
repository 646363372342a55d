"""What was done to many jobs at once, by a clock, or told to others: pauses, bulk actions, schedules and webhooks, as
the rules compare them.

Times are as in `facts`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Paused:
    """An operator was told that it is paused, and asked for its end."""

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
    """Its horizon: jobs that were accepted later are none of its."""
    outcomes: Mapping[str, int]
    """What it says that it met."""


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
    """None for a cron expression: which ticks that has, is asked elsewhere."""
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
    """The line stands for all ticks from here on."""


@dataclass(frozen=True, slots=True)
class WebhookRow:
    """A row of `webhooks` that nobody has disabled."""

    id: UUID
    tenant: str
    types: Sequence[str]
    report_types: Sequence[str] | None
    since: float
    """When its owner wrote it last: what happened before is not its business."""
    conditions: Sequence[str | Mapping[str, Any]] | None = None
    """Under which it wants to be told of an end; None is always."""
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
    """A row of `webhook_deliveries`, with what its attempts say."""

    webhook_id: UUID
    event_id: UUID
    state: str
    body: str
    acknowledged: bool
    """True if an attempt with an answer of 2xx is written down."""
    url: str | None = None
    """Of a callback; None for the webhook's own address."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What a receiver was sent, and took for true because its signature was good."""

    webhook_id: UUID
    event_id: UUID
    """As `webhook-id` names it."""
    body: str
    answered: int | None
    """None when it broke the connection instead."""
    url: str | None = None
    """Where, if not at the webhook's own address: what a callback named."""
