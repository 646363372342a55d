"""The webhook: where a tenant wants to be told, and of what."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from shared.webhooks.conditions import Conditions
from shared.webhooks.event import Event


class Disabled(StrEnum):
    """Why a webhook is told nothing any more."""

    ASKED = "asked"
    """Somebody switched it off."""
    GONE = "gone"
    """It answered 410: it does not want to be told."""
    FAILING = "failing"
    """For five days no delivery has succeeded."""


class Wanted(NamedTuple):
    """What its owner writes."""

    url: str
    origin: str
    types: Sequence[str]
    """Of EventType, and of a newer release's. Empty: only callbacks of jobs go there."""
    report_types: Sequence[str] | None
    """None: all of them."""
    description: str = ""
    notify_when: Conditions | None = None
    """Which ends of jobs; None: all of them."""


class Webhook(NamedTuple):
    """A webhook as the database has it."""

    id: UUID
    tenant: str
    wanted: Wanted
    version: int
    created_by: str | None
    created_at: datetime
    updated_at: datetime
    disabled_at: datetime | None
    disabled_because: Disabled | None
    failing_since: datetime | None
    """When the first of the attempts failed that have all failed since; None after a success."""
    last_success_at: datetime | None
    last_failure_at: datetime | None
    throttled_until: datetime | None
    """It has asked for less: nothing is sent before."""

    def wants(self, event: Event) -> bool:
        """True if it is to be told of the event."""
        if self.disabled_at is not None or event.tenant != self.tenant:
            return False
        if event.webhook_id is not None:
            return event.webhook_id == self.id
        types = self.wanted.report_types
        return event.type in self.wanted.types and (types is None or event.report_type in types)
