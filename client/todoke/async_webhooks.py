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
    """Who is told what has happened. Every method raises ApiError and ConnectionFailed."""

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
        """Let an address be told what happens in the tenant. Its secret is told once: `secret`."""
        given = {
            "url": url, "types": types, "report_types": report_types, "notify_when": notify_when,
            "description": description,
        }  # fmt: skip
        return await self._run(webhooks.create(self._config, given, idempotency_key=idempotency_key))

    async def get(self, webhook: WebhookId) -> Webhook:
        """One webhook, without its secret."""
        return await self._run(webhooks.get(self._config, webhook))

    async def list(self, *, page_size: int | None = None, page_token: str | None = None) -> WebhooksPage:
        """One page of the tenant's webhooks, newest first."""
        return await self._run(webhooks.list_page(self._config, page_size=page_size, page_token=page_token))

    async def update(
        self, webhook: WebhookId, *, if_match: str | None = None, **changes: Unpack[WebhookChanges]
    ) -> Webhook:
        """Change what is named, and leave the rest; `enabled` switches it off and on.

        Raises Changed if it is not the one of `if_match` any more: a webhook's `etag`.
        """
        return await self._run(webhooks.update(self._config, webhook, changes, if_match=if_match))

    async def delete(self, webhook: WebhookId, *, if_match: str | None = None) -> None:
        """Delete a webhook with its secrets and deliveries. What waits is not sent."""
        return await self._run(webhooks.delete(self._config, webhook, if_match=if_match))

    async def test(self, webhook: WebhookId) -> str:
        """Send a `webhook.ping`. Returns the delivery's id: `delivery` tells request and answer, in a moment."""
        return await self._run(webhooks.test(self._config, webhook))

    async def rotate(self, webhook: WebhookId, *, overlap_seconds: int | None = None) -> RotatedSecret:
        """Make a new secret, told once; the one before signs beside it for a day, or `overlap_seconds`.

        A lost answer is not asked for again: ConnectionFailed.
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
        """One page of what it was told, or is to be; of those that are `waiting`, `delivered` or `dead`."""
        return await self._run(
            webhooks.deliveries(self._config, webhook, state=state, page_size=page_size, page_token=page_token)
        )

    def iter(
        self, webhook: WebhookId, *, state: str | None = None, page_size: int | None = None
    ) -> AsyncIterator[Delivery]:
        """Every delivery of the webhook, newest first, page by page as they are used."""
        return self._iterate(webhooks.iterate(self._config, webhook, state=state, page_size=page_size))

    async def delivery(self, webhook: WebhookId, delivery: DeliveryId) -> WholeDelivery:
        """One delivery, with the bytes of its attempts: what was sent, and what came."""
        return await self._run(webhooks.delivery(self._config, webhook, delivery))

    async def redeliver(self, webhook: WebhookId, delivery: DeliveryId) -> WholeDelivery:
        """Deliver once more, under the same `webhook-id`, with all tries anew."""
        return await self._run(webhooks.redeliver(self._config, webhook, delivery))

    async def redeliver_since(self, webhook: WebhookId, since: datetime | str) -> int:
        """Deliver everything once more that was given up since then. Returns how many deliveries."""
        return await self._run(webhooks.redeliver_since(self._config, webhook, since))
