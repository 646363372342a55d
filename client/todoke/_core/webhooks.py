"""Requests about webhooks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from todoke._core.config import Config
from todoke._core.jobs import key_header, listed, matching
from todoke._core.paging import every
from todoke._core.requests import Request, content_of, id_segment, send
from todoke._core.steps import Flow
from todoke.webhook_values import (
    DeliveriesPage,
    MadeWebhook,
    RotatedSecret,
    Webhook,
    WebhooksPage,
    WholeDelivery,
)

Moment = datetime | str
_ALL = "/v1/webhooks"
_NAMES = {"report_types": "reportTypes", "notify_when": "notifyWhen"}


def create(config: Config, given: Mapping[str, Any], *, idempotency_key: str | None) -> Flow[MadeWebhook]:
    """Create a webhook."""
    body = _fields({name: value for name, value in given.items() if value is not None})
    request = Request("POST", _ALL, body=body, headers=key_header(idempotency_key), fine=frozenset({201}))
    answer = yield from send(config, request)
    return MadeWebhook.from_json(content_of(answer), etag=answer.headers.get("etag"))


def get(config: Config, webhook: object) -> Flow[Webhook]:
    """One webhook."""
    return (yield from _webhook(config, Request("GET", _path(webhook))))


def list_page(config: Config, *, page_size: int | None, page_token: str | None) -> Flow[WebhooksPage]:
    """One page of webhooks."""
    query = {"pageSize": page_size, "pageToken": page_token}
    return WebhooksPage.from_json(content_of((yield from send(config, Request("GET", _ALL, query=query)))))


def update(config: Config, webhook: object, given: Mapping[str, Any], *, if_match: str | None) -> Flow[Webhook]:
    """Change the given fields."""
    request = Request("PATCH", _path(webhook), body=_fields(given), headers=matching(if_match))
    return (yield from _webhook(config, request))


def delete(config: Config, webhook: object, *, if_match: str | None) -> Flow[None]:
    """Delete a webhook."""
    headers, fine = matching(if_match), frozenset({204})
    yield from send(config, Request("DELETE", _path(webhook), headers=headers, fine=fine))


def test(config: Config, webhook: object) -> Flow[str]:
    """Send a ping. A second try might send another, which is harmless."""
    request = Request("POST", _path(webhook, ":test"), fine=frozenset({202}))
    return str(content_of((yield from send(config, request))).get("deliveryId"))


def rotate(config: Config, webhook: object, *, overlap_seconds: int | None) -> Flow[RotatedSecret]:
    """Create a new secret. A second try might create another."""
    body = {} if overlap_seconds is None else {"overlapSeconds": overlap_seconds}
    request = Request("POST", _path(webhook, ":rotate"), body=body, once=True)
    return RotatedSecret.from_json(content_of((yield from send(config, request))))


def redeliver_since(config: Config, webhook: object, since: Moment) -> Flow[int]:
    """Deliver again what was given up."""
    request = Request("POST", _path(webhook, ":redeliver"), body={"since": since}, fine=frozenset({202}))
    return int(content_of((yield from send(config, request))).get("deliveries") or 0)


def deliveries(
    config: Config, webhook: object, *, state: str | None, page_size: int | None, page_token: str | None
) -> Flow[DeliveriesPage]:
    """One page of deliveries."""
    query = {"state": state, "pageSize": page_size, "pageToken": page_token}
    request = Request("GET", _path(webhook, "/deliveries"), query=query)
    return DeliveriesPage.from_json(content_of((yield from send(config, request))))


def iterate(config: Config, webhook: object, *, state: str | None, page_size: int | None) -> Flow[None]:
    """Emit every delivery, page by page."""
    yield from every(
        lambda token: deliveries(config, webhook, state=state, page_size=page_size, page_token=token),
        lambda page: page.deliveries,
    )


def delivery(config: Config, webhook: object, delivery_id: object) -> Flow[WholeDelivery]:
    """One delivery with its attempts."""
    return (yield from _delivery(config, Request("GET", _delivery_path(webhook, delivery_id))))


def redeliver(config: Config, webhook: object, delivery_id: object) -> Flow[WholeDelivery]:
    """Deliver again."""
    path = _delivery_path(webhook, delivery_id, ":redeliver")
    return (yield from _delivery(config, Request("POST", path, fine=frozenset({202}))))


def _webhook(config: Config, request: Request) -> Flow[Webhook]:
    answer = yield from send(config, request)
    return Webhook.from_json(content_of(answer), etag=answer.headers.get("etag"))


def _delivery(config: Config, request: Request) -> Flow[WholeDelivery]:
    return WholeDelivery.from_json(content_of((yield from send(config, request))))


def _fields(given: Mapping[str, Any]) -> dict[str, object]:
    lists = ("types", "report_types", "notify_when")
    return {
        _NAMES.get(name, name): listed(value) if name in lists and value is not None else value
        for name, value in given.items()
    }


def _path(webhook: object, rest: str = "") -> str:
    return f"{_ALL}/{id_segment(webhook, 'webhook')}{rest}"


def _delivery_path(webhook: object, delivery_id: object, rest: str = "") -> str:
    return f"{_path(webhook, '/deliveries')}/{id_segment(delivery_id, 'delivery')}{rest}"
