"""Webhooks, what they were told, and a message that came, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypedDict

from todoke.options import Condition
from todoke.reading import Fields
from todoke.results import Raw


class WebhookChanges(TypedDict, total=False):
    """What can be changed of a webhook."""

    url: str
    types: Sequence[str] | None
    report_types: Sequence[str] | None
    notify_when: Sequence[Condition] | None
    description: str | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook, without its secret."""

    id: str
    url: str
    types: Sequence[str]
    report_types: Sequence[str] | None
    """None: all of them."""
    notify_when: Sequence[Condition] | None
    """Which ends of jobs: those that meet one of these conditions. None: all of them."""
    description: str
    state: str
    """`enabled` or `disabled`."""
    disabled_because: str | None
    """`asked`, `gone` (it answered 410) or `failing` (nothing has succeeded for five days)."""
    disabled_at: datetime | None
    failing_since: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    throttled_until: datetime | None
    created_by: str | None
    created_at: datetime | None
    updated_at: datetime | None
    version: int
    raw: Raw = field(repr=False, compare=False)
    etag: str | None = field(default=None, compare=False)
    """Names this version, for `if_match`."""

    @classmethod
    def from_json(cls, raw: object, *, etag: str | None = None) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "a webhook")
        return cls(**_webhook(read), raw=read.raw, etag=etag)


@dataclass(frozen=True, slots=True)
class MadeWebhook:
    """A new webhook. Its secret is told once."""

    webhook: Webhook
    secret: str | None = field(repr=False)
    """What signatures are checked with. None if an earlier request with the same idempotency key made the webhook."""
    secret_shown: bool
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object, *, etag: str | None = None) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "a new webhook")
        webhook = Webhook(**_webhook(read), raw=read.raw, etag=etag)
        return cls(webhook, read.maybe_text("secret"), read.flag("secretShown"), read.raw)


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A webhook's new secret, told once."""

    webhook_id: str
    secret: str = field(repr=False)
    old_ends_at: datetime | None
    """The secret before signs beside it until then."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "a new secret")
        return cls(read.text("webhookId"), read.text("secret"), read.time("oldEndsAt"), read.raw)


@dataclass(frozen=True, slots=True)
class WebhooksPage:
    """One page of webhooks."""

    webhooks: Sequence[Webhook]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of webhooks")
        webhooks = [Webhook.from_json(one.raw) for one in read.each("webhooks")]
        return cls(webhooks, read.maybe_text("nextPageToken"), read.raw)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, with what was sent and what came."""

    number: int
    at: datetime | None
    took_ms: int
    request_head: str | None
    status: int | None
    response_head: str | None
    response_body: str
    """Its first 4,096 bytes."""
    error: str | None
    """A word for what went wrong, where no answer came."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        return cls(
            number=read.integer("number"), at=read.time("at"), took_ms=read.integer("tookMs"),
            request_head=read.maybe_text("requestHead"), status=read.maybe_integer("status"),
            response_head=read.maybe_text("responseHead"), response_body=read.some_text("responseBody"),
            error=read.maybe_text("error"), raw=read.raw,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to a webhook, or there, or given up."""

    id: str
    message_id: str
    """The `webhook-id` of every attempt."""
    type: str
    happened_at: datetime | None
    job_id: str | None
    schedule_id: str | None
    url: str | None
    state: str
    """`waiting`, `delivered` or `dead`."""
    attempts: int
    created_at: datetime | None
    next_attempt_at: datetime | None
    ended_at: datetime | None
    last_status: int | None
    last_error: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "a delivery")
        return cls(**_delivery(read), raw=read.raw)


@dataclass(frozen=True, slots=True)
class WholeDelivery(Delivery):
    """A delivery with its attempts, oldest first."""

    body: str
    tried: Sequence[Attempt]

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "a delivery")
        tried = [Attempt.read(one) for one in read.each("tried")]
        return cls(**_delivery(read), raw=read.raw, body=read.some_text("body"), tried=tried)


@dataclass(frozen=True, slots=True)
class DeliveriesPage:
    """One page of deliveries."""

    deliveries: Sequence[Delivery]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Read it. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of deliveries")
        found = [Delivery.from_json(one.raw) for one in read.each("deliveries")]
        return cls(found, read.maybe_text("nextPageToken"), read.raw)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came to a webhook, and that its signature proves."""

    id: str
    """The `webhook-id`: the same each time that this event is told."""
    type: str
    timestamp: str
    data: Mapping[str, Any]


def _webhook(read: Fields) -> dict[str, Any]:
    return {
        "id": read.text("webhookId"), "url": read.some_text("url"), "types": read.texts("types"),
        "report_types": None if read.raw.get("reportTypes") is None else read.texts("reportTypes"),
        "notify_when": read.raw.get("notifyWhen"),
        "description": read.some_text("description"), "state": read.some_text("state"),
        "disabled_because": read.maybe_text("disabledBecause"), "disabled_at": read.time("disabledAt"),
        "failing_since": read.time("failingSince"), "last_success_at": read.time("lastSuccessAt"),
        "last_failure_at": read.time("lastFailureAt"), "throttled_until": read.time("throttledUntil"),
        "created_by": read.maybe_text("createdBy"), "created_at": read.time("createdAt"),
        "updated_at": read.time("updatedAt"), "version": read.integer("version"),
    }  # fmt: skip


def _delivery(read: Fields) -> dict[str, Any]:
    return {
        "id": read.text("deliveryId"), "message_id": read.some_text("messageId"), "type": read.some_text("type"),
        "happened_at": read.time("happenedAt"), "job_id": read.maybe_text("jobId"),
        "schedule_id": read.maybe_text("scheduleId"), "url": read.maybe_text("url"),
        "state": read.some_text("state"), "attempts": read.integer("attempts"), "created_at": read.time("createdAt"),
        "next_attempt_at": read.time("nextAttemptAt"), "ended_at": read.time("endedAt"),
        "last_status": read.maybe_integer("lastStatus"), "last_error": read.maybe_text("lastError"),
    }  # fmt: skip
