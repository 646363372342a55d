"""What a webhook tells: the event, its body, and the signature that proves where it comes from.

Source: Standard Webhooks, https://github.com/standard-webhooks/standard-webhooks (spec/standard-webhooks.md, read
2026-11-29).
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from shared import json_text

_PREFIX = "whsec_"
_SECRET_BYTES = 32


class EventType(StrEnum):
    """What can have happened. New ones come: a receiver passes over those that it does not know."""

    JOB_SUCCEEDED = "job.succeeded"
    """The report was made, and its files can be downloaded."""
    JOB_FAILED = "job.failed"
    """The report was not made, and will not be; also after its deadline."""
    JOB_CANCELLED = "job.cancelled"
    """Somebody did not want it any more."""
    JOB_EXPIRED = "job.expired"
    """The time of its files is over, and they have been removed."""
    SCHEDULE_MISSED = "schedule.missed"
    """Ticks were let go by, because no relay was there in time."""
    SCHEDULE_FAILED = "schedule.failed"
    """The job of a tick could not be submitted."""
    PING = "webhook.ping"
    """Somebody tries the webhook."""


ABOUT_JOBS = frozenset(one for one in EventType if one.startswith("job."))
CHOOSABLE = tuple(one for one in EventType if one is not EventType.PING)
"""What a webhook can ask for; a ping goes to the one that it tries."""


class Event(NamedTuple):
    """Something that happened, in the commit that made it so."""

    id: UUID
    tenant: str
    type: EventType
    at: datetime
    report_type: str | None
    job_id: UUID | None
    version: int | None
    """Of the job: the higher one is the later."""
    status: str | None
    callback_url: str | None
    """Where the job's own request wants it told, besides."""
    schedule_id: UUID | None
    tick: datetime | None
    reason: str | None
    webhook_id: UUID | None
    """The only webhook that it is for; None for all that ask for it."""
    callback_when: Sequence[str | Mapping[str, object]] | None = None
    """The conditions of the callback; None for always."""
    figures: Mapping[str, float | None] | None = None
    """Of the report, for conditions alone; they are not told. None but for a job that succeeded."""


def message_id(event_id: UUID) -> str:
    """The `webhook-id`: the same for each attempt and each redelivery, so that a receiver knows it again."""
    return f"msg_{event_id.hex}"


def body_of(event: Event) -> str:
    """The body: what has happened and where to look, and nothing that a log should not hold."""
    told = {"type": event.type, "timestamp": _moment(event.at), "data": _data(event)}
    return json_text.write(told)


def new_secret() -> bytes:
    """A new secret, as random bytes."""
    return secrets.token_bytes(_SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """The secret as a receiver is given it. Secret."""
    return _PREFIX + base64.b64encode(secret).decode()


def signature(keys: Sequence[bytes], message: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of these bytes: one for each secret that is valid now, the newest first."""
    signed = f"{message}.{timestamp}.".encode() + body
    each = (base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
    return " ".join(f"v1,{one}" for one in each)


def _data(event: Event) -> Mapping[str, object]:
    if event.job_id is not None:
        own = f"/v1/jobs/{event.job_id}"
        return {
            "jobId": str(event.job_id), "status": event.status, "reportType": event.report_type,
            "version": event.version, "links": {"self": own},
        }  # fmt: skip
    if event.schedule_id is not None:
        own = f"/v1/schedules/{event.schedule_id}"
        return {
            "scheduleId": str(event.schedule_id), "reportType": event.report_type,
            "tick": event.tick and _moment(event.tick), "reason": event.reason,
            "links": {"self": own, "ticks": f"{own}/ticks"},
        }  # fmt: skip
    return {"webhookId": str(event.webhook_id), "links": {"self": f"/v1/webhooks/{event.webhook_id}"}}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
