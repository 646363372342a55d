"""Views of webhooks."""

from collections.abc import Sequence
from typing import Any, Literal, get_args
from uuid import UUID

from pydantic import Field

from services.api.actions.webhook_deliveries import WholeDelivery
from services.api.actions.webhooks import MadeWebhook, RotatedSecret
from services.api.v1.base_view import Time, View
from shared.stored import member
from shared.webhooks.deliveries import Delivery, Tried
from shared.webhooks.event import EventType, message_id
from shared.webhooks.webhook import Disabled, Webhook

DeliveryState = Literal["waiting", "delivered", "dead"]
"""Of a delivery that is asked for."""
_KNOWN = frozenset(map(str, EventType))


class WebhookView(View):
    """A webhook, without its secret."""

    webhook_id: UUID
    url: str
    types: list[EventType]
    """Empty: only callbacks of jobs are sent there."""
    report_types: list[str] | None
    """Null means all of them."""
    notify_when: list[str | dict[str, Any]] | None
    """Which ends of jobs are sent: those that meet one of these conditions. Null means all of them."""
    description: str
    state: Literal["enabled", "disabled"]
    disabled_because: Disabled | None
    """`asked`: somebody switched it off; `gone`: it answered 410; `failing`: nothing has succeeded for five days."""
    disabled_at: Time | None
    failing_since: Time | None
    """Every attempt since then has failed. Null after a success."""
    last_success_at: Time | None
    last_failure_at: Time | None
    throttled_until: Time | None
    """It has asked for fewer requests: nothing is sent before this moment."""
    created_by: str | None
    created_at: Time
    updated_at: Time
    version: int
    links: dict[str, str]


class MadeWebhookView(WebhookView):
    """A new webhook."""

    secret: str | None
    """Verifies signatures at the receiver. Shown only once: null if the request is repeated."""
    secret_shown: bool


class WebhooksView(View):
    """One page of webhooks, newest first."""

    webhooks: list[WebhookView]
    next_page_token: str | None


class RotatedSecretView(View):
    """A webhook's new secret, shown only once."""

    webhook_id: UUID
    secret: str
    old_ends_at: Time
    """The previous secret signs as well until then."""


class TestView(View):
    """A delivery that was requested."""

    delivery_id: UUID
    links: dict[str, str]


class RedeliveryView(View):
    """Deliveries that are repeated."""

    deliveries: int
    links: dict[str, str]


class DeliveryView(View):
    """An event on its way to a webhook, delivered, or given up."""

    delivery_id: UUID
    message_id: str
    """The `webhook-id` of every attempt."""
    type: EventType
    happened_at: Time
    job_id: UUID | None
    schedule_id: UUID | None
    url: str | None
    """The address of a job's callback; null for the webhook's own address."""
    state: str = Field(json_schema_extra={"enum": list(get_args(DeliveryState))})
    attempts: int
    created_at: Time
    next_attempt_at: Time | None
    ended_at: Time | None
    last_status: int | None
    last_error: str | None
    """A code for what went wrong: not_allowed, unresolved, unreachable, timeout, tls, broken or secret."""
    links: dict[str, str]


class DeliveriesView(View):
    """One page of deliveries, newest first."""

    deliveries: list[DeliveryView]
    next_page_token: str | None


class AttemptView(View):
    """One attempt, with what was sent and what was answered."""

    number: int
    at: Time
    took_ms: int
    request_head: str | None
    """The bytes before the body, as they were sent; null if no connection was made."""
    status: int | None
    response_head: str | None
    response_body: str
    """The first 4,096 bytes, as text; invalid UTF-8 is replaced."""
    error: str | None


class WholeDeliveryView(DeliveryView):
    """A delivery with its attempts, oldest first."""

    body: str
    """The bytes of the body, the same in each attempt."""
    tried: list[AttemptView]


def webhook_view(webhook: Webhook, root: str) -> WebhookView:
    """The view of a webhook."""
    return WebhookView(**_fields(webhook, root))


def made_view(made: MadeWebhook, root: str) -> MadeWebhookView:
    """The view of a new webhook."""
    return MadeWebhookView(**_fields(made.webhook, root), secret=made.secret, secret_shown=made.secret is not None)


def rotated_view(webhook_id: UUID, rotated: RotatedSecret) -> RotatedSecretView:
    """The view of a new secret."""
    return RotatedSecretView(webhook_id=webhook_id, secret=rotated.secret, old_ends_at=rotated.old_ends_at)


def delivery_view(delivery: Delivery, root: str) -> DeliveryView:
    """The view of a delivery."""
    return DeliveryView(**_delivery(delivery, root))


def whole_view(whole: WholeDelivery, root: str) -> WholeDeliveryView:
    """The view of a delivery with its attempts."""
    fields = _delivery(whole.delivery, root)
    return WholeDeliveryView(**fields, body=whole.delivery.body, tried=_tried(whole.attempts))


def delivery_links(webhook_id: UUID, delivery_id: UUID, root: str) -> dict[str, str]:
    """Return the address of a delivery, and the one that repeats it."""
    own = f"{root}/v1/webhooks/{webhook_id}/deliveries/{delivery_id}"
    return {"self": own, "redeliver": f"{own}:redeliver", "webhook": f"{root}/v1/webhooks/{webhook_id}"}


_TOLD = (
    "disabled_because", "disabled_at", "failing_since", "last_success_at", "last_failure_at", "throttled_until",
    "created_by", "created_at", "updated_at", "version",
)  # fmt: skip


def _fields(webhook: Webhook, root: str) -> dict[str, object]:
    own, wanted = f"{root}/v1/webhooks/{webhook.id}", webhook.wanted
    return {
        **{name: getattr(webhook, name) for name in _TOLD},
        "webhook_id": webhook.id, "url": wanted.url, "types": _in_order(wanted.types),
        "report_types": None if wanted.report_types is None else list(wanted.report_types),
        "notify_when": None if wanted.notify_when is None else list(wanted.notify_when),
        "description": wanted.description, "state": "enabled" if webhook.disabled_at is None else "disabled",
        "links": {
            "self": own, "deliveries": f"{own}/deliveries", "test": f"{own}:test", "rotate": f"{own}:rotate",
            "redeliver": f"{own}:redeliver",
        },
    }  # fmt: skip


def _in_order(types: Sequence[str]) -> list[EventType]:
    """What only a newer release knows comes last."""
    return [one for one in EventType if one in types] + [member(EventType, one) for one in types if one not in _KNOWN]


def _delivery(delivery: Delivery, root: str) -> dict[str, object]:
    waiting = delivery.state == "waiting"
    return {
        "delivery_id": delivery.id, "message_id": message_id(delivery.event_id), "type": delivery.type,
        "happened_at": delivery.at, "job_id": delivery.job_id, "schedule_id": delivery.schedule_id,
        "url": delivery.url, "state": delivery.state, "attempts": delivery.attempts,
        "created_at": delivery.created_at, "next_attempt_at": delivery.due_at if waiting else None,
        "ended_at": delivery.ended_at, "last_status": delivery.last_status, "last_error": delivery.last_error,
        "links": delivery_links(delivery.webhook_id, delivery.id, root),
    }  # fmt: skip


def _tried(attempts: Sequence[Tried]) -> list[AttemptView]:
    return [
        AttemptView(**{**one._asdict(), "response_body": one.response_body.decode("utf-8", "replace")})
        for one in attempts
    ]
