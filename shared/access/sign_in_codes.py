"""One-time codes that sign somebody in to the console in the place of an API key, once. The database holds hashes."""

import hashlib
import secrets
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

PREFIX = "signin_"
"""Codes begin with this, and API keys do not."""
LASTS_S = 600.0
"""Ten minutes: somebody waits for the link."""
_SLICE = 100
"""Codes that a new one removes: more than it adds."""

_CREATE = text("""
    /* sign_in_codes.create */
    INSERT INTO sign_in_codes (code_sha256, tenant, key_id, expires_at)
    VALUES (:hash, :tenant, :key_id, clock_timestamp() + make_interval(secs => :lasts_s))
""")
# Whoever comes second waits for the first one's transaction, and finds nothing: the row is gone with the session there.
_REDEEM = text("""
    /* sign_in_codes.redeem */
    DELETE FROM sign_in_codes c USING api_keys k
     WHERE c.code_sha256 = :hash AND c.expires_at > clock_timestamp() AND k.id = c.key_id AND k.tenant = c.tenant
       AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
    RETURNING k.tenant, k.name, k.scopes, k.id AS key_id
""")
_FORGET = text("""
    /* sign_in_codes.forget */
    DELETE FROM sign_in_codes WHERE code_sha256 = ANY (ARRAY(
        SELECT code_sha256 FROM sign_in_codes
         WHERE expires_at < clock_timestamp() ORDER BY expires_at LIMIT :slice FOR UPDATE SKIP LOCKED))
""")


class Code(NamedTuple):
    """A code, and what the database knows of it."""

    text: str
    sha256: bytes


class Redeemed(NamedTuple):
    """Whom a code signs in: its key, as it is now."""

    tenant: str
    name: str
    scopes: frozenset[str]
    key_id: str


def new_code() -> Code:
    """A new code. Secret."""
    return read_code(PREFIX + secrets.token_urlsafe(32))


def read_code(given: str) -> Code:
    """The code that somebody shows, right or wrong. 256 random bits need no slow hash."""
    return Code(given, hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest())


def create(conn: Connection, code: Code, *, tenant: str, key_id: str, lasts_s: float = LASTS_S) -> None:
    """Let the code sign somebody in as the tenant's key, once, and remove some codes whose time is over."""
    conn.execute(_FORGET, {"slice": _SLICE})
    conn.execute(_CREATE, {"hash": code.sha256, "tenant": tenant, "key_id": key_id, "lasts_s": lasts_s})


def redeem(conn: Connection, code: Code) -> Redeemed | None:
    """Use the code up: it is gone when this transaction commits. Returns who it signs in.

    None if there is no such code, it was used, its time is over, or its key works no more.
    """
    row = conn.execute(_REDEEM, {"hash": code.sha256}).one_or_none()
    return None if row is None else Redeemed(row.tenant, row.name, frozenset(row.scopes), row.key_id)
