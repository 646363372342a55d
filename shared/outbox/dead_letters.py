"""Copies of the dead-letter queue's messages, and what operators requested for them.

A relay copies, and carries out the requests. A message stays in its queue until a request for it was carried out there.
A lost copy is made again by the next look, and one whose message has left is removed. So the rows are a picture, and
the queue is the truth.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared import json_text

LONGEST_BODY = 4_096
"""Characters of a body that a copy keeps: a doorbell has some fifty."""
_LONGEST_REASON = 200
MOST = 1_000
"""Messages that one look walks over, and rows that one request covers."""
GONE_S = 180.0
"""A message that no complete walk has met for this long has left: others hide one for 120 s at most."""
_UNSEEN_S, _WISHED_S = 3_600.0, 86_400.0
"""The same where no walk is complete; and for a row with a request."""


class Wish(StrEnum):
    """What to do with a message."""

    REDRIVE = "redrive"
    """Send it to the queue again."""
    DROP = "drop"
    """Delete it."""


_WISHES = frozenset(map(str, Wish))
"""Any other is one for a relay of a newer release."""


class Copy(NamedTuple):
    """A message as a walk met it."""

    message_id: str
    job_id: UUID | None
    """The job that it names; None if it is not one of our doorbells."""
    body: str
    reason: str
    receives: int
    sent_at: datetime | None


class DeadLetterRow(NamedTuple):
    """A copy, and what was requested for its message."""

    id: int
    """Ids follow the order in which the messages were first seen."""
    message_id: str
    first_seen_at: datetime
    sent_at: datetime | None
    receives: int
    """Deliveries before it was copied, approximately."""
    size_bytes: int
    reason: str
    """Why a worker dead-lettered it; empty if the queue service did."""
    job_id: UUID | None
    tenant: str | None
    """The tenant of the job that it names; None if there is no such job."""
    body: str
    """The beginning of the message's body."""
    wish: str | None
    wished_at: datetime | None
    wished_by: str | None


_DUE = text("""
    /* dead_letters.due */
    SELECT coalesce((SELECT next_at <= clock_timestamp() FROM measurements WHERE subject = 'dead_letters'), true)
""")

# One relay looks at a time: two would hide messages from each other. If a relay dies during its look, the next one
# looks again.
_BEGIN_LOOK = text("""
    /* dead_letters.begin_look */
    INSERT INTO measurements AS m (subject, facts, next_at)
    VALUES ('dead_letters', '{}', clock_timestamp() + make_interval(secs => :pause_s))
        ON CONFLICT (subject) DO UPDATE SET next_at = excluded.next_at WHERE m.next_at <= clock_timestamp()
    RETURNING clock_timestamp()
""")

# A request made meanwhile keeps its look.
_END_LOOK = text("""
    /* dead_letters.end_look */
    UPDATE measurements
       SET at = clock_timestamp(), facts = CAST(:facts AS jsonb),
           next_at = CASE WHEN next_at <= clock_timestamp() THEN next_at
                          ELSE clock_timestamp() + make_interval(secs => :pause_s) END
     WHERE subject = 'dead_letters'
""")

_COPY = text("""
    /* dead_letters.copy */
    INSERT INTO dead_letters (message_id, job_id, tenant, body, size_bytes, reason, receives, sent_at)
    SELECT met.message_id, met.job_id, (SELECT tenant FROM jobs WHERE id = met.job_id), met.body,
           met.size_bytes, met.reason, met.receives, met.sent_at
      FROM jsonb_to_recordset(CAST(:met AS jsonb))
           AS met(message_id text, job_id uuid, body text, size_bytes int, reason text, receives int,
                  sent_at timestamptz)
     ORDER BY met.message_id
        ON CONFLICT (message_id) DO UPDATE SET seen_at = clock_timestamp()
    RETURNING message_id, wish
""")

_ANY = text("/* dead_letters.any */ SELECT (SELECT message_id FROM dead_letters LIMIT 1) IS NOT NULL")

_DONE = text("""
    /* dead_letters.done */
    DELETE FROM dead_letters WHERE message_id = ANY (CAST(:ids AS text[]))
""")

_FORGET = text("""
    /* dead_letters.forget */
    DELETE FROM dead_letters
     WHERE seen_at < clock_timestamp() - make_interval(secs =>
           CASE WHEN wish IS NULL THEN CAST(:unseen_s AS float8) ELSE :wished_s END)
""")

_COLUMNS = """id, message_id, first_seen_at, sent_at, receives, size_bytes, reason, job_id, tenant, body, wish,
           wished_at, wished_by"""

