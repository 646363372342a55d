"""Takes messages that must leave, and keeps those that could not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text


class OutboxRow(NamedTuple):
    """A message whose transaction committed."""

    id: int
    """Unique within its table: `outbox_retry` has a sequence of its own."""
    topic: str
    group_key: str
    payload: str
    headers: str | None
    attempts: int = 0
    """How many times sending it has failed."""
    behind: bool = False
    """True if messages of its group are held, so that it must queue behind them."""


# In order, and without EXISTS, which ignores the order: on a table full of dead rows it may read them all.
_WAITING = text("""
    /* outbox.waiting */
    SELECT (SELECT id FROM outbox WHERE id > :floor ORDER BY id LIMIT 1) IS NOT NULL
        OR (SELECT due_at FROM outbox_retry WHERE parked_at IS NULL ORDER BY due_at LIMIT 1) <= clock_timestamp()
""")

# Evaluated once for all rows while nothing is held, which is the usual case.
_BEHIND = """(SELECT tenant FROM held LIMIT 1) IS NOT NULL
              AND EXISTS (SELECT FROM held WHERE tenant = {table}.group_key)"""

# `= ANY (ARRAY(...))` and not `IN (...)`: under a nested loop the IN form evaluates the locking subquery again and
# again and deletes the whole table (seen on PostgreSQL 18: 1000 of 1000 rows for LIMIT 10).
_CLAIM = text(f"""
    /* outbox.claim */
    DELETE FROM outbox
     WHERE id = ANY (ARRAY(
           SELECT id FROM outbox
            WHERE id > :floor
            ORDER BY id LIMIT :limit
              FOR UPDATE SKIP LOCKED))
    RETURNING id, topic, group_key, payload, headers, 0, {_BEHIND.format(table="outbox")}
""")

_CLAIM_DUE = text(f"""
    /* outbox_retry.claim */
    DELETE FROM outbox_retry
     WHERE id = ANY (ARRAY(
           SELECT id FROM outbox_retry
            WHERE parked_at IS NULL AND due_at <= clock_timestamp()
            ORDER BY due_at LIMIT :limit
              FOR UPDATE SKIP LOCKED))
    RETURNING id, topic, group_key, payload, headers, attempts, {_BEHIND.format(table="outbox_retry")}
""")

_KEEP = text("""
    /* outbox_retry.keep */
    INSERT INTO outbox_retry (topic, group_key, payload, headers, due_at, attempts, last_error, parked_at)
    SELECT topic, group_key, payload, headers,
           clock_timestamp() + make_interval(secs => delay_s), attempts, last_error,
           CASE WHEN parked THEN clock_timestamp() END
      FROM jsonb_to_recordset(CAST(:rows AS jsonb))
           AS kept(topic text, group_key text, payload text, headers text,
                   delay_s float8, attempts int, last_error text, parked boolean)
""")

# Only the relay may lose a commit: a lost claim merely sends again.
_FORGETTABLE = text("/* outbox.forgettable */ SET LOCAL synchronous_commit = off")

_DUE_AT_LEAST = text("""
    /* outbox_retry.count */
    SELECT count(*) FILTER (WHERE NOT parked) AS waiting, count(*) FILTER (WHERE parked) AS parked
      FROM (SELECT parked_at IS NOT NULL AS parked FROM outbox_retry LIMIT 10000) AS bounded
""")

_BACKLOG = text("""
    /* outbox.backlog */
    SELECT (SELECT last_value FROM outbox_id_seq) - id + 1 AS unsent,
           extract(epoch FROM clock_timestamp() - created_at)::float8 AS oldest_age_s
      FROM outbox WHERE id > :floor ORDER BY id LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message that the queue did not accept this time."""

    row: OutboxRow
    error: str
    delay_s: float
    """Pause before the next try; ignored when parked."""
    parked: bool
    """True when sending the same bytes again cannot succeed: the message is kept and an alert is raised, but it is not
    retried."""


def waiting(conn: Connection, *, floor: int) -> bool:
    """True if rows above `floor` exist, possibly claimed by another relay, or a message is due.

    Opens no transaction, so an idle relay asks this instead of claiming.
    """
    return conn.execute(_WAITING, {"floor": floor}).scalar_one() is True


def claim(conn: Connection, *, floor: int, limit: int) -> list[OutboxRow]:
    """Take up to `limit` rows above `floor`, oldest first. They are gone when this transaction commits."""
    rows = conn.execute(_CLAIM, {"floor": floor, "limit": limit})
    return [OutboxRow(*row) for row in rows]


def claim_due(conn: Connection, *, limit: int) -> list[OutboxRow]:
    """Take up to `limit` messages whose time has come: retries of jobs, and sends that failed before."""
    rows = conn.execute(_CLAIM_DUE, {"limit": limit})
    return [OutboxRow(*row) for row in rows]


def keep(conn: Connection, unsent: Sequence[Unsent]) -> None:
    """Store messages in the transaction that claimed them: each is due again after its `delay_s`, or parked."""
    rows = [
        {
            "topic": u.row.topic,
            "group_key": u.row.group_key,
            "payload": u.row.payload,
            "headers": u.row.headers,
            "delay_s": u.delay_s,
            "attempts": u.row.attempts + 1,
            "last_error": json_text.storable(u.error),  # the text comes from outside
            "parked": u.parked,
        }
        for u in unsent
    ]
    if rows:
        conn.execute(_KEEP, {"rows": json.dumps(rows)})


def commit_may_be_lost(conn: Connection) -> None:
    """Let this transaction's commit return before it is on disk. Only for claims, which are safe to repeat."""
    conn.execute(_FORGETTABLE)


def count_kept(conn: Connection) -> tuple[int, int]:
    """Return how many messages wait for another try, and how many are parked. Looks at 10,000 rows at most."""
    row = conn.execute(_DUE_AT_LEAST).one()
    return row.waiting, row.parked


@dataclass(frozen=True, slots=True)
class Backlog:
    """The messages that have not left yet."""

    unsent: int
    """How many there are, as an upper bound: the ids drawn since the oldest unsent row. 0 is exact."""
    oldest_age_s: float
    """Age of the oldest, by the database's clock; 0 when there is none."""


def backlog(conn: Connection, *, floor: int) -> Backlog:
    """Return the messages above `floor` that have not left yet. Looks at one row."""
    row = conn.execute(_BACKLOG, {"floor": floor}).one_or_none()
    return Backlog(row.unsent, row.oldest_age_s) if row else Backlog(0, 0.0)
