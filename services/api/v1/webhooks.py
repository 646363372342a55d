"""/v1/webhooks: which addresses are notified of events."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from services.api.actions import webhook_deliveries, webhooks
from services.api.actions.errors import InvalidRequest, UnknownWebhook
from services.api.actions.webhook_request import LONGEST_DESCRIPTION
from services.api.http.conditional import insists
from services.api.http.dependencies import Caller, PartsOf, WebhookId, uuid_of
from services.api.http.openapi import problems
from services.api.http.responses import json_response
from services.api.v1 import pages
from services.api.v1.body_fields import body_of, only_idempotency_key, overlap_s, overlap_schema, refuse, unknown_fields
from services.api.v1.option_schema import NOTIFY_WHEN_SCHEMA
from services.api.v1.submission_body import read_fields
from services.api.v1.submissions import IDEMPOTENCY_KEY
from services.api.v1.webhook_views import (
    DeliveriesView,
    DeliveryState,
    MadeWebhookView,
    RedeliveryView,
    RotatedSecretView,
    TestView,
    WebhooksView,
    WebhookView,
    WholeDeliveryView,
    delivery_links,
    delivery_view,
    made_view,
    rotated_view,
    webhook_view,
    whole_view,
)
from shared.catalog.parameters import Violation
from shared.webhooks.event import CHOOSABLE
from shared.webhooks.url import LONGEST

router = APIRouter(tags=["webhooks"])

_NOT_KEPT = {"Cache-Control": "no-store"}
_LONGEST_OVERLAP_S = 7 * 86_400
_FIELDS: dict[str, Any] = {
    "url": {
        "type": "string", "maxLength": LONGEST, "format": "uri", "description": "A public address, with https",
    },
    "types": {
        "type": ["array", "null"], "items": {"type": "string", "enum": list(CHOOSABLE)},
        "description": "What is told; all of it if left out, and nothing but jobs' callbacks if empty",
    },
    "reportTypes": {
        "type": ["array", "null"], "items": {"type": "string"}, "minItems": 1, "maxItems": 100,
        "description": "Only what is about these; about all of them if left out",
    },
    "notifyWhen": {
        **NOTIFY_WHEN_SCHEMA,
        "description": "Which ends of jobs are told: those that meet one of these; all if left out. `rows`: the report "
        "has rows; `failure`: the job failed; else the job succeeded and a figure is above or below a bound",
    },
    "description": {
        "type": ["string", "null"], "maxLength": LONGEST_DESCRIPTION, "description": "For people: what listens there",
    },
}  # fmt: skip
_ENABLED = {"type": "boolean", "description": "false gives up what waits; true begins anew"}
_OVERLAP = overlap_schema(_LONGEST_OVERLAP_S, "Seconds for which the secret before signs as well; a day if left out")
_SINCE = {"type": "string", "format": "date-time", "description": "Of all that were made since then, and given up"}


_CREATE = {
    **body_of(
        _FIELDS, {"url": "https://example.com/todoke", "types": ["job.succeeded", "job.failed"]}, required=("url",)
    ),
    "parameters": [IDEMPOTENCY_KEY],
}
_UPDATE = body_of({**_FIELDS, "enabled": _ENABLED}, {"enabled": True})
_ROTATE = body_of({"overlapSeconds": _OVERLAP}, {"overlapSeconds": 86_400})
_REDELIVER = body_of({"since": _SINCE}, {"since": "2026-01-31T00:00:00Z"}, required=("since",))


@router.get("/v1/webhooks", responses={200: {"model": WebhooksView}, **problems(400, 401, 403, 422, 429, 503)})
async def list_webhooks(
    parts: PartsOf,
    principal: Caller,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """The tenant's webhooks, newest first; needs the scope `webhooks:read`."""
    size = pages.only_size(pageSize)
    found = await webhooks.list_page(parts, principal, size=size, token=pageToken)
    root = parts.settings.root_path
    view = WebhooksView(
        webhooks=[webhook_view(one, root) for one in found.webhooks], next_page_token=found.next_page_token
    )
    return json_response(view, headers=pages.list_links(f"{root}/v1/webhooks", pageSize, found.next_page_token))


