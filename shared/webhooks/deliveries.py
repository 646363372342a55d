"""Deliveries as the webhook's owner sees them: listed, shown with every byte, and repeated."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Row

from shared.jobs.filters import id_at
from shared.stored import member
from shared.webhooks.event import Event, EventType, body_of
from shared.webhooks.store import THERE

MOST_AGAIN = 10_000
"""How many deliveries one request repeats."""

_COLUMNS = """d.id, d.webhook_id, d.event_id, e.type, e.at, e.job_id, e.schedule_id, d.url, d.body, d.state, d.attempts,
    d.created_at, d.due_at, d.ended_at, d.last_status, d.last_error"""

_FIRST, _LAST = (f"CAST('{UUID(int=number)}' AS uuid)" for number in (0, 2**128 - 1))
# Ranges of a whole key: for `webhook_id = … AND id < …` PostgreSQL may walk the primary key, and meet all other
# deliveries first; with both ends, so that it estimates their size well (shared/jobs/listing.py). So a state is always
# named, and a list of all takes as many of each.
_OF_STATE = f"""
    (SELECT * FROM webhook_deliveries
      WHERE (webhook_id, state, id) <= (:webhook, {{state}}, :before)
        AND (webhook_id, state, id) >= (:webhook, {{state}}, {_FIRST}) AND id <> :before AND tenant = :tenant
      ORDER BY webhook_id DESC, state DESC, id DESC LIMIT :limit)"""
_LISTED = f"""
    SELECT {_COLUMNS}
      FROM (SELECT * FROM ({{found}}) AS found ORDER BY id DESC LIMIT :limit) AS d
      JOIN webhook_events e ON e.id = d.event_id
     ORDER BY d.id DESC
"""
_OF_ALL = " UNION ALL ".join(_OF_STATE.format(state=f"'{state}'") for state in ("waiting", "delivered", "dead"))
_LIST = text(f"/* webhook_deliveries.list */ {_LISTED.format(found=_OF_ALL)}")
_LIST_OF_STATE = text(
    f"/* webhook_deliveries.list_of_state */ {_LISTED.format(found=_OF_STATE.format(state=':state'))}"
)
_GET = text(f"""
    /* webhook_deliveries.get */
    SELECT {_COLUMNS} FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id
     WHERE d.id = :id AND d.webhook_id = :webhook AND d.tenant = :tenant
""")
# A job has at most one event of each kind, and each event one delivery per webhook.
_OF_JOB = text(f"""
    /* webhook_deliveries.of_job */
    SELECT {_COLUMNS}, w.origin
      FROM webhook_events e
      JOIN webhook_deliveries d ON d.event_id = e.id
      JOIN webhooks w ON w.id = d.webhook_id
     WHERE e.job_id = :job AND e.tenant = :tenant AND {THERE}
     ORDER BY d.id DESC LIMIT :limit
""")
_ATTEMPTS = text("""
    /* webhook_attempts.list */
    SELECT number, at, took_ms, request_head, status, response_head, response_body, error
      FROM (SELECT * FROM webhook_attempts WHERE delivery_id = :id ORDER BY number DESC LIMIT :limit) AS latest
     ORDER BY number
""")
# A delivery locked by a relay at this moment is left to it.
_AGAIN = text("""
    /* webhook_deliveries.again */
    UPDATE webhook_deliveries
       SET state = 'waiting', due_at = clock_timestamp(), tries = 0, ended_at = NULL
     WHERE id = :id AND webhook_id = :webhook AND tenant = :tenant AND lease_token IS NULL
""")
_AGAIN_SINCE = text(f"""
    /* webhook_deliveries.again_since */
    UPDATE webhook_deliveries
       SET state = 'waiting', due_at = clock_timestamp(), tries = 0, ended_at = NULL
     WHERE id = ANY (ARRAY(
           SELECT id FROM webhook_deliveries
            WHERE (webhook_id, state, id) >= (:webhook, 'dead', :first)
              AND (webhook_id, state, id) <= (:webhook, 'dead', {_LAST}) AND tenant = :tenant
            ORDER BY webhook_id, state, id LIMIT :most FOR UPDATE SKIP LOCKED))
""")
# Up to so many for each webhook and state: ids follow time, and each pair is a range of the index.
_LATELY_OF_STATE = f"""
    SELECT w.id, {{state}} AS state, (
           SELECT count(*) FROM (
               SELECT FROM webhook_deliveries
                WHERE (webhook_id, state, id) >= (w.id, {{state}}, CAST(:since AS uuid))
                  AND (webhook_id, state, id) <= (w.id, {{state}}, {_LAST}) AND tenant = :tenant
                ORDER BY webhook_id DESC, state DESC, id DESC LIMIT :most) AS counted) AS made
      FROM unnest(CAST(:ids AS uuid[])) AS w(id)"""
_LATELY_OF_ALL = " UNION ALL ".join(
    _LATELY_OF_STATE.format(state=f"'{state}'") for state in ("waiting", "delivered", "dead")
)
_LATELY = text(f"""
    /* webhook_deliveries.lately */
    SELECT id, sum(made) FILTER (WHERE state = 'delivered')::int AS delivered, sum(made)::int AS made
      FROM ({_LATELY_OF_ALL}) AS counted GROUP BY id HAVING sum(made) > 0
