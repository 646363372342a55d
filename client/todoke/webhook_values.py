"""Webhooks, their deliveries, and received messages, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self, TypedDict

from todoke.options import Condition
from todoke.reading import Fields
from todoke.results import Raw


class WebhookChanges(TypedDict, total=False):
    """Keyword arguments of `webhooks.update`. Fields that are left out keep their values."""

    url: str
    """The address that receives the events."""
    types: Sequence[str] | None
    """The types of events; None for all of them, an empty list for callbacks only."""
    report_types: Sequence[str] | None
    """Only events of these report types; None for all of them."""
    notify_when: Sequence[Condition] | None
    """Only jobs that meet one of these conditions at their end; None for all jobs."""
    description: str | None
    """A note for people."""
    enabled: bool
    """False turns the webhook off: waiting deliveries are given up."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook, without its secret."""

    id: str
    url: str
    types: Sequence[str]
    report_types: Sequence[str] | None
    """None means all of them."""
    notify_when: Sequence[Condition] | None
    """Notify only of jobs that meet one of these conditions at their end. None means all jobs."""
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
    """Identifies this version, for `if_match`."""

    @classmethod
    def from_json(cls, raw: object, *, etag: str | None = None) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a webhook")
        return cls(**_webhook(read), raw=read.raw, etag=etag)


@dataclass(frozen=True, slots=True)
class MadeWebhook:
    """A new webhook. Its secret is returned only once."""

    webhook: Webhook
    secret: str | None = field(repr=False)
    """The secret to check signatures with. None if an earlier request with the same idempotency key created the
    webhook.
    """
    secret_shown: bool
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object, *, etag: str | None = None) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a new webhook")
        webhook = Webhook(**_webhook(read), raw=read.raw, etag=etag)
        return cls(webhook, read.maybe_text("secret"), read.flag("secretShown"), read.raw)


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A webhook's new secret, returned only once."""

    webhook_id: str
    secret: str = field(repr=False)
    old_ends_at: datetime | None
    """Until then, the old secret signs as well."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
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
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of webhooks")
        webhooks = [Webhook.from_json(one.raw) for one in read.each("webhooks")]
        return cls(webhooks, read.maybe_text("nextPageToken"), read.raw)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, with what was sent and received."""

    number: int
    at: datetime | None
    took_ms: int
    request_head: str | None
    status: int | None
    response_head: str | None
    response_body: str
    """The first 4,096 bytes."""
    error: str | None
    """A word for what went wrong if there was no response."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            number=read.integer("number"), at=read.time("at"), took_ms=read.integer("tookMs"),
            request_head=read.maybe_text("requestHead"), status=read.maybe_integer("status"),
            response_head=read.maybe_text("responseHead"), response_body=read.some_text("responseBody"),
            error=read.maybe_text("error"), raw=read.raw,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for a webhook: waiting, delivered or given up."""

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
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a delivery")
        return cls(**_delivery(read), raw=read.raw)


@dataclass(frozen=True, slots=True)
class WholeDelivery(Delivery):
    """A delivery with its attempts, oldest first."""

    body: str
    tried: Sequence[Attempt]

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
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
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of deliveries")
        found = [Delivery.from_json(one.raw) for one in read.each("deliveries")]
        return cls(found, read.maybe_text("nextPageToken"), read.raw)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a webhook received, proved by its signature."""

    id: str
    """The `webhook-id`, which is the same for each delivery of this event."""
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