@router.post(
    "/v1/webhooks",
    status_code=201,
    openapi_extra=_CREATE,
    responses={201: {"model": MadeWebhookView}, **problems(400, 401, 403, 409, 413, 415, 422, 429, 503)},
)
async def create_webhook(request: Request, parts: PartsOf, principal: Caller) -> Response:
    """Create a webhook: an address that is notified of what happens in the tenant; needs the scope `webhooks:write`.

    Its secret is shown once. A repetition with the same Idempotency-Key is answered without it.
    """
    fields = await read_fields(request)
    made = await webhooks.create(parts, principal, fields, idempotency_key=only_idempotency_key(request))
    root = parts.settings.root_path
    headers = {"Location": f"{root}/v1/webhooks/{made.webhook.id}", "ETag": f'"{made.webhook.version}"', **_NOT_KEPT}
    if made.secret is None:
        headers["Idempotent-Replayed"] = "true"
    return json_response(made_view(made, root), 201, headers)


@router.get(
    "/v1/webhooks/{webhook_id:job}",
    responses={200: {"model": WebhookView}, **problems(401, 403, 404, 422, 429, 503)},
)
async def get_webhook(webhook_id: WebhookId, parts: PartsOf, principal: Caller) -> Response:
    """One webhook, without its secret."""
    found = await webhooks.get(parts, principal, webhook_id)
    return json_response(webhook_view(found, parts.settings.root_path), headers=_tag(found.version))


@router.patch(
    "/v1/webhooks/{webhook_id:job}",
    openapi_extra=_UPDATE,
    responses={200: {"model": WebhookView}, **problems(400, 401, 403, 404, 412, 413, 415, 422, 429, 503)},
)
async def update_webhook(request: Request, webhook_id: WebhookId, parts: PartsOf, principal: Caller) -> Response:
    """Change the fields that are given, and keep the others; `enabled` switches it off and on."""
    fields = await read_fields(request)
    changed = await webhooks.update(parts, principal, webhook_id, fields, insists=insists(request))
    return json_response(webhook_view(changed, parts.settings.root_path), headers=_tag(changed.version))


@router.delete(
    "/v1/webhooks/{webhook_id:job}",
    status_code=204,
    responses={204: {"description": "It is gone, with its deliveries"}, **problems(401, 403, 404, 412, 422, 429, 503)},
)
async def delete_webhook(request: Request, webhook_id: WebhookId, parts: PartsOf, principal: Caller) -> Response:
    """Delete a webhook with its secrets and deliveries. Pending deliveries are not sent."""
    await webhooks.delete(parts, principal, webhook_id, insists=insists(request))
    return Response(status_code=204)


@router.post(
    "/v1/webhooks/{webhook_id:job}:test",
    status_code=202,
    responses={202: {"model": TestView}, **problems(401, 403, 404, 409, 422, 429, 503)},
)
async def test_webhook(webhook_id: WebhookId, parts: PartsOf, principal: Caller) -> Response:
    """Send a `webhook.ping`. Its delivery shows request and answer a moment later."""
    delivery_id = await webhook_deliveries.test(parts, principal, webhook_id)
    links = delivery_links(webhook_id, delivery_id, parts.settings.root_path)
    return json_response(TestView(delivery_id=delivery_id, links=links), 202, {"Location": links["self"]})


@router.post(
    "/v1/webhooks/{webhook_id:job}:rotate",
    openapi_extra=_ROTATE,
    responses={200: {"model": RotatedSecretView}, **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)},
)
async def rotate_webhook_secret(request: Request, webhook_id: WebhookId, parts: PartsOf, principal: Caller) -> Response:
    """Create a new secret, which is shown once; the previous one signs as well for a while."""
    fields = await read_fields(request)
    violations = unknown_fields(fields, ("overlapSeconds",))
    lasts_s = overlap_s(fields, _LONGEST_OVERLAP_S, violations)
    refuse(violations)
    rotated = await webhooks.rotate(parts, principal, webhook_id, overlap_s=lasts_s)
    return json_response(rotated_view(webhook_id, rotated), headers=_NOT_KEPT)


