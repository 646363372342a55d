"""The event, its body, and the signature that proves its origin.

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
    """What can have happened. New types may be added: a receiver should ignore those that it does not know."""

    JOB_SUCCEEDED = "job.succeeded"
    """The report was made, and its files can be downloaded."""
    JOB_FAILED = "job.failed"
    """The report was not made, and will not be; also after its deadline."""
    JOB_CANCELLED = "job.cancelled"
    """Somebody cancelled the job."""
    JOB_EXPIRED = "job.expired"
    """The job's files have expired and were removed."""
    SCHEDULE_MISSED = "schedule.missed"
    """Ticks were missed, because no relay was running in time."""
    SCHEDULE_FAILED = "schedule.failed"
    """The job of a tick could not be submitted."""
    PING = "webhook.ping"
    """Somebody tests the webhook."""


ABOUT_JOBS = frozenset(one for one in EventType if one.startswith("job."))
CHOOSABLE = tuple(one for one in EventType if one is not EventType.PING)
"""The events that a webhook can subscribe to; a ping goes to the webhook that is tested."""


class Event(NamedTuple):
    """Something that happened, written in the same commit."""

    id: UUID
    tenant: str
    type: EventType
    at: datetime
    report_type: str | None
    job_id: UUID | None
    version: int | None
    """The version of the job: a higher one is later."""
    status: str | None
    callback_url: str | None
    """The callback address in the job's own request."""
    schedule_id: UUID | None
    tick: datetime | None
    reason: str | None
    webhook_id: UUID | None
    """The only webhook that it is for; None for all subscribers."""
    callback_when: Sequence[str | Mapping[str, object]] | None = None
    """The conditions of the callback; None for always."""
    figures: Mapping[str, float | None] | None = None
    """The figures of the report, for conditions only; they are not sent. None unless the job succeeded."""


def message_id(event_id: UUID) -> str:
    """Return the `webhook-id`: the same for each attempt and each redelivery, so that a receiver can recognise
    repetitions.
    """
    return f"msg_{event_id.hex}"


def body_of(event: Event) -> str:
    """Return the body: what happened and where to look, and nothing that a log must not contain."""
    told = {"type": event.type, "timestamp": _moment(event.at), "data": _data(event)}
    return json_text.write(told)


def new_secret() -> bytes:
    """Return a new secret, as random bytes."""
    return secrets.token_bytes(_SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """Return the secret as it is shown to the receiver. Secret."""
    return _PREFIX + base64.b64encode(secret).decode()


def signature(keys: Sequence[bytes], message: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` of these bytes: one for each secret that is valid now, the newest first."""
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
