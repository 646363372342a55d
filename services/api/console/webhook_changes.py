"""Changes of webhooks from the console: create, change, test, rotate the secret, switch off, delete."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Response

from services.api.actions import webhook_deliveries, webhooks
from services.api.actions.errors import InvalidRequest, WebhookBusy
from services.api.console import translated, webhook_form
from services.api.console.page import page
from services.api.console.route import Handler, page_for
from services.api.console.visit import Visit, read_form
from services.api.console.webhooks import delivery_id_of, webhook_id_of, webhook_page
from shared.access.scopes import Scope
from shared.catalog.parameters import Violation
from shared.webhooks.webhook import Webhook

router = APIRouter(include_in_schema=False)

_HOURS = ("0", "1", "24", "168")
"""For how long the previous secret may sign as well."""
_USUAL_HOURS = "24"
_DAYS = ("1", "7", "30")
"""How far back failed deliveries are repeated."""


def _or_why_not(handler: Handler) -> Handler:
    """Wrap a handler so that the webhook's page says why, if the change is not possible now."""

    @wraps(handler)
    async def answer(visit: Visit) -> Response:
        try:
            return await handler(visit)
        except WebhookBusy as error:
            webhook = await webhooks.get(visit.parts.for_reading(), visit.principal, webhook_id_of(visit))
            return await webhook_page(visit, webhook, wrong=str(error), status=409)

    return answer


@router.get("/webhooks/new")
@page_for
async def fill_in(visit: Visit) -> Response:
    """Show the form of a new webhook."""
    visit.principal.need(Scope.WEBHOOKS_WRITE)
    return _form_page(visit, webhook_form.new())


@router.post("/webhooks/new")
@page_for
async def create(visit: Visit) -> Response:
    """Create the webhook, and show its secret for this once."""
    form = await read_form(visit)
    visit.principal.need(Scope.WEBHOOKS_WRITE)
    values, key = webhook_form.entered(form), form.one("key")[:255] or None
    try:
        made = await webhooks.create(visit.parts, visit.principal, webhook_form.asked(values), idempotency_key=key)
    except InvalidRequest as error:
        return _form_page(visit, values, error.violations, key=key)
    told = {"webhook_id": made.webhook.id, "secret": made.secret, "old_ends_at": None, "rotated": False}
    return page(visit, "webhook_secret.html", told, status=201)


@router.get("/webhooks/{webhook_id}/edit")
@page_for
async def edit(visit: Visit) -> Response:
    """Show the form of an existing webhook."""
    visit.principal.need(Scope.WEBHOOKS_WRITE)
    webhook = await webhooks.get(visit.parts, visit.principal, webhook_id_of(visit))
    return _form_page(visit, webhook_form.of_webhook(webhook), webhook=webhook)


@router.post("/webhooks/{webhook_id}/edit")
@page_for
async def change(visit: Visit) -> Response:
    """Change the webhook and show it, unless somebody else changed it since the form was opened."""
    form = await read_form(visit)
    visit.principal.need(Scope.WEBHOOKS_WRITE)
    webhook_id, values = webhook_id_of(visit), webhook_form.entered(form)
    asked = webhook_form.asked(values)
    try:
        await webhooks.update(
            visit.parts, visit.principal, webhook_id, asked, insists=lambda version: version == values["version"]
        )
    except InvalidRequest as error:
        webhook = await webhooks.get(visit.parts.for_reading(), visit.principal, webhook_id)
        return _form_page(visit, values, error.violations, webhook=webhook)
    return _back(visit)


@router.post("/webhooks/{webhook_id}/enabled")
@page_for
async def enabled(visit: Visit) -> Response:
    """Switch the webhook off, or on again."""
    form = await read_form(visit)
    asked = {"enabled": form.one("enabled") == "yes"}
    await webhooks.update(visit.parts, visit.principal, webhook_id_of(visit), asked)
    return _back(visit)


@router.post("/webhooks/{webhook_id}/rotate")
@page_for
@_or_why_not
async def rotate(visit: Visit) -> Response:
    """Create a new secret, and show it for this once."""
    form = await read_form(visit)
    hours = form.one("hours") if form.one("hours") in _HOURS else _USUAL_HOURS
    webhook_id = webhook_id_of(visit)
    made = await webhooks.rotate(visit.parts, visit.principal, webhook_id, overlap_s=int(hours) * 3_600)
    told = {"webhook_id": webhook_id, "secret": made.secret, "old_ends_at": made.old_ends_at, "rotated": True}
    return page(visit, "webhook_secret.html", told, status=201)


@router.post("/webhooks/{webhook_id}/test")
@page_for
@_or_why_not
async def test(visit: Visit) -> Response:
    """Send a ping, and show its delivery."""
    await read_form(visit)
    delivery_id = await webhook_deliveries.test(visit.parts, visit.principal, webhook_id_of(visit))
    return visit.to(f"/webhooks/{webhook_id_of(visit)}/deliveries/{delivery_id}")


@router.post("/webhooks/{webhook_id}/redeliver")
@page_for
@_or_why_not
async def redeliver_all(visit: Visit) -> Response:
    """Repeat the deliveries that were given up recently."""
    form = await read_form(visit)
    days = form.one("days") if form.one("days") in _DAYS else _DAYS[0]
    since = datetime.now(UTC) - timedelta(days=int(days))
    await webhook_deliveries.redeliver_since(visit.parts, visit.principal, webhook_id_of(visit), since)
    return visit.to(f"/webhooks/{webhook_id_of(visit)}?state=waiting")


@router.post("/webhooks/{webhook_id}/delete")
@page_for
async def delete(visit: Visit) -> Response:
    """Remove the webhook with its secrets and deliveries."""
    await read_form(visit)
    await webhooks.delete(visit.parts, visit.principal, webhook_id_of(visit))
    return visit.to("/webhooks")


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver")
@page_for
@_or_why_not
async def redeliver(visit: Visit) -> Response:
    """Repeat a delivery under the same id."""
    await read_form(visit)
    webhook_id, delivery_id = webhook_id_of(visit), delivery_id_of(visit)
    await webhook_deliveries.redeliver(visit.parts, visit.principal, webhook_id, delivery_id)
    return visit.to(f"/webhooks/{webhook_id}/deliveries/{delivery_id}")


def _back(visit: Visit) -> Response:
    return visit.to(f"/webhooks/{webhook_id_of(visit)}")


def _form_page(
    visit: Visit, values: Mapping[str, Any], violations: Sequence[Violation] = (), *,
    webhook: Webhook | None = None, key: str | None = None,
) -> Response:  # fmt: skip
    context = {
        **webhook_form.context(visit, values, translated.violations(violations, visit.texts)),
        "webhook": webhook, "own_path": f"/webhooks/{webhook.id}/edit" if webhook else "/webhooks/new",
        "key": key or str(uuid4()), "kept": visit.parts.secret_keys.kept,
    }  # fmt: skip
    return page(visit, "webhook_form.html", context, status=422 if violations else 200)