""")
_PING = text("""
    /* webhook_events.ping */
    INSERT INTO webhook_events (tenant, type, webhook_id, spread_at)
    VALUES (:tenant, 'webhook.ping', :webhook, clock_timestamp())
    RETURNING id, at
""")
_DELIVER = text("""
    /* webhook_deliveries.ping */
    INSERT INTO webhook_deliveries (webhook_id, event_id, tenant, body) VALUES (:webhook, :event, :tenant, :body)
    RETURNING id
""")


class Delivery(NamedTuple):
    """An event on its way to a webhook, delivered, or given up."""

    id: UUID
    webhook_id: UUID
    event_id: UUID
    type: EventType
    at: datetime
    """When the event happened."""
    job_id: UUID | None
    schedule_id: UUID | None
    url: str | None
    """The address of a job's callback; None for the webhook's own address."""
    body: str
    state: str
    attempts: int
    created_at: datetime
    due_at: datetime
    ended_at: datetime | None
    last_status: int | None
    last_error: str | None


class OfJob(NamedTuple):
    """A delivery about a job."""

    delivery: Delivery
    origin: str
    """Its destination: scheme, host and port."""


class Tried(NamedTuple):
    """One attempt, with what was sent and what was answered."""

    number: int
    at: datetime
    took_ms: int
    request_head: str | None
    status: int | None
    response_head: str | None
    response_body: bytes
    error: str | None


def list_page(
    conn: Connection, webhook_id: UUID, tenant: str, *, state: str | None, before: UUID, limit: int
) -> Sequence[Delivery]:
    """Return up to `limit` deliveries of the webhook with ids below `before`, newest first; of that
    state unless None.
    """
    asked = {"webhook": webhook_id, "tenant": tenant, "state": state, "before": before, "limit": limit}
    return [_delivery(row) for row in conn.execute(_LIST if state is None else _LIST_OF_STATE, asked)]


def of_job(conn: Connection, job_id: UUID, tenant: str, *, limit: int) -> Sequence[OfJob]:
    """Return the newest `limit` deliveries about the job, newest first; those of deleted webhooks are left out."""
    rows = conn.execute(_OF_JOB, {"job": job_id, "tenant": tenant, "limit": limit})
    return [OfJob(_delivery(row), row.origin) for row in rows]


def lately(
    conn: Connection, ids: Sequence[UUID], tenant: str, *, since: UUID, most: int
) -> dict[UUID, tuple[int, int]]:
    """Return how many deliveries of each of these webhooks succeeded, and how many there were, with ids above `since`.

    Up to `most` are counted per webhook and state; a webhook without any is left out.
    """
    asked = {"ids": list(ids), "tenant": tenant, "since": since, "most": most}
    return {row.id: (row.delivered, row.made) for row in conn.execute(_LATELY, asked)}


def get(conn: Connection, delivery_id: UUID, webhook_id: UUID, tenant: str) -> Delivery | None:
    """Return one delivery of the webhook; None if there is no such delivery."""
    row = conn.execute(_GET, {"id": delivery_id, "webhook": webhook_id, "tenant": tenant}).one_or_none()
    return None if row is None else _delivery(row)


def attempts(conn: Connection, delivery_id: UUID, *, limit: int) -> Sequence[Tried]:
    """Return the latest `limit` attempts of a delivery, oldest first."""
    rows = conn.execute(_ATTEMPTS, {"id": delivery_id, "limit": limit})
    return [Tried(*row)._replace(response_body=bytes(row.response_body or b"")) for row in rows]


def again(conn: Connection, delivery_id: UUID, webhook_id: UUID, tenant: str) -> bool:
    """Repeat the delivery under the same `webhook-id`. False if a relay is delivering it now."""
    return conn.execute(_AGAIN, {"id": delivery_id, "webhook": webhook_id, "tenant": tenant}).rowcount == 1


def again_since(conn: Connection, webhook_id: UUID, tenant: str, since: datetime) -> int:
    """Repeat all deliveries created since then and given up: up to MOST_AGAIN. Returns how many."""
    asked = {"webhook": webhook_id, "tenant": tenant, "first": id_at(since.timestamp()), "most": MOST_AGAIN}
    return conn.execute(_AGAIN_SINCE, asked).rowcount


def ping(conn: Connection, webhook_id: UUID, tenant: str) -> UUID:
    """Send the webhook a ping. Returns the delivery's id."""
    made = conn.execute(_PING, {"tenant": tenant, "webhook": webhook_id}).one()
    event = Event(
        made.id, tenant, EventType.PING, made.at, None, None, None, None, None, None, None, None, webhook_id
    )  # fmt: skip
    asked = {"webhook": webhook_id, "event": event.id, "tenant": tenant, "body": body_of(event)}
    delivery_id: UUID = conn.execute(_DELIVER, asked).scalar_one()
    return delivery_id


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery._make(row[: len(Delivery._fields)])._replace(type=member(EventType, row.type))
