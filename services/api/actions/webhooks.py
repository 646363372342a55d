"""Create, read, change and delete webhooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.actions.auditing import audited
from services.api.actions.errors import (
    KeyRequestReused,
    PreconditionFailed,
    TooManyWebhooks,
    UnknownWebhook,
    WebhookBusy,
)
from services.api.actions.jobs import Insists
from services.api.actions.made_once import make_once, request_of, same
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.transactions import in_one_transaction
from services.api.actions.webhook_request import read_webhook
from services.api.auth.principal import Principal
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.access.secret_keys import SecretsNotKept
from shared.ids import uuid7
from shared.webhooks import ending, store
from shared.webhooks.event import new_secret, secret_text
from shared.webhooks.webhook import Webhook

_LAST_ID = UUID(int=2**128 - 1)
_MOST_SECRETS = 4
"""Secrets of a webhook that sign at the same time: each one makes every message longer."""


class MadeWebhook(NamedTuple):
    """A webhook that is committed."""

    webhook: Webhook
    secret: str | None
    """Verifies signatures at the receiver. Shown only once: None if the request is repeated."""


class RotatedSecret(NamedTuple):
    """A webhook's new secret."""

    secret: str
    old_ends_at: datetime
    """The previous secret signs as well until then."""


class FoundWebhooks(NamedTuple):
    """One page of webhooks, newest first."""

    webhooks: Sequence[Webhook]
    next_page_token: str | None


async def create(
    parts: Parts, principal: Principal, fields: Mapping[str, object], *, idempotency_key: str | None
) -> MadeWebhook:
    """Create a webhook.

    Its secret is shown only once; a repetition with the same key is answered without it. Raises InvalidRequest,
    KeyRequestReused, TooManyWebhooks, SecretsNotKept and SecretKeysWrong.
    """

    def carry_out(conn: Connection) -> MadeWebhook:
        before = partial(store.made_by, conn, principal.tenant)
        if (earlier := same(before, request)) is not None:
            return MadeWebhook(earlier, None)
        wanted, _ = read_webhook(parts, principal.tenant, fields)
        if not parts.secret_keys.kept:
            raise SecretsNotKept
        most = parts.settings.webhooks_each
        if store.count(conn, principal.tenant, most=most) >= most:
            raise TooManyWebhooks(most)
        webhook_id, secret = uuid7(), new_secret()
        sealed = parts.secret_keys.seal(secret, of=store.owner_of_secret(webhook_id))
        made = store.create(conn, webhook_id, principal.tenant, wanted, sealed, principal.subject, request)
        if made is None and (earlier := same(before, request)) is not None:
            return MadeWebhook(earlier, None)
        if made is None:
            raise KeyRequestReused
        audited(conn, principal, Action.WEBHOOKS_CREATE, f"webhooks/{made.id}", after=_told(made))
        return MadeWebhook(made, secret_text(secret))

    principal.need(Scope.WEBHOOKS_WRITE)
    request = request_of(idempotency_key, principal, fields)
    return await make_once(parts, "webhooks", request, carry_out)


async def get(parts: Parts, principal: Principal, webhook_id: UUID) -> Webhook:
    """One webhook. Raises UnknownWebhook."""
    principal.need(Scope.WEBHOOKS_READ)
    return await in_one_transaction(parts, lambda conn: seen(conn, principal, webhook_id))


async def list_page(parts: Parts, principal: Principal, *, size: int, token: str | None) -> FoundWebhooks:
    """The tenant's webhooks. Raises PageTokenInvalid, PageTokenMismatch and PageTokenExpired."""
    listing = Listing("webhooks", principal, {})

    def look(conn: Connection) -> FoundWebhooks:
        before = _LAST_ID if token is None else parts.page_tokens.read(conn, listing, token)
        found = store.list_page(conn, principal.tenant, before=before, limit=size + 1)
        if len(found) <= size:
            return FoundWebhooks(found, None)
        return FoundWebhooks(found[:size], parts.page_tokens.write(conn, listing, found[size - 1].id))

    principal.need(Scope.WEBHOOKS_READ)
    return await in_one_transaction(parts, look)


