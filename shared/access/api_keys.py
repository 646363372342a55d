"""API keys: who owns them, and how they are created, used, ended and forgotten.

The database stores only their hashes.
"""

import hmac
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access.key_text import KeyText, new_key, read_key
from shared.access.scopes import USUAL

_BEGINNING, _END = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


class Owner(NamedTuple):
    """The owner of a key."""

    tenant: str
    name: str
    """The name that the key was given, for example `ci`. Jobs requested with the key belong to this name."""
    scopes: frozenset[str]
    expires_at: datetime | None = None


class ApiKey(NamedTuple):
    """A key, without its secret."""

    id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime
    created_by: str | None
    """Who created it; None where no identity was required."""
    replaces: str | None
    """The id of the key that this one was created to follow."""
    expires_at: datetime | None
    last_used_at: datetime | None
    """Accurate to about a minute."""
    revoked_at: datetime | None


class NewKey(NamedTuple):
    """The key to create."""

    name: str
    scopes: Collection[str] = USUAL
    environment: str = "live"
    valid_s: float | None = None
    """None means until it is revoked."""
    expires_at: datetime | None = None
    """Replaces `valid_s`."""
    created_by: str | None = None
    replaces: str | None = None
    request: str | None = None
    """The name of the request that creates it: a second request with this name creates no second key."""
    digest: str | None = None
    """The digest of that request's content."""


class Made(NamedTuple):
    """A created key."""

    secret: str
    """The whole key. It is returned once, and stored only as SHA-256."""
    key: ApiKey


class EarlierRequest(NamedTuple):
    """A key that an earlier request of the same name created."""

    key: ApiKey
    digest: str


_OWNER = text("""
    /* api_keys.owner */
    SELECT tenant, name, scopes, expires_at, key_sha256
      FROM api_keys
     WHERE id = :id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
""")
_COLUMNS = "id, name, scopes, created_at, created_by, replaces, expires_at, last_used_at, revoked_at"
_CREATE = text(f"""
    /* api_keys.create */
    INSERT INTO api_keys (id, key_sha256, tenant, name, scopes, expires_at, created_by, replaces, request, digest)
    VALUES (:id, :hash, :tenant, :name, :scopes,
            coalesce(CAST(:expires_at AS timestamptz), clock_timestamp() + make_interval(secs => :valid_s)),
            :created_by, :replaces, :request, :digest)
        ON CONFLICT (tenant, request) WHERE request IS NOT NULL DO NOTHING
    RETURNING {_COLUMNS}
""")
_GET = text(f"/* api_keys.get */ SELECT {_COLUMNS} FROM api_keys WHERE id = :id AND tenant = :tenant")
_MADE_BY = text(f"""
    /* api_keys.made_by */
    SELECT {_COLUMNS}, digest FROM api_keys WHERE tenant = :tenant AND request = :request
""")
# After a page that ended with the key created at `at`. Ids are compared by their bytes, whatever the database's
# collation.
_LIST = text(f"""
    /* api_keys.list */
    SELECT {_COLUMNS} FROM api_keys
     WHERE (tenant, created_at, id) <= (:tenant, :at, :id COLLATE "C") AND (tenant, created_at) >= (:tenant, :beginning)
       AND id <> :id
     ORDER BY tenant DESC, created_at DESC, id DESC
     LIMIT :limit
""")
_NEWEST = text(f"""
    /* api_keys.newest */
    SELECT {_COLUMNS} FROM api_keys
     WHERE tenant = :tenant AND name = :name AND revoked_at IS NULL
       AND (expires_at IS NULL OR expires_at > clock_timestamp())
     ORDER BY created_at DESC, id DESC LIMIT 1
""")
_REVOKE = text("""
    /* api_keys.revoke */
    UPDATE api_keys SET revoked_at = clock_timestamp()
     WHERE tenant = :tenant AND id = :id AND revoked_at IS NULL
""")
_REVOKE_NAME = text("""
    /* api_keys.revoke_name */
    UPDATE api_keys SET revoked_at = clock_timestamp()
     WHERE tenant = :tenant AND name = :name AND revoked_at IS NULL
    RETURNING id
""")
_END_AFTER = text("""
    /* api_keys.end_after */
    UPDATE api_keys SET expires_at = least(expires_at, clock_timestamp() + make_interval(secs => :overlap_s))
     WHERE tenant = :tenant AND id = :id AND revoked_at IS NULL
       AND (expires_at IS NULL OR expires_at > clock_timestamp())
    RETURNING expires_at
""")
_USED = text("""
    /* api_keys.used */
    UPDATE api_keys SET last_used_at = clock_timestamp()
     WHERE id = ANY (:ids) AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '55 s')
""")

