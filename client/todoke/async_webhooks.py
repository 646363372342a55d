"""`AsyncTodoke.webhooks`: the methods of `Todoke.webhooks`, without blocking."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Unpack
from uuid import UUID

from todoke._core import webhooks
from todoke._core.config import Config
from todoke._core.steps import AsyncIterate, AsyncRun
from todoke.options import Condition
from todoke.webhook_values import (
    DeliveriesPage,
    Delivery,
    MadeWebhook,
    RotatedSecret,
    Webhook,
    WebhookChanges,
    WebhooksPage,
    WholeDelivery,
)

WebhookId = str | UUID | Webhook
DeliveryId = str | UUID | Delivery


class AsyncWebhooks:
    """Addresses that receive events. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: AsyncRun, iterate: AsyncIterate) -> None:
        self._config = config
        self._run = run
        self._iterate = iterate

    async def create(
        self,
        url: str,
        *,
        types: Sequence[str] | None = None,
        report_types: Sequence[str] | None = None,
        notify_when: Sequence[Condition] | None = None,
        description: str | None = None,
        idempotency_key: str | None = None,
    ) -> MadeWebhook:
        """Send the tenant's events to an address. The webhook's `secret` is returned only once."""
        given = {
            "url": url, "types": types, "report_types": report_types, "notify_when": notify_when,
            "description": description,
        }  # fmt: skip
        return await self._run(webhooks.create(self._config, given, idempotency_key=idempotency_key))

    async def get(self, webhook: WebhookId) -> Webhook:
        """Return one webhook, without its secret."""
        return await self._run(webhooks.get(self._config, webhook))

    async def list(self, *, page_size: int | None = None, page_token: str | None = None) -> WebhooksPage:
        """Return one page of the tenant's webhooks, newest first."""
        return await self._run(webhooks.list_page(self._config, page_size=page_size, page_token=page_token))

    async def update(
        self, webhook: WebhookId, *, if_match: str | None = None, **changes: Unpack[WebhookChanges]
    ) -> Webhook:
        """Change the given fields and keep the others; `enabled` turns the webhook on and off.

        Raises Changed if `if_match` is no longer its `etag`.
        """
        return await self._run(webhooks.update(self._config, webhook, changes, if_match=if_match))

    async def delete(self, webhook: WebhookId, *, if_match: str | None = None) -> None:
        """Delete a webhook with its secrets and deliveries. Waiting deliveries are not sent."""
        return await self._run(webhooks.delete(self._config, webhook, if_match=if_match))

    async def test(self, webhook: WebhookId) -> str:
        """Send a `webhook.ping`. Returns the delivery's id: `delivery` shows its request and response a
        moment later.
        """
        return await self._run(webhooks.test(self._config, webhook))

    async def rotate(self, webhook: WebhookId, *, overlap_seconds: int | None = None) -> RotatedSecret:
        """Create a new secret, returned only once. The old one also signs for another day, or for `overlap_seconds`.

        If the response is lost, the request is not retried: ConnectionFailed.
        """
        return await self._run(webhooks.rotate(self._config, webhook, overlap_seconds=overlap_seconds))

    async def deliveries(
        self,
        webhook: WebhookId,
        *,
        state: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
    ) -> DeliveriesPage:
        """Return one page of its deliveries; `state` selects those that are `waiting`, `delivered` or `dead`."""
        return await self._run(
            webhooks.deliveries(self._config, webhook, state=state, page_size=page_size, page_token=page_token)
        )

    def iter(
        self, webhook: WebhookId, *, state: str | None = None, page_size: int | None = None
    ) -> AsyncIterator[Delivery]:
        """Yield every delivery of the webhook, newest first, fetching pages as needed."""
        return self._iterate(webhooks.iterate(self._config, webhook, state=state, page_size=page_size))

    async def delivery(self, webhook: WebhookId, delivery: DeliveryId) -> WholeDelivery:
        """Return one delivery with its attempts: the bytes that were sent and received."""
        return await self._run(webhooks.delivery(self._config, webhook, delivery))

    async def redeliver(self, webhook: WebhookId, delivery: DeliveryId) -> WholeDelivery:
        """Deliver again under the same `webhook-id`, with a full set of attempts."""
        return await self._run(webhooks.redeliver(self._config, webhook, delivery))

    async def redeliver_since(self, webhook: WebhookId, since: datetime | str) -> int:
        """Deliver again everything that was given up since then. Returns the number of deliveries."""
        return await self._run(webhooks.redeliver_since(self._config, webhook, since))
