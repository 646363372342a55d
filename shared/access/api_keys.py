"""API keys: who owns which. The database holds their hashes only."""

import hashlib
import secrets
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access.scopes import USUAL

_PREFIX = "todoke_"

_OWNER = text("""
    /* api_keys.owner */
    SELECT tenant, name, scopes
      FROM api_keys
     WHERE key_sha256 = :hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
""")
_CREATE = text("""
    /* api_keys.create */
    INSERT INTO api_keys (key_sha256, tenant, name, scopes, expires_at)
    VALUES (:hash, :tenant, :name, :scopes, clock_timestamp() + make_interval(secs => :valid_s))
""")
_REVOKE = text("""
    /* api_keys.revoke */
    UPDATE api_keys SET revoked_at = clock_timestamp() WHERE tenant = :tenant AND name = :name AND revoked_at IS NULL
""")


class Owner(NamedTuple):
    """Who a key belongs to."""

    tenant: str
    name: str
    """What the key was called when it was made, for example `ci`."""
    scopes: frozenset[str]


def create_key(
    conn: Connection, *, tenant: str, name: str, scopes: Collection[str] = USUAL, valid_s: float | None = None
) -> str:
    """Make a key for `tenant` with these scopes, which works for `valid_s` seconds, or until it is revoked.

    It is returned once and stored only as SHA-256: 256 random bits need no slow hash.
    """
    key = _PREFIX + secrets.token_urlsafe(32)
    about = {"hash": hash_of(key), "tenant": tenant, "name": name, "scopes": sorted(scopes), "valid_s": valid_s}
    conn.execute(_CREATE, about)
    return key


def revoke_keys(conn: Connection, *, tenant: str, name: str) -> int:
    """Revoke the tenant's keys of that name. Returns how many there were."""
    return conn.execute(_REVOKE, {"tenant": tenant, "name": name}).rowcount


def owner_of(conn: Connection, key_hash: bytes) -> Owner | None:
    """The owner of the key with that hash; None if it is unknown, revoked or over."""
    row = conn.execute(_OWNER, {"hash": key_hash}).one_or_none()
    return None if row is None else Owner(row.tenant, row.name, frozenset(row.scopes))


def hash_of(key: str) -> bytes:
    """The SHA-256 by which a key is known."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
