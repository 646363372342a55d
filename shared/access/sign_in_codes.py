"""One-time codes that sign a person in to the console in place of an API key. The database stores only their hashes."""

import hashlib
import secrets
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

PREFIX = "signin_"
"""Codes begin with this, and API keys do not."""
LASTS_S = 600.0
"""Ten minutes: the person is waiting for the link."""
_SLICE = 100
"""How many expired codes a new one removes: more than it adds."""

_CREATE = text("""
    /* sign_in_codes.create */
    INSERT INTO sign_in_codes (code_sha256, tenant, key_id, expires_at)
    VALUES (:hash, :tenant, :key_id, clock_timestamp() + make_interval(secs => :lasts_s))
""")
# A concurrent second use waits for the first transaction and then finds nothing: the row is gone once the session
# exists.
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
    """A code, and what the database stores of it."""

    text: str
    sha256: bytes


class Redeemed(NamedTuple):
    """Whom a code signs in: the current state of its key."""

    tenant: str
    name: str
    scopes: frozenset[str]
    key_id: str


def new_code() -> Code:
    """Return a new code. Secret."""
    return read_code(PREFIX + secrets.token_urlsafe(32))


def read_code(given: str) -> Code:
    """Return a presented code, valid or not. 256 random bits need no slow hash."""
    return Code(given, hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest())


def create(conn: Connection, code: Code, *, tenant: str, key_id: str, lasts_s: float = LASTS_S) -> None:
    """Create a code that signs somebody in once as the tenant's key, and remove some expired codes."""
    conn.execute(_FORGET, {"slice": _SLICE})
    conn.execute(_CREATE, {"hash": code.sha256, "tenant": tenant, "key_id": key_id, "lasts_s": lasts_s})


def redeem(conn: Connection, code: Code) -> Redeemed | None:
    """Use up the code: it is gone when this transaction commits. Returns whom it signs in.

    None if there is no such code, it was used or has expired, or its key does not work any more.
    """
    row = conn.execute(_REDEEM, {"hash": code.sha256}).one_or_none()
    return None if row is None else Redeemed(row.tenant, row.name, frozenset(row.scopes), row.key_id)
