"""Sessions of the console: who is signed in, and until when. The database stores only the hashes of their cookies."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

LASTS_S = 12 * 3600.0
"""A working day; after that the person signs in again."""
IDLE_S = 3600.0
"""A session that was not used for this long has ended."""
_SLICE = 100
"""How many ended sessions one sign-in removes: more than it adds."""

_BEGIN = text("""
    /* sessions.begin */
    INSERT INTO console_sessions (token_sha256, tenant, key_id, subject, scopes, expires_at)
    VALUES (:hash, :tenant, :key_id, :subject, :scopes, clock_timestamp() + make_interval(secs => :lasts_s))
""")
_HOLDER = text("""
    /* sessions.holder */
    SELECT s.tenant, coalesce(k.name, s.subject) AS name, coalesce(k.scopes, s.scopes) AS scopes, s.key_id
      FROM console_sessions s
      LEFT JOIN api_keys k ON k.id = s.key_id AND k.tenant = s.tenant
     WHERE s.token_sha256 = :hash AND s.expires_at > clock_timestamp()
       AND s.seen_at + make_interval(secs => :idle_s) > clock_timestamp()
       AND (k.id IS NOT NULL OR s.key_id IS NULL)
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
""")
# At most once a minute: an open page sends a request every second.
_SEEN = text("""
    /* sessions.seen */
    UPDATE console_sessions SET seen_at = clock_timestamp()
     WHERE token_sha256 = :hash AND seen_at < clock_timestamp() - interval '1 min'
""")
_OF_HOLDER = text("""
    /* sessions.of_holder */
    SELECT token_sha256, created_at, seen_at, expires_at FROM console_sessions
     WHERE tenant = :tenant AND coalesce(key_id, subject) = :holder
     ORDER BY created_at DESC LIMIT :most
""")
_END = text("/* sessions.end */ DELETE FROM console_sessions WHERE token_sha256 = :hash")
_FORGET = text("""
    /* sessions.forget */
    DELETE FROM console_sessions WHERE token_sha256 = ANY (ARRAY(
        SELECT token_sha256 FROM console_sessions
         WHERE expires_at < clock_timestamp() ORDER BY expires_at LIMIT :slice FOR UPDATE SKIP LOCKED))
""")


class Holder(NamedTuple):
    """Who is signed in: the key that opened the session, in its current state; or a person vouched for by an issuer."""

    tenant: str
    name: str
    scopes: frozenset[str]
    key_id: str | None


class Session(NamedTuple):
    """A session, as shown to its holder."""

    token_sha256: bytes
    began_at: datetime
    seen_at: datetime
    """When it was last used; the actual time may be up to a minute later."""
    ends_at: datetime
    """When it ends, if it does not end sooner because it was idle for IDLE_S."""


class Person(NamedTuple):
    """A person vouched for by an issuer of tokens."""

    subject: str
    scopes: frozenset[str]


def begin(conn: Connection, token_sha256: bytes, *, tenant: str, who: str | Person, lasts_s: float = LASTS_S) -> None:
    """Open a session for the tenant's key (its id) or for a person, and remove some ended sessions."""
    conn.execute(_FORGET, {"slice": _SLICE})
    person = who if isinstance(who, Person) else None
    asked = {
        "hash": token_sha256, "tenant": tenant, "lasts_s": lasts_s,
        "key_id": who if person is None else None, "subject": person and person.subject,
        "scopes": None if person is None else sorted(person.scopes),
    }  # fmt: skip
    conn.execute(_BEGIN, asked)


def holder_of(conn: Connection, token_sha256: bytes, *, idle_s: float = IDLE_S) -> Holder | None:
    """Return who is signed in; None if there is no such session, it has ended, or its key has."""
    row = conn.execute(_HOLDER, {"hash": token_sha256, "idle_s": idle_s}).one_or_none()
    if row is None:
        return None
    conn.execute(_SEEN, {"hash": token_sha256})
    return Holder(row.tenant, row.name, frozenset(row.scopes), row.key_id)


def of_holder(conn: Connection, tenant: str, holder: str, *, most: int) -> Sequence[Session]:
    """Return the newest `most` sessions of a key (its id) or a person (their subject), including ended ones."""
    asked = {"tenant": tenant, "holder": holder, "most": most}
    return [Session(*row) for row in conn.execute(_OF_HOLDER, asked)]


def end(conn: Connection, token_sha256: bytes) -> bool:
    """End the session. False if there was none."""
    return conn.execute(_END, {"hash": token_sha256}).rowcount == 1