# An audit entry names its key, so a key is kept as long as such entries. So is a key on whose behalf a schedule
# submits jobs, and each key that follows it: the schedule moves from one to the next. A concurrent second deletion
# finds the row gone.
_FORGET = text("""
    /* api_keys.forget */
    WITH slice AS MATERIALIZED (
        SELECT id, replaces, coalesce(revoked_at, expires_at) AS ended_at
          FROM api_keys WHERE id > :after ORDER BY id LIMIT :slice
    ), gone AS (
        DELETE FROM api_keys
         WHERE id = ANY (ARRAY(
               SELECT id FROM slice
                WHERE replaces IS NULL AND ended_at + make_interval(secs => :keep_s) < clock_timestamp()
                  AND NOT EXISTS (SELECT FROM schedules WHERE owner_key = slice.id OFFSET 0)
                ORDER BY id))
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) AS rows, (SELECT max(id) FROM slice) AS upto,
           (SELECT count(*) FROM slice) AS seen
""")


class Forgotten(NamedTuple):
    """The result of removing keys from one slice."""

    rows: int
    """How many keys were removed."""
    next_after: str
    """The key after which the next slice begins; empty to start again."""


def make_key(conn: Connection, tenant: str, new: NewKey) -> Made | None:
    """Create a key for `tenant`; None if a request of the same name has created one: see `made_by`."""
    secret = new_key(new.environment)
    about = read_key(secret)
    fields = {**new._asdict(), "scopes": sorted(new.scopes)}
    row = conn.execute(_CREATE, {**fields, "id": about.id, "hash": about.sha256, "tenant": tenant}).one_or_none()
    return None if row is None else Made(secret, ApiKey(*row))


def create_key(
    conn: Connection, *, tenant: str, name: str, scopes: Collection[str] = USUAL, valid_s: float | None = None
) -> str:
    """Create a key with these scopes, which works for `valid_s` seconds, or until it is revoked. Secret."""
    made = make_key(conn, tenant, NewKey(name, scopes, valid_s=valid_s))
    return made.secret if made else ""  # only a request with a name can have come before


def made_by(conn: Connection, tenant: str, request: str) -> EarlierRequest | None:
    """Return the key that a request of that name has created."""
    row = conn.execute(_MADE_BY, {"tenant": tenant, "request": request}).one_or_none()
    return None if row is None else EarlierRequest(ApiKey(*row[:-1]), row.digest)


def get(conn: Connection, tenant: str, key_id: str) -> ApiKey | None:
    """Return the tenant's key of that id."""
    row = conn.execute(_GET, {"tenant": tenant, "id": key_id}).one_or_none()
    return None if row is None else ApiKey(*row)


def list_keys(
    conn: Connection, tenant: str, *, size: int, before: tuple[datetime, str] | None = None
) -> Sequence[ApiKey]:
    """Return up to `size` of the tenant's keys, newest first, including revoked ones, after the one created at
    `before`.
    """
    at, key_id = before or (_END, "")
    where = {"tenant": tenant, "at": at, "id": key_id, "beginning": _BEGINNING, "limit": size}
    return [ApiKey(*row) for row in conn.execute(_LIST, where)]


def newest(conn: Connection, tenant: str, name: str) -> ApiKey | None:
    """Return the newest working key of that name; None if there is none."""
    row = conn.execute(_NEWEST, {"tenant": tenant, "name": name}).one_or_none()
    return None if row is None else ApiKey(*row)


def revoke_keys(conn: Connection, *, tenant: str, name: str) -> Sequence[str]:
    """Revoke the tenant's keys of that name. Returns their ids."""
    return conn.execute(_REVOKE_NAME, {"tenant": tenant, "name": name}).scalars().all()


def revoke_key(conn: Connection, tenant: str, key_id: str) -> bool:
    """Revoke one key. False if it was not working."""
    return bool(conn.execute(_REVOKE, {"tenant": tenant, "id": key_id}).rowcount)


def end_after(conn: Connection, tenant: str, key_id: str, overlap_s: float) -> datetime | None:
    """Let a key work for at most `overlap_s` more seconds. Returns its end; None if it has ended or is unknown."""
    return conn.execute(_END_AFTER, {"tenant": tenant, "id": key_id, "overlap_s": overlap_s}).scalar_one_or_none()


def note_used(conn: Connection, key_ids: Collection[str]) -> None:
    """Record that the keys were used now, unless that was recorded within the last minute."""
    conn.execute(_USED, {"ids": sorted(key_ids)})


def forget(conn: Connection, *, keep_s: float, after: str = "", slice_size: int = 1_000) -> Forgotten:
    """Remove those of the next `slice_size` keys that ended `keep_s` seconds ago and that nothing refers to."""
    row = conn.execute(_FORGET, {"after": after, "slice": slice_size, "keep_s": keep_s}).one()
    return Forgotten(row.rows, row.upto if row.seen == slice_size else "")


def owner_of(conn: Connection, given: KeyText) -> Owner | None:
    """Return the owner of the key; None if it is unknown, revoked or expired."""
    row = conn.execute(_OWNER, {"id": given.id}).one_or_none()
    if row is None or not hmac.compare_digest(bytes(row.key_sha256), given.sha256):
        return None
    return Owner(row.tenant, row.name, frozenset(row.scopes), row.expires_at)
