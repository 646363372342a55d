"""Deliveries that are due: claimed, and their results written.

A claim is a lease: a random token, and a time until which no other relay takes the delivery. A relay that has lost it
changes nothing. If a relay dies after sending and before writing, the delivery is sent again under the same
`webhook-id`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text
from shared.webhooks import ending

DELAYS_S = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Pauses before each try, from Standard Webhooks: 0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h. Three
days."""
LEASE_S = 60.0
"""A delivery takes 15 seconds at most, and waits a moment for its turn and for its result to be written."""
EACH, EACH_TENANT = 4, 16
"""How many deliveries of one webhook, and of one tenant, may be in progress at the same time."""
FAILING_S = 5 * 86_400
"""After so long without a success a webhook is disabled."""

# Each webhook with pending deliveries, by one look into the index, with the first that is due.
_OWED = """
    WITH RECURSIVE owed AS (
        (SELECT webhook_id, due_at FROM webhook_deliveries WHERE state = 'waiting' ORDER BY webhook_id, due_at LIMIT 1)
        UNION ALL
        SELECT next.webhook_id, next.due_at
          FROM owed, LATERAL (
              SELECT webhook_id, due_at FROM webhook_deliveries
               WHERE state = 'waiting' AND webhook_id > owed.webhook_id ORDER BY webhook_id, due_at LIMIT 1) AS next
    )"""
