"""The messages that can never be sent as they are, for an operator who removes the cause or drops them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

MOST = 10_000
"""Messages that one call lists or changes."""
_LONGEST_ERROR = 500

_COLUMNS = "id, topic, group_key, payload, headers, created_at, attempts, last_error, parked_at"

_LIST = text(f"""
    /* outbox_retry.parked */
    SELECT {_COLUMNS} FROM outbox_retry WHERE parked_at IS NOT NULL AND id > :after ORDER BY id LIMIT :most
""")
_FIND = text(f"""
    /* outbox_retry.find_parked */
    SELECT {_COLUMNS} FROM outbox_retry WHERE parked_at IS NOT NULL AND id = ANY(CAST(:ids AS bigint[])) ORDER BY id
""")

_REQUEUE = text("""
    /* outbox_retry.requeue */
    UPDATE outbox_retry
       SET parked_at = NULL, due_at = clock_timestamp(),
           last_error = left('sent again: ' || :reason || '; before: ' || coalesce(last_error, ''), :longest)
     WHERE parked_at IS NOT NULL AND id = ANY(CAST(:ids AS bigint[]))
    RETURNING id
""")

_DROP = text("""
    /* outbox_retry.drop */
    DELETE FROM outbox_retry WHERE parked_at IS NOT NULL AND id = ANY(CAST(:ids AS bigint[])) RETURNING id
""")


class ParkedRow(NamedTuple):
    """A message that was set aside permanently."""

    id: int
    topic: str
    group_key: str
    """The tenant that the message belongs to."""
    payload: str
    headers: str | None
    created_at: datetime
    attempts: int
    last_error: str | None
    parked_at: datetime


def parked(conn: Connection, *, most: int = MOST, after: int = 0) -> list[ParkedRow]:
    """Return the oldest `most` parked messages, oldest first, after the one with that id."""
    return [ParkedRow(*row) for row in conn.execute(_LIST, {"most": most, "after": after})]


def find_parked(conn: Connection, ids: Sequence[int]) -> list[ParkedRow]:
    """Return those of these messages that are parked."""
    return [ParkedRow(*row) for row in conn.execute(_FIND, {"ids": list(ids)})]


def requeue(conn: Connection, ids: Sequence[int], *, reason: str) -> frozenset[int]:
    """Make the relay send these messages again, at once. Returns those that were parked until now.

    `last_error` shows the reason until the message is sent, and again if it is parked once more.
    """
    values = {"ids": list(ids), "reason": reason, "longest": _LONGEST_ERROR}
    return frozenset(conn.execute(_REQUEUE, values).scalars())


def drop(conn: Connection, ids: Sequence[int]) -> frozenset[int]:
    """Delete these messages without sending them. Returns those that were parked until now."""
    return frozenset(conn.execute(_DROP, {"ids": list(ids)}).scalars())
