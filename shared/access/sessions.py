"""Sessions of the console: who is signed in, until when. The database holds the hashes of their cookies only."""

from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

LASTS_S = 12 * 3600.0
"""A day's work; then whoever it is signs in again."""
IDLE_S = 3600.0
"""A session that nobody has used for so long has ended."""
_SLICE = 100
"""Sessions that one sign-in removes: more than it adds."""

_BEGIN = text("""
    /* sessions.begin */
    INSERT INTO console_sessions (token_sha256, tenant, key_id, expires_at)
    VALUES (:hash, :tenant, :key_id, clock_timestamp() + make_interval(secs => :lasts_s))
""")
_HOLDER = text("""
    /* sessions.holder */
    SELECT k.tenant, k.name, k.scopes, k.id AS key_id
      FROM console_sessions s
      JOIN api_keys k ON k.id = s.key_id AND k.tenant = s.tenant
     WHERE s.token_sha256 = :hash AND s.expires_at > clock_timestamp()
       AND s.seen_at + make_interval(secs => :idle_s) > clock_timestamp()
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
""")
# Once a minute at most: a page that is open asks every second.
_SEEN = text("""
    /* sessions.seen */
    UPDATE console_sessions SET seen_at = clock_timestamp()
     WHERE token_sha256 = :hash AND seen_at < clock_timestamp() - interval '1 min'
""")
_END = text("/* sessions.end */ DELETE FROM console_sessions WHERE token_sha256 = :hash")
_FORGET = text("""
    /* sessions.forget */
    DELETE FROM console_sessions WHERE token_sha256 = ANY (ARRAY(
        SELECT token_sha256 FROM console_sessions
         WHERE expires_at < clock_timestamp() ORDER BY expires_at LIMIT :slice FOR UPDATE SKIP LOCKED))
""")


class Holder(NamedTuple):
    """Who is signed in: the key that opened the session, as it is now."""

    tenant: str
    name: str
    scopes: frozenset[str]
    key_id: str


def begin(conn: Connection, token_sha256: bytes, *, tenant: str, key_id: str, lasts_s: float = LASTS_S) -> None:
    """Open a session for the tenant's key, and remove some whose time is over."""
    conn.execute(_FORGET, {"slice": _SLICE})
    asked = {"hash": token_sha256, "tenant": tenant, "key_id": key_id, "lasts_s": lasts_s}
    conn.execute(_BEGIN, asked)


def holder_of(conn: Connection, token_sha256: bytes, *, idle_s: float = IDLE_S) -> Holder | None:
    """Who is signed in; None if there is no such session, its time is over, or its key works no more."""
    row = conn.execute(_HOLDER, {"hash": token_sha256, "idle_s": idle_s}).one_or_none()
    if row is None:
        return None
    conn.execute(_SEEN, {"hash": token_sha256})
    return Holder(row.tenant, row.name, frozenset(row.scopes), row.key_id)


def end(conn: Connection, token_sha256: bytes) -> bool:
    """End the session. False if there was none."""
    return conn.execute(_END, {"hash": token_sha256}).rowcount == 1
