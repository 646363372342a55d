"""The webhook: an address where a tenant wants to be notified, and of what."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from shared.webhooks.conditions import Conditions
from shared.webhooks.event import Event


class Disabled(StrEnum):
    """Why a webhook receives nothing any more."""

    ASKED = "asked"
    """Somebody switched it off."""
    GONE = "gone"
    """It answered 410, which means that it wants no more."""
    FAILING = "failing"
    """No delivery has succeeded for five days."""


class Wanted(NamedTuple):
    """What its owner defines."""

    url: str
    origin: str
    types: Sequence[str]
    """Of EventType, and of a newer release's. Empty means that only callbacks of jobs go there."""
    report_types: Sequence[str] | None
    """None means all of them."""
    description: str = ""
    notify_when: Conditions | None = None
    """Which ends of jobs it receives; None means all of them."""


class Webhook(NamedTuple):
    """A webhook as stored in the database."""

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
    """The time of the first failed attempt since the last success; None after a success."""
    last_success_at: datetime | None
    last_failure_at: datetime | None
    throttled_until: datetime | None
    """It has asked for fewer requests: nothing is sent before this moment."""

    def wants(self, event: Event) -> bool:
        """True if it subscribes to the event."""
        if self.disabled_at is not None or event.tenant != self.tenant:
            return False
        if event.webhook_id is not None:
            return event.webhook_id == self.id
        types = self.wanted.report_types
        return event.type in self.wanted.types and (types is None or event.report_type in types)