# The first event in the order of its index, and not any: a scan of the table might meet very many before one.
_ANY = text(f"""
    /* webhook_deliveries.any_due */
    {_OWED}
    SELECT (SELECT id FROM webhook_events WHERE spread_at IS NULL ORDER BY id LIMIT 1) IS NOT NULL
        OR EXISTS (SELECT FROM owed WHERE due_at <= clock_timestamp())
""")
# `ready` are the webhooks that may be notified now. `picked` takes from each as many as may be in progress; if there
# are more than there is room for, chance decides, so that nobody comes last because of its id. Due deliveries are
# found in the index, however many wait for later, so the query uses the time of this statement, which stands still.
_CLAIM = text(f"""
    /* webhook_deliveries.claim */
    {_OWED}, ready AS MATERIALIZED (
        SELECT w.id, w.tenant, w.url,
               (SELECT count(*) FROM webhook_deliveries d
                 WHERE d.webhook_id = w.id AND d.lease_token IS NOT NULL AND d.due_at > clock_timestamp()) AS under_way
          FROM owed JOIN webhooks w ON w.id = owed.webhook_id
         WHERE owed.due_at <= clock_timestamp() AND w.disabled_at IS NULL
           AND (w.throttled_until IS NULL OR w.throttled_until <= clock_timestamp())
    ), due AS MATERIALIZED (
        SELECT d.id, ready.tenant, ready.url,
               row_number() OVER (PARTITION BY ready.tenant ORDER BY random()) AS place,
               (SELECT sum(r.under_way) FROM ready r WHERE r.tenant = ready.tenant) AS under_way
          FROM ready, LATERAL (
              SELECT id FROM webhook_deliveries
               WHERE webhook_id = ready.id AND state = 'waiting' AND due_at <= statement_timestamp()
               ORDER BY due_at LIMIT greatest(0, {EACH} - ready.under_way)
                 FOR UPDATE SKIP LOCKED) AS d
    ), picked AS MATERIALIZED (
        SELECT id, tenant, url FROM due WHERE place + under_way <= {EACH_TENANT} ORDER BY random() LIMIT :most
    )
    UPDATE webhook_deliveries d
       SET lease_token = gen_random_uuid(), due_at = clock_timestamp() + make_interval(secs => {LEASE_S})
      FROM picked
     WHERE d.id = picked.id
    RETURNING d.id, d.webhook_id, picked.tenant, d.event_id, d.lease_token AS token, d.tries, d.attempts, d.body,
              coalesce(d.url, picked.url) AS url, extract(epoch FROM clock_timestamp())::float8 AS now
""")
# `held` locks the webhooks in one order everywhere, so that two relays never deadlock, and marks those that were
# disabled meanwhile.
_RECORD = text(
    """
    /* webhook_deliveries.record */
    WITH told AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS t(
               id uuid, token uuid, state text, delay_s float8, throttle_s float8, gone boolean, took_ms int,
               request_head text, status smallint, response_head text, response_body text, error text)
    ), done AS (
        UPDATE webhook_deliveries d
           SET state = told.state, lease_token = NULL, tries = d.tries + 1, attempts = d.attempts + 1,
               due_at = clock_timestamp() + make_interval(secs => coalesce(told.delay_s, 0)),
               ended_at = CASE WHEN told.state <> 'waiting' THEN clock_timestamp() END,
               last_status = told.status, last_error = told.error
          FROM told
         WHERE d.id = told.id AND d.lease_token = told.token AND d.state = 'waiting'
        RETURNING d.id, d.webhook_id, d.attempts, told.state, told.throttle_s, told.gone, told.took_ms,
                  told.request_head, told.status, told.response_head, told.response_body, told.error
    ), attempted AS (
        INSERT INTO webhook_attempts (delivery_id, number, at, took_ms, request_head, status, response_head,
                                      response_body, error)
        SELECT id, attempts, clock_timestamp() - make_interval(secs => took_ms / 1000.0), took_ms, request_head,
               status, response_head, decode(response_body, 'base64'), error
          FROM done
    ), health AS (
        SELECT webhook_id, bool_or(state = 'delivered') AS well, bool_or(state <> 'delivered') AS ill,
               bool_or(gone) AS gone, max(throttle_s) AS throttle_s
          FROM done GROUP BY webhook_id
    ), held AS MATERIALIZED (
        SELECT id, disabled_at FROM webhooks
         WHERE id = ANY (ARRAY(SELECT webhook_id FROM health)) ORDER BY id FOR NO KEY UPDATE
    ), off AS (
        UPDATE webhooks w
           SET last_success_at = CASE WHEN h.well THEN clock_timestamp() ELSE w.last_success_at END,
               last_failure_at = CASE WHEN h.ill THEN clock_timestamp() ELSE w.last_failure_at END,
               failing_since = CASE WHEN NOT h.well THEN coalesce(w.failing_since, clock_timestamp()) END,
               throttled_until = coalesce(clock_timestamp() + make_interval(secs => h.throttle_s), w.throttled_until),
               disabled_at = CASE WHEN w.disabled_at IS NULL AND {disabled} IS NULL THEN NULL
                                  ELSE coalesce(w.disabled_at, clock_timestamp()) END,
               disabled_because = coalesce(w.disabled_because, {disabled}),
               version = w.version + CASE WHEN w.disabled_at IS NULL AND {disabled} IS NOT NULL THEN 1 ELSE 0 END
          FROM health h
         WHERE w.id = h.webhook_id AND w.id = ANY (ARRAY(SELECT id FROM held))
        RETURNING w.id, w.tenant, w.disabled_because
    )
    SELECT done.id, off.id AS webhook_id, off.tenant, off.disabled_because, held.disabled_at IS NOT NULL AS off_before
      FROM done LEFT JOIN off ON off.id = done.webhook_id LEFT JOIN held ON held.id = off.id
""".replace(
        "{disabled}",
        f"""CASE WHEN h.gone THEN 'gone' WHEN NOT h.well
               AND w.failing_since < clock_timestamp() - make_interval(secs => {FAILING_S}) THEN 'failing' END""",
    )
)
_BACKLOG = text(f"""
    /* webhook_deliveries.backlog */
    {_OWED}
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(owed.due_at)), 0)::float8 AS oldest_s,
           (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8
              FROM (SELECT at FROM webhook_events WHERE spread_at IS NULL ORDER BY id LIMIT 1) AS first) AS unspread_s,
           (SELECT count(*) FROM (SELECT FROM webhook_deliveries WHERE state = 'waiting' LIMIT 10001) AS w) AS waiting,
           (SELECT count(*) FROM (SELECT FROM webhooks WHERE disabled_because <> 'asked' LIMIT 10001) AS w) AS disabled
      FROM owed JOIN webhooks w ON w.id = owed.webhook_id
     WHERE owed.due_at <= clock_timestamp() AND w.disabled_at IS NULL
       AND (w.throttled_until IS NULL OR w.throttled_until <= clock_timestamp())
""")
_FORGET = text("""
    /* webhook_events.forget */
    DELETE FROM webhook_events
     WHERE id = ANY (ARRAY(
           SELECT e.id FROM webhook_events e
            WHERE e.id < :before AND e.spread_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.event_id = e.id AND d.state = 'waiting')
            ORDER BY e.id LIMIT :slice FOR UPDATE SKIP LOCKED))
""")
_FORGET_SECRETS = text("""
    /* webhook_secrets.forget */
    DELETE FROM webhook_secrets WHERE ends_at < clock_timestamp()
""")


