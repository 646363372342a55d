"""Test webhooks, list their deliveries, and repeat deliveries."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.actions.auditing import audited
from services.api.actions.errors import UnknownWebhook, WebhookBusy
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.transactions import in_one_transaction
from services.api.actions.webhooks import held, seen
from services.api.auth.principal import Principal
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.jobs.filters import id_at
from shared.webhooks import deliveries
from shared.webhooks.deliveries import Delivery, OfJob, Tried
from shared.webhooks.webhook import Webhook

_LAST_ID = UUID(int=2**128 - 1)
_DAY_S = 86_400
MOST_COUNTED = 1_000
"""How many of a day's deliveries are counted."""
MOST_OF_JOB = 50
"""How many deliveries are shown with a job: those of the newest webhooks, if the tenant has that many."""
_MOST_ATTEMPTS = 50
"""How many attempts of a delivery are shown: the latest. One round has ten."""


class FoundDeliveries(NamedTuple):
    """One page of deliveries, newest first."""

    deliveries: Sequence[Delivery]
    next_page_token: str | None


class WholeDelivery(NamedTuple):
    """A delivery with its attempts, oldest first."""

    delivery: Delivery
    attempts: Sequence[Tried]


async def test(parts: Parts, principal: Principal, webhook_id: UUID) -> UUID:
    """Send the webhook a `webhook.ping`. Returns the delivery's id. Raises UnknownWebhook and WebhookBusy."""

    def carry_out(conn: Connection) -> UUID:
        _enabled(held(conn, principal, webhook_id))
        delivery_id = deliveries.ping(conn, webhook_id, principal.tenant)
        told = {"deliveryId": str(delivery_id)}
        audited(conn, principal, Action.WEBHOOKS_TEST, f"webhooks/{webhook_id}", after=told)
        return delivery_id

    principal.need(Scope.WEBHOOKS_WRITE)
    return await in_one_transaction(parts, carry_out)


async def list_deliveries(
    parts: Parts, principal: Principal, webhook_id: UUID, *, state: str | None, size: int, token: str | None
) -> FoundDeliveries:
    """List past and pending deliveries of the webhook. Raises UnknownWebhook, and as `list_page` does."""
    listing = Listing("deliveries", principal, {"webhook": str(webhook_id), "state": state or ""})

    def look(conn: Connection) -> FoundDeliveries:
        seen(conn, principal, webhook_id)
        before = _LAST_ID if token is None else parts.page_tokens.read(conn, listing, token)
        found = deliveries.list_page(
            conn, webhook_id, principal.tenant, state=state, before=before, limit=size + 1
        )  # fmt: skip
        if len(found) <= size:
            return FoundDeliveries(found, None)
        return FoundDeliveries(found[:size], parts.page_tokens.write(conn, listing, found[size - 1].id))

    principal.need(Scope.WEBHOOKS_READ)
    return await in_one_transaction(parts, look)


async def of_job(parts: Parts, principal: Principal, job_id: UUID) -> Sequence[OfJob]:
    """Return past and pending deliveries about a job that the principal may see: the newest MOST_OF_JOB, newest first.

    The caller must know that there is such a job.
    """
    principal.need(Scope.WEBHOOKS_READ)
    return await in_one_transaction(
        parts, lambda conn: deliveries.of_job(conn, job_id, principal.tenant, limit=MOST_OF_JOB)
    )


async def lately(parts: Parts, principal: Principal, ids: Sequence[UUID]) -> Mapping[UUID, tuple[int, int]]:
    """Return for each of these webhooks how many of the day's deliveries succeeded, and how many there were, up to
    1,000 per state.
    """

    def look(conn: Connection) -> Mapping[UUID, tuple[int, int]]:
        since = id_at(time.time() - _DAY_S)
        return deliveries.lately(conn, ids, principal.tenant, since=since, most=MOST_COUNTED)

    principal.need(Scope.WEBHOOKS_READ)
    return await in_one_transaction(parts, look)


async def get_delivery(parts: Parts, principal: Principal, webhook_id: UUID, delivery_id: UUID) -> WholeDelivery:
    """One delivery with its attempts. Raises UnknownWebhook."""
    principal.need(Scope.WEBHOOKS_READ)
    return await in_one_transaction(parts, lambda conn: _whole(conn, principal, webhook_id, delivery_id))


async def redeliver(parts: Parts, principal: Principal, webhook_id: UUID, delivery_id: UUID) -> WholeDelivery:
    """Repeat a delivery under the same `webhook-id`. Raises UnknownWebhook and WebhookBusy."""

    def carry_out(conn: Connection) -> WholeDelivery:
        _enabled(held(conn, principal, webhook_id))
        _whole(conn, principal, webhook_id, delivery_id)
        if not deliveries.again(conn, delivery_id, webhook_id, principal.tenant):
            raise WebhookBusy("The delivery is under way at this moment: look again in a minute.")
        _note_again(conn, principal, webhook_id, {"deliveryId": str(delivery_id)})
        return _whole(conn, principal, webhook_id, delivery_id)

    principal.need(Scope.WEBHOOKS_WRITE)
    return await in_one_transaction(parts, carry_out)


async def redeliver_since(parts: Parts, principal: Principal, webhook_id: UUID, since: datetime) -> int:
    """Repeat all deliveries that have been given up since then.

    Returns how many. Raises UnknownWebhook and WebhookBusy.
    """

    def carry_out(conn: Connection) -> int:
        _enabled(held(conn, principal, webhook_id))
        many = deliveries.again_since(conn, webhook_id, principal.tenant, since)
        _note_again(conn, principal, webhook_id, {"since": since.isoformat(), "deliveries": many})
        return many

    principal.need(Scope.WEBHOOKS_WRITE)
    return await in_one_transaction(parts, carry_out)


def _note_again(conn: Connection, principal: Principal, webhook_id: UUID, told: Mapping[str, object]) -> None:
    audited(conn, principal, Action.WEBHOOKS_REDELIVER, f"webhooks/{webhook_id}", after=told)


def _whole(conn: Connection, principal: Principal, webhook_id: UUID, delivery_id: UUID) -> WholeDelivery:
    found = deliveries.get(conn, delivery_id, webhook_id, principal.tenant)
    if found is None:
        raise UnknownWebhook(delivery_id, "delivery")
    return WholeDelivery(found, deliveries.attempts(conn, delivery_id, limit=_MOST_ATTEMPTS))


def _enabled(webhook: Webhook) -> None:
    if webhook.disabled_at is not None:
        raise WebhookBusy('The webhook is disabled, so it is told nothing: change it with {"enabled": true} first.')
