"""Cleans up after webhooks that are disabled or deleted, in slices: deliveries are given up, rows removed.

The request that disables or deletes a webhook handles the first slice, so that it costs the same however much waits. A
relay does the rest. Meanwhile a disabled webhook receives nothing; if it is switched on again, it receives what was not
yet given up.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

SLICE = 1_000
"""Deliveries that one statement gives up or removes."""

_DEAD = "state = 'dead', ended_at = clock_timestamp(), lease_token = NULL"
# The caller has locked the webhook. A transaction that has locked a delivery waits for that lock, to write the result,
# so such deliveries are left to a relay.
_DROP = text(f"""
    /* webhook_deliveries.drop */
    UPDATE webhook_deliveries SET {_DEAD}
     WHERE id = ANY (ARRAY(
           SELECT d.id FROM unnest(CAST(:ids AS uuid[])) AS w(id), LATERAL (
                  SELECT id FROM webhook_deliveries
                   WHERE webhook_id = w.id AND state = 'waiting' ORDER BY due_at LIMIT :slice
                     FOR UPDATE SKIP LOCKED) AS d
            LIMIT :slice))
""")
# Each webhook with pending deliveries, by one look into the index.
_DROP_LEFT = text(f"""
    /* webhook_deliveries.drop_left */
    WITH RECURSIVE owed AS (
        (SELECT webhook_id FROM webhook_deliveries WHERE state = 'waiting' ORDER BY webhook_id, due_at LIMIT 1)
        UNION ALL
        SELECT next.webhook_id FROM owed, LATERAL (
               SELECT webhook_id FROM webhook_deliveries
                WHERE state = 'waiting' AND webhook_id > owed.webhook_id ORDER BY webhook_id, due_at LIMIT 1) AS next
    ), ended AS MATERIALIZED (
        SELECT webhook_id AS id FROM owed
         WHERE (SELECT disabled_at FROM webhooks WHERE id = owed.webhook_id) IS NOT NULL
    )
    UPDATE webhook_deliveries SET {_DEAD}
     WHERE id = ANY (ARRAY(
           SELECT d.id FROM ended, LATERAL (
                  SELECT id FROM webhook_deliveries
                   WHERE webhook_id = ended.id AND state = 'waiting' ORDER BY due_at LIMIT :slice
                     FOR UPDATE SKIP LOCKED) AS d
            LIMIT :slice))
""")
_FIRST = "SELECT id FROM webhooks WHERE deleted_at IS NOT NULL ORDER BY id LIMIT 1"
_STRIP = text(f"""
    /* webhook_deliveries.erase */
    DELETE FROM webhook_deliveries
     WHERE id = ANY (ARRAY(
           SELECT d.id FROM ({_FIRST}) AS w, LATERAL (
                  SELECT id FROM webhook_deliveries
                   WHERE webhook_id = w.id ORDER BY webhook_id, state, id LIMIT :slice FOR UPDATE SKIP LOCKED) AS d))
""")
_ERASE = text(f"""
    /* webhooks.erase */
    DELETE FROM webhooks
     WHERE id = ({_FIRST}) AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.webhook_id = webhooks.id)
""")


def drop(conn: Connection, webhooks: Sequence[UUID]) -> int:
    """Give up a slice of the pending deliveries of these webhooks, which are disabled. Returns how many."""
    return conn.execute(_DROP, {"ids": list(webhooks), "slice": SLICE}).rowcount if webhooks else 0


def drop_left(conn: Connection) -> int:
    """Give up a slice of the pending deliveries of any disabled webhook. Returns how many."""
    return conn.execute(_DROP_LEFT, {"slice": SLICE}).rowcount


def erase(conn: Connection) -> int:
    """Remove a slice of the deliveries of a deleted webhook, or the webhook once it has none.

    Returns how many rows were removed, not counting dependent rows.
    """
    return conn.execute(_STRIP, {"slice": SLICE}).rowcount or conn.execute(_ERASE).rowcount