class Claimed(NamedTuple):
    """A delivery that this relay may make, until its lease ends."""

    id: UUID
    webhook_id: UUID
    tenant: str
    event_id: UUID
    token: UUID
    tries: int
    """Earlier tries in this round: a redelivery begins another round."""
    attempts: int
    body: str
    url: str
    now: float
    """Seconds since 1970, by the database's clock."""


class Attempt(NamedTuple):
    """The result of one try. The caller has bounded the length of its texts."""

    id: UUID
    token: UUID
    state: str
    delay_s: float | None
    """The pause before the next try; None if there is none."""
    throttle_s: float | None
    """For this long nothing at all is sent to its webhook."""
    gone: bool
    took_ms: int
    request_head: str | None
    status: int | None
    response_head: str | None
    response_body: str
    """In Base64."""
    error: str | None


class Off(NamedTuple):
    """A webhook that was disabled by this."""

    id: UUID
    tenant: str
    because: str


class Backlog(NamedTuple):
    """What waits to be sent, and how many webhooks are disabled."""

    oldest_s: float
    """Age of the oldest delivery that is due, or of the oldest event that was not yet spread."""
    waiting: int
    """Counted up to 10,001."""
    disabled: int
    """Webhooks that were disabled because of their answers, counted up to 10,001."""


def any_due(conn: Connection) -> bool:
    """True if there is an event to spread or a delivery that may be due."""
    return bool(conn.execute(_ANY).scalar_one())


def claim(conn: Connection, *, most: int) -> Sequence[Claimed]:
    """Take up to `most` due deliveries, and from each webhook and tenant no more than may be in progress."""
    return [Claimed(*row) for row in conn.execute(_CLAIM, {"most": most})]


def record(conn: Connection, attempts: Sequence[Attempt]) -> tuple[set[UUID], Sequence[Off]]:
    """Write the results: the attempt, the delivery's new state, and the state of its webhook.

    Returns the deliveries whose lease was still held, and the webhooks that were disabled by this. Pending deliveries
    of a disabled webhook are given up with it, whatever disabled it.
    """
    rows = conn.execute(_RECORD, {"told": json_text.write([one._asdict() for one in attempts])}).all()
    off = {row.webhook_id: row for row in rows if row.disabled_because}
    ending.drop(conn, list(off))
    newly = [Off(row.webhook_id, row.tenant, row.disabled_because) for row in off.values() if not row.off_before]
    return {row.id for row in rows}, newly


def backlog(conn: Connection) -> Backlog:
    """Return what waits."""
    row: Any = conn.execute(_BACKLOG).one()
    return Backlog(max(0.0, row.oldest_s, row.unspread_s), row.waiting, row.disabled)


def forget(conn: Connection, *, before: UUID, slice_size: int) -> int:
    """Remove up to `slice_size` events with ids below `before`, with their deliveries, and secrets that are over."""
    conn.execute(_FORGET_SECRETS)
    return conn.execute(_FORGET, {"before": before, "slice": slice_size}).rowcount
