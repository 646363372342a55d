"""What is left of webhooks that are disabled or deleted: given up, and removed, in slices.

Whoever disables or deletes one takes the first slice along, so that an end costs the same however much waits. A relay
takes the rest; meanwhile a disabled webhook is told nothing, and one that is switched on again what was not given up.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

SLICE = 1_000
"""Deliveries that one statement gives up or removes."""

_DEAD = "state = 'dead', ended_at = clock_timestamp(), lease_token = NULL"
# The caller holds the webhook. Whoever holds a delivery waits for that, to say how it went: it is left to a relay.
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
# Each webhook that waits for something, by one look into the index.
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
    """Give up a slice of what waits for these webhooks, which are disabled. Returns how many deliveries."""
    return conn.execute(_DROP, {"ids": list(webhooks), "slice": SLICE}).rowcount if webhooks else 0


def drop_left(conn: Connection) -> int:
    """Give up a slice of what waits for any webhook that is disabled. Returns how many deliveries."""
    return conn.execute(_DROP_LEFT, {"slice": SLICE}).rowcount


def erase(conn: Connection) -> int:
    """Remove a slice of the deliveries of a webhook that was deleted, or the webhook that has none any more.

    Returns how many rows went, not counting those that go with them.
    """
    return conn.execute(_STRIP, {"slice": SLICE}).rowcount or conn.execute(_ERASE).rowcount