async def update(
    parts: Parts, principal: Principal, webhook_id: UUID, fields: Mapping[str, object], *, insists: Insists = None
) -> Webhook:
    """Change the fields that are given, and keep the others.

    Pending deliveries of a webhook that is switched off are given up. Raises UnknownWebhook, PreconditionFailed and
    InvalidRequest.
    """

    def carry_out(conn: Connection) -> Webhook:
        old = held(conn, principal, webhook_id, insists)
        wanted, disabled = read_webhook(parts, principal.tenant, fields, old)
        new = store.replace(conn, webhook_id, principal.tenant, wanted, disabled)
        if new is None:
            raise UnknownWebhook(webhook_id)
        if disabled is not None:
            ending.drop(conn, [webhook_id])
        audited(conn, principal, Action.WEBHOOKS_UPDATE, f"webhooks/{webhook_id}", before=_told(old), after=_told(new))
        return new

    principal.need(Scope.WEBHOOKS_WRITE)
    return await in_one_transaction(parts, carry_out)


async def delete(parts: Parts, principal: Principal, webhook_id: UUID, *, insists: Insists = None) -> None:
    """Remove the webhook with its secrets and deliveries. Raises UnknownWebhook and PreconditionFailed."""

    def carry_out(conn: Connection) -> None:
        old = held(conn, principal, webhook_id, insists)
        store.delete(conn, webhook_id, principal.tenant)
        ending.drop(conn, [webhook_id])
        audited(conn, principal, Action.WEBHOOKS_DELETE, f"webhooks/{webhook_id}", before=_told(old))

    principal.need(Scope.WEBHOOKS_WRITE)
    await in_one_transaction(parts, carry_out)


async def rotate(parts: Parts, principal: Principal, webhook_id: UUID, *, overlap_s: int) -> RotatedSecret:
    """Sign with a new secret, and with the previous one as well for `overlap_s`.

    Raises UnknownWebhook, WebhookBusy, SecretsNotKept and SecretKeysWrong.
    """

    def carry_out(conn: Connection) -> RotatedSecret:
        held(conn, principal, webhook_id)
        if len(store.secrets_of(conn, [webhook_id]).get(webhook_id, ())) >= _MOST_SECRETS:
            raise WebhookBusy(f"{_MOST_SECRETS} secrets of this webhook are valid: wait until one of them has ended.")
        secret = new_secret()
        sealed = parts.secret_keys.seal(secret, of=store.owner_of_secret(webhook_id))
        ends_at = store.rotate(conn, webhook_id, sealed, overlap_s=overlap_s)
        told = {"oldEndsAt": ends_at.isoformat()}
        audited(conn, principal, Action.WEBHOOKS_ROTATE, f"webhooks/{webhook_id}", after=told)
        return RotatedSecret(secret_text(secret), ends_at)

    principal.need(Scope.WEBHOOKS_WRITE)
    return await in_one_transaction(parts, carry_out)


def seen(conn: Connection, principal: Principal, webhook_id: UUID) -> Webhook:
    """Return the webhook. Raises UnknownWebhook."""
    found = store.get(conn, webhook_id, principal.tenant)
    if found is None:
        raise UnknownWebhook(webhook_id)
    return found


def held(conn: Connection, principal: Principal, webhook_id: UUID, insists: Insists = None) -> Webhook:
    """Lock the webhook until the transaction ends, and return it. Raises UnknownWebhook and PreconditionFailed."""
    found = store.get(conn, webhook_id, principal.tenant, hold=True)
    if found is None:
        raise UnknownWebhook(webhook_id)
    if insists is not None and not insists(str(found.version)):
        raise PreconditionFailed
    return found


def _told(webhook: Webhook) -> dict[str, object]:
    """Return what the audit trail records: never the query of the address, which may contain a secret."""
    wanted = webhook.wanted
    return {
        "url": wanted.url.partition("?")[0], "types": [str(one) for one in wanted.types],
        "reportTypes": wanted.report_types and list(wanted.report_types),
        "notifyWhen": wanted.notify_when and list(wanted.notify_when), "disabled": webhook.disabled_because,
    }  # fmt: skip
