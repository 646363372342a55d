"""Makes deliveries of events: one for each webhook that subscribes to the event, in the commit that marks it as spread.

An event is read and locked, and a constraint ensures exactly one delivery per event and webhook. So any number of
relays may spread; if one dies, the event stays as it was.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.webhooks.conditions import met
from shared.webhooks.event import Event, EventType, body_of
from shared.webhooks.store import COLUMNS, webhook_of
from shared.webhooks.url import origin_of
from shared.webhooks.webhook import Webhook

_EVENT = """id, tenant, type, at, report_type, job_id, version, status, callback_url, schedule_id, tick, reason,
    webhook_id, callback_when, figures"""

# Events written by a newer release are left to a relay of that release.
_KNOWN = ", ".join(f"'{one}'" for one in EventType)
_TAKE = text(f"""
    /* webhook_events.take */
    SELECT {_EVENT} FROM webhook_events
     WHERE spread_at IS NULL AND type IN ({_KNOWN}) ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
""")
_WEBHOOKS_OF = text(f"""
    /* webhooks.of_tenants */
    SELECT {COLUMNS} FROM webhooks w
     WHERE w.tenant = ANY (CAST(:tenants AS text[])) AND w.disabled_at IS NULL
     ORDER BY w.tenant, w.id
""")
# A webhook that was deleted or disabled a moment ago is left out, and none is disabled meanwhile. They are locked in
# one order everywhere, so that nothing deadlocks.
_SPREAD = text("""
    /* webhook_events.spread */
    WITH made AS (
        INSERT INTO webhook_deliveries (webhook_id, event_id, tenant, url, body)
        SELECT n.webhook_id, n.event_id, n.tenant, n.url, n.body
          FROM jsonb_to_recordset(CAST(:deliveries AS jsonb))
               AS n(webhook_id uuid, event_id uuid, tenant text, url text, body text)
          JOIN (SELECT id FROM webhooks
                 WHERE id = ANY (CAST(:webhooks AS uuid[])) AND disabled_at IS NULL ORDER BY id FOR SHARE) AS w
            ON w.id = n.webhook_id
            ON CONFLICT DO NOTHING
        RETURNING 1
    ), spread AS (
        UPDATE webhook_events SET spread_at = clock_timestamp(), figures = NULL
         WHERE id = ANY (CAST(:events AS uuid[]))
    )
    SELECT count(*) FROM made
""")


class Recipient(NamedTuple):
    """A recipient of an event."""

    webhook: Webhook
    url: str | None
    """The address of a job's callback; None for the webhook's own address."""


def spread(conn: Connection, *, most: int) -> tuple[int, int]:
    """Spread up to `most` events, oldest first. Returns how many events there were, and how many deliveries."""
    taken = conn.execute(_TAKE, {"most": most})
    events = [Event(row.id, row.tenant, EventType(row.type), *row[3:]) for row in taken]
    if not events:
        return 0, 0
    tenants = sorted({event.tenant for event in events})
    rows = [webhook_of(row) for row in conn.execute(_WEBHOOKS_OF, {"tenants": tenants})]
    webhooks = {tenant: list(some) for tenant, some in groupby(rows, key=lambda one: one.tenant)}
    deliveries = [
        {"webhook_id": str(one.webhook.id), "event_id": str(event.id), "tenant": event.tenant, "url": one.url,
         "body": body_of(event)}
        for event in events
        for one in recipients_of(event, webhooks)
    ]  # fmt: skip
    asked = {
        "deliveries": json_text.write(deliveries), "events": [event.id for event in events],
        "webhooks": [one["webhook_id"] for one in deliveries],
    }  # fmt: skip
    return len(events), int(conn.execute(_SPREAD, asked).scalar_one())


def recipients_of(event: Event, webhooks: Mapping[str, Sequence[Webhook]]) -> Sequence[Recipient]:
    """Return the recipients of the event: each webhook that subscribes to it, and the callback of the job's own
    request.

    The callback is signed as the tenant's oldest webhook with the same origin; without such a webhook, it receives
    nothing. Each recipient has conditions of its own, so nobody can keep an event from others.
    """
    own = webhooks.get(event.tenant, ())
    recipients = [
        Recipient(webhook, None) for webhook in own if webhook.wants(event) and met(webhook.wanted.notify_when, event)
    ]
    if event.callback_url is not None and met(event.callback_when, event):
        signer = next((one for one in own if one.wanted.origin == origin_of(event.callback_url)), None)
        recipients += [Recipient(signer, event.callback_url)] if signer is not None else []
    return recipients