_LIST = text(f"""
    /* dead_letters.list */
    SELECT {_COLUMNS} FROM dead_letters
     WHERE id > :after ORDER BY id LIMIT :limit
""")

_FIND = text(f"""
    /* dead_letters.find */
    SELECT {_COLUMNS} FROM dead_letters
     WHERE message_id = ANY (CAST(:ids AS text[])) AND wish IS NULL ORDER BY id
""")

# A message that no worker would understand is not sent to the workers again.
_FIND_ALL = text(f"""
    /* dead_letters.find_all */
    SELECT {_COLUMNS} FROM dead_letters
     WHERE wish IS NULL AND (NOT :ours OR job_id IS NOT NULL)
     ORDER BY id LIMIT :limit
""")

_WISH = text("""
    /* dead_letters.wish */
    UPDATE dead_letters SET wish = :wish, wished_at = clock_timestamp(), wished_by = :by
     WHERE message_id = ANY (CAST(:ids AS text[])) AND wish IS NULL
    RETURNING message_id
""")

_LOOK_NOW = text("""
    /* dead_letters.look_now */
    UPDATE measurements SET next_at = clock_timestamp() WHERE subject = 'dead_letters'
""")


def look_is_due(conn: Connection) -> bool:
    """True if a look into the queue is due. Opens no transaction."""
    return conn.execute(_DUE).scalar_one() is True


def begin_look(conn: Connection, *, pause_s: float) -> bool:
    """Claim the look that is due; False if another relay has claimed it.

    If `end_look` never follows, the next is in `pause_s`.
    """
    return conn.execute(_BEGIN_LOOK, {"pause_s": pause_s}).first() is not None


def end_look(conn: Connection, facts: Mapping[str, Any], *, pause_s: float) -> None:
    """Store the result of the look. The next is in `pause_s`, or at once if there are new requests."""
    conn.execute(_END_LOOK, {"facts": json_text.write(facts), "pause_s": pause_s})


def copy(conn: Connection, met: Sequence[Copy]) -> Mapping[str, Wish]:
    """Copy messages, or record that they are still there. Returns the requests for any of them."""
    rows = [
        {
            **each._asdict(),
            "body": json_text.storable(each.body[:LONGEST_BODY]),
            "size_bytes": len(each.body.encode("utf-8", "replace")),
            "reason": json_text.storable(each.reason[:_LONGEST_REASON]),
        }
        for each in met
    ]
    found = conn.execute(_COPY, {"met": json_text.write(rows)})
    return {row.message_id: Wish(row.wish) for row in found if row.wish in _WISHES}


def any_copied(conn: Connection) -> bool:
    """True if there is a copy."""
    return conn.execute(_ANY).scalar_one() is True


def done(conn: Connection, message_ids: Sequence[str]) -> None:
    """Remove the copies of messages for which a request was carried out."""
    if message_ids:
        conn.execute(_DONE, {"ids": list(message_ids)})


def forget(conn: Connection, *, to_the_end: bool, gone_s: float = GONE_S) -> int:
    """Remove the copies of messages that have left in another way. Returns how many.

    `to_the_end` says that the last walk met everything that was not hidden.
    """
    unseen_s = gone_s if to_the_end else _UNSEEN_S
    wished_s = gone_s if to_the_end else _WISHED_S
    return int(conn.execute(_FORGET, {"unseen_s": unseen_s, "wished_s": wished_s}).rowcount)


def list_rows(conn: Connection, *, size: int, after: int = 0) -> list[DeadLetterRow]:
    """Return up to `size` copies, in the order first seen, after the one with that id."""
    return [DeadLetterRow(*row) for row in conn.execute(_LIST, {"after": after, "limit": size})]


def find(conn: Connection, message_ids: Sequence[str]) -> list[DeadLetterRow]:
    """Return those of these messages for which nothing is requested yet."""
    return [DeadLetterRow(*row) for row in conn.execute(_FIND, {"ids": list(message_ids)})]


def find_all(conn: Connection, wish: Wish, *, most: int = MOST) -> list[DeadLetterRow]:
    """Return up to `most` messages for which nothing is requested yet; for a redrive, only those that name a job."""
    asked = {"ours": wish is Wish.REDRIVE, "limit": most}
    return [DeadLetterRow(*row) for row in conn.execute(_FIND_ALL, asked)]


def wish_for(conn: Connection, message_ids: Sequence[str], wish: Wish, *, by: str | None) -> frozenset[str]:
    """Ask a relay to do this with these messages, soon. Returns those for which nothing was requested before."""
    taken = frozenset(conn.execute(_WISH, {"ids": list(message_ids), "wish": wish, "by": by}).scalars())
    conn.execute(_LOOK_NOW)
    return taken