@router.post(
    "/v1/webhooks/{webhook_id:job}:redeliver",
    status_code=202,
    openapi_extra=_REDELIVER,
    responses={202: {"model": RedeliveryView}, **problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)},
)
async def redeliver_webhook(request: Request, webhook_id: WebhookId, parts: PartsOf, principal: Caller) -> Response:
    """Repeat all deliveries that were given up since a moment: up to 10,000 deliveries, oldest first."""
    fields = await read_fields(request)
    violations = unknown_fields(fields, ("since",))
    since = pages.moment("since", fields.get("since"), violations)
    if since is None:
        violations = violations or [Violation("since", "required", "must be a timestamp, such as 2026-01-31T00:00:00Z")]
        raise InvalidRequest("The request is not valid.", violations)
    refuse(violations)
    many = await webhook_deliveries.redeliver_since(parts, principal, webhook_id, since)
    links = {"deliveries": f"{parts.settings.root_path}/v1/webhooks/{webhook_id}/deliveries"}
    return json_response(RedeliveryView(deliveries=many, links=links), 202)


@router.get(
    "/v1/webhooks/{webhook_id:job}/deliveries",
    responses={200: {"model": DeliveriesView}, **problems(400, 401, 403, 404, 422, 429, 503)},
)
async def list_webhook_deliveries(
    webhook_id: WebhookId,
    parts: PartsOf,
    principal: Caller,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state")] = None,
    pageSize: pages.PageSize = "0",  # noqa: N803 - the wire's spelling
    pageToken: pages.PageToken = None,  # noqa: N803
) -> Response:
    """Past and pending deliveries of the webhook, including those given up; newest first, for a month."""
    size = pages.only_size(pageSize)
    found = await webhook_deliveries.list_deliveries(
        parts, principal, webhook_id, state=state, size=size, token=pageToken
    )
    root = parts.settings.root_path
    view = DeliveriesView(
        deliveries=[delivery_view(one, root) for one in found.deliveries], next_page_token=found.next_page_token
    )
    own = f"{root}/v1/webhooks/{webhook_id}/deliveries"
    return json_response(view, headers=pages.list_links(own, pageSize, found.next_page_token, {"state": state}))


DeliveryId = Annotated[str, Path(description="The delivery's UUID", json_schema_extra={"format": "uuid"})]


@router.get(
    "/v1/webhooks/{webhook_id:job}/deliveries/{delivery_id:job}",
    responses={200: {"model": WholeDeliveryView}, **problems(401, 403, 404, 422, 429, 503)},
)
async def get_webhook_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, parts: PartsOf, principal: Caller
) -> Response:
    """One delivery, with the bytes of its latest 50 attempts: what was sent, and what was answered."""
    whole = await webhook_deliveries.get_delivery(parts, principal, webhook_id, uuid_of(delivery_id, UnknownWebhook))
    return json_response(whole_view(whole, parts.settings.root_path), headers=_NOT_KEPT)


@router.post(
    "/v1/webhooks/{webhook_id:job}/deliveries/{delivery_id:job}:redeliver",
    status_code=202,
    responses={202: {"model": WholeDeliveryView}, **problems(401, 403, 404, 409, 422, 429, 503)},
)
async def redeliver_webhook_delivery(
    webhook_id: WebhookId, delivery_id: DeliveryId, parts: PartsOf, principal: Caller
) -> Response:
    """Repeat a delivery under the same `webhook-id`, with a new round of attempts."""
    whole = await webhook_deliveries.redeliver(parts, principal, webhook_id, uuid_of(delivery_id, UnknownWebhook))
    return json_response(whole_view(whole, parts.settings.root_path), 202, _NOT_KEPT)


def _tag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"', **_NOT_KEPT}
