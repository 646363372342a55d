"""Who may call the API: keys, kept only as hashes."""

import hashlib
import secrets

from sqlalchemy import text
from sqlalchemy.engine import Connection

DEFAULT_TENANT = "default"
"""Whose jobs these are when no keys are asked for."""

_PREFIX = "todoke_"

_TENANT = text("/* api_keys.tenant */ SELECT tenant FROM api_keys WHERE key_sha256 = :hash AND revoked_at IS NULL")
_CREATE = text("/* api_keys.create */ INSERT INTO api_keys (key_sha256, tenant, name) VALUES (:hash, :tenant, :name)")
_REVOKE = text("""
    /* api_keys.revoke */
    UPDATE api_keys SET revoked_at = clock_timestamp() WHERE tenant = :tenant AND name = :name AND revoked_at IS NULL
""")


def create_key(conn: Connection, *, tenant: str, name: str) -> str:
    """Make a key for `tenant`. It is returned once and stored only as SHA-256: 256 random bits need no slow hash."""
    key = _PREFIX + secrets.token_urlsafe(32)
    conn.execute(_CREATE, {"hash": _hash(key), "tenant": tenant, "name": name})
    return key


def revoke_keys(conn: Connection, *, tenant: str, name: str) -> int:
    """Revoke the tenant's keys of that name. Returns how many there were."""
    return conn.execute(_REVOKE, {"tenant": tenant, "name": name}).rowcount


def tenant_of(conn: Connection, key: str) -> str | None:
    """The tenant that `key` belongs to; None if it is unknown or revoked."""
    tenant: str | None = conn.execute(_TENANT, {"hash": _hash(key)}).scalar()
    return tenant


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
