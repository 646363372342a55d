"""`/console/webhooks`: who is notified of what, and each delivery with every byte, for reading."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Response

from services.api.actions import webhook_deliveries, webhooks
from services.api.actions.errors import UnknownWebhook
from services.api.actions.partial import looked_at_if_quick
from services.api.console.page import page
from services.api.console.route import page_for
from services.api.console.visit import Visit
from services.api.v1.webhook_views import whole_view
from shared.access.scopes import Scope
from shared.webhooks.delivery_errors import ERRORS
from shared.webhooks.webhook import Webhook

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 25
STATES = ("waiting", "delivered", "dead")


class Tried(NamedTuple):
    """One attempt, as pages show it."""

    number: int
    at: Any
    took_ms: int
    request: str | None
    """Every byte that was sent; None if nothing was."""
    status: int | None
    response: str | None
    error: str | None


@router.get("/webhooks")
@page_for
async def every(visit: Visit) -> Response:
    """List the tenant's webhooks, newest first."""
    token = visit.request.query_params.get("pageToken")
    listed = webhooks.list_page(visit.parts, visit.principal, size=_ON_A_PAGE, token=token)
    found = await looked_at_if_quick("webhooks", listed)
    lately: Mapping[UUID, tuple[int, int]] | None = {}
    if found is not None and found.webhooks:
        counted = webhook_deliveries.lately(visit.parts, visit.principal, [one.id for one in found.webhooks])
        lately = await looked_at_if_quick("the latest deliveries", counted)
    context = {
        "found": found,
        "lately": lately,
        "first_page": token is None,
        "may_change": visit.principal.has(Scope.WEBHOOKS_WRITE),
        "kept": visit.parts.secret_keys.kept,
    }
    return page(visit, "webhooks.html", context)


@router.get("/webhooks/{webhook_id}")
@page_for
async def one(visit: Visit) -> Response:
    """Show one webhook with its deliveries, newest first."""
    webhook = await webhooks.get(visit.parts, visit.principal, webhook_id_of(visit))
    return await webhook_page(visit, webhook)


@router.get("/webhooks/{webhook_id}/deliveries/{delivery_id}")
@page_for
async def delivery(visit: Visit) -> Response:
    """Show one delivery: what was sent, what was answered, and when it is tried next."""
    webhook_id, delivery_id = webhook_id_of(visit), delivery_id_of(visit)
    webhook = await webhooks.get(visit.parts, visit.principal, webhook_id)
    whole = await webhook_deliveries.get_delivery(visit.parts, visit.principal, webhook_id, delivery_id)
    context = {
        "webhook": webhook,
        "whole": whole_view(whole, visit.parts.settings.root_path),
        "tried": [_shown(one, whole.delivery.body) for one in reversed(whole.attempts)],
        "errors": ERRORS,
        "may_change": visit.principal.has(Scope.WEBHOOKS_WRITE),
        "may_read_jobs": visit.principal.has(Scope.JOBS_READ),
        "may_read_schedules": visit.principal.has(Scope.SCHEDULES_READ),
    }
    return page(visit, "delivery.html", context)


async def webhook_page(visit: Visit, webhook: Webhook, *, wrong: str | None = None, status: int = 200) -> Response:
    """Return the page of a webhook; `wrong` says what could not be done."""
    query = visit.request.query_params
    state, token = query.get("state"), query.get("pageToken")
    state = state if state in STATES else None
    listed = webhook_deliveries.list_deliveries(
        visit.parts.for_reading(), visit.principal, webhook.id, state=state, size=_ON_A_PAGE, token=token
    )
    context = {
        "webhook": webhook,
        "deliveries": await looked_at_if_quick("deliveries", listed),
        "state": state,
        "states": STATES,
        "first_page": token is None,
        "may_change": visit.principal.has(Scope.WEBHOOKS_WRITE),
        "when": in_words(webhook.wanted.notify_when),
        "errors": ERRORS,
        "wrong": wrong,
    }
    return page(visit, "webhook.html", context, status=status)


def in_words(conditions: Sequence[str | Mapping[str, object]] | None) -> list[str]:
    """Return the conditions as people write them, and as the form accepts them."""
    return [words for one in conditions or () for words in ([one] if isinstance(one, str) else _bounds(one))]


def webhook_id_of(visit: Visit) -> UUID:
    """Return the webhook's id in the path. Raises UnknownWebhook for an invalid one."""
    return _id(visit.name("webhook_id"), "webhook")


def delivery_id_of(visit: Visit) -> UUID:
    """Return the delivery's id in the path. Raises UnknownWebhook for an invalid one."""
    return _id(visit.name("delivery_id"), "delivery")


def _id(text: str, what: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UnknownWebhook(text, what) from None


def _bounds(condition: Mapping[str, object]) -> list[str]:
    signs = (("above", ">"), ("below", "<"))
    return [f"{condition['figure']} {sign} {condition[name]}" for name, sign in signs if name in condition]


def _shown(one: Any, body: str) -> Tried:
    response = None
    if one.response_head is not None:
        response = one.response_head + one.response_body.decode("utf-8", "replace")
    request = None if one.request_head is None else one.request_head + body
    return Tried(one.number, one.at, one.took_ms, request, one.status, response, one.error)
