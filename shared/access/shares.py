"""Links to files that work without a key: whoever has a link can download its one file, a limited number of times and
until a limited time.

The database stores the hash of a link's secret part, as it does for keys. A link ends when it expires, when its
downloads are used up, with its file or its job, or when the API key that created it is revoked or forgotten, long after
that key's end.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection, Row

MOST_OF_A_JOB = 100
"""How many links of one job may work at the same time."""
MOST_DOWNLOADS = 1_000_000
"""The highest limit of downloads."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 random bits in base64url
_KEEP_S = 30 * 86_400.0
"""Seconds for which a link is listed after its end: somebody may ask who downloaded what."""


class State(StrEnum):
    """How a request with a link is answered."""

    ACTIVE = "active"
    """With the file, while there is one."""
    EXPIRED = "expired"
    """The link has expired."""
    REVOKED = "revoked"
    """The link, or the API key that created it, was revoked."""
    USED_UP = "used_up"
    """The file was downloaded as often as allowed."""


class Token(NamedTuple):
    """The secret part of a link."""

    text: str
    sha256: bytes


class NewShare(NamedTuple):
    """The link to create."""

    id: UUID
    tenant: str
    job_id: UUID
    name: str
    """The name of the file."""
    token_sha256: bytes
    expires_s: float
    """Seconds for which it works."""
    file_ends_at: datetime
    """When the file expires, and the link with it."""
    max_downloads: int | None
    created_by: str | None
    key_id: str | None
    request: str | None
    """The name of the request that creates it: a second request with this name creates no second link."""
    digest: str | None
    """The digest of that request's content."""


class Share(NamedTuple):
    """A link, without its secret part."""

    id: UUID
    tenant: str
    job_id: UUID
    name: str
    created_at: datetime
    created_by: str | None
    expires_at: datetime
    max_downloads: int | None
    """None means any number."""
    downloads: int
    last_download_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    state: State
    digest: str | None = None
    """The digest of the request that created it."""


_STATE = """CASE WHEN s.revoked_at IS NOT NULL THEN 'revoked'
                WHEN s.key_id IS NOT NULL AND NOT EXISTS (
                     SELECT FROM api_keys k WHERE k.id = s.key_id AND k.revoked_at IS NULL) THEN 'revoked'
                WHEN s.expires_at <= clock_timestamp() THEN 'expired'
                WHEN s.downloads >= s.max_downloads THEN 'used_up'
                ELSE 'active' END"""
_COLUMNS = f"""s.id, s.tenant, s.job_id, s.name, s.created_at, s.created_by, s.expires_at, s.max_downloads, s.downloads,
           s.last_download_at, s.revoked_at, s.revoked_by, {_STATE} AS state, s.digest"""

_LOCK = text("/* shares.lock */ SELECT pg_advisory_xact_lock(hashtextextended('shares/' || CAST(:job_id AS text), 0))")
_LIVE = text("""
    /* shares.live */
    SELECT count(*) FROM (
        SELECT FROM shares
         WHERE tenant = :tenant AND job_id = :job_id AND revoked_at IS NULL AND expires_at > clock_timestamp()
         LIMIT :most) AS bounded
""")
# If a file expires while this runs, its link leads to nothing, for a second.
_CREATE = text(f"""
    /* shares.create */
    INSERT INTO shares AS s (id, tenant, job_id, name, token_sha256, created_by, key_id, request, digest, max_downloads,
                             expires_at)
    VALUES (:id, :tenant, :job_id, :name, :token_sha256, :created_by, :key_id, :request, :digest, :max_downloads,
            least(clock_timestamp() + make_interval(secs => :expires_s),
                  greatest(CAST(:file_ends_at AS timestamptz), clock_timestamp() + interval '1 s')))
        ON CONFLICT (tenant, request) WHERE request IS NOT NULL DO NOTHING
    RETURNING {_COLUMNS}
""")
_MADE_BY = text(f"""
    /* shares.made_by */
    SELECT {_COLUMNS} FROM shares s WHERE s.tenant = :tenant AND s.request = :request
""")
_LIST = text(f"""
    /* shares.list */
    SELECT {_COLUMNS} FROM shares s
     WHERE s.tenant = :tenant AND s.id < :before AND (CAST(:maker AS text) IS NULL OR s.created_by = :maker)
     ORDER BY s.id DESC LIMIT :limit
""")
_OF_JOB = text(f"""
    /* shares.of_job */
    SELECT {_COLUMNS} FROM shares s
     WHERE s.tenant = :tenant AND s.job_id = :job_id AND s.id < :before
     ORDER BY s.id DESC LIMIT :limit
""")
# The creator of a link, and the requester of the job that it leads to.
_THEIRS = """s.id = :id AND s.tenant = :tenant
       AND (CAST(:maker AS text) IS NULL OR s.created_by = :maker
            OR EXISTS (SELECT FROM jobs j WHERE j.id = s.job_id AND j.tenant = s.tenant AND j.requester = :maker))"""
_GET = text(f"/* shares.get */ SELECT {_COLUMNS} FROM shares s WHERE {_THEIRS}")
_REVOKE = text("""
    /* shares.revoke */
    UPDATE shares SET revoked_at = clock_timestamp(), revoked_by = :by
     WHERE id = :id AND tenant = :tenant AND revoked_at IS NULL
""")
_LOOK = text(f"/* shares.look */ SELECT {_COLUMNS} FROM shares s WHERE s.token_sha256 = :token_sha256")
# A concurrent download waits and then checks the row again, so the limit is never exceeded.
_TAKE = text(f"""
    /* shares.take */
    UPDATE shares s SET downloads = s.downloads + 1, last_download_at = clock_timestamp()
     WHERE s.id = :id AND {_STATE} = 'active'
    RETURNING s.downloads
""")
_FORGET = text("""
    /* shares.forget */
    DELETE FROM shares
     WHERE id = ANY (ARRAY(
           SELECT id FROM shares WHERE expires_at < clock_timestamp() - make_interval(secs => :keep_s)
            ORDER BY expires_at LIMIT :slice FOR UPDATE SKIP LOCKED))
""")


def new_token() -> Token:
    """Return the secret part of a new link."""
    written = secrets.token_urlsafe(32)
    return Token(written, _sha256(written))


def read_token(given: str) -> Token | None:
    """Return the secret part of a link; None for a text that cannot be one, so that nothing is looked up."""
    return Token(given, _sha256(given)) if _TOKEN.fullmatch(given) else None


def hold(conn: Connection, job_id: UUID) -> None:
    """Wait for others who create a link to a file of this job: until this transaction ends, nobody else counts them."""
    conn.execute(_LOCK, {"job_id": str(job_id)})


def too_many(conn: Connection, tenant: str, job_id: UUID) -> bool:
    """True if the job, which is locked, has more links than allowed."""
    found = conn.execute(_LIVE, {"tenant": tenant, "job_id": job_id, "most": MOST_OF_A_JOB + 1})
    return int(found.scalar_one()) > MOST_OF_A_JOB


def create(conn: Connection, new: NewShare) -> Share | None:
    """Create the link; None if a request of that name has created one: see `made_by`."""
    row = conn.execute(_CREATE, new._asdict()).one_or_none()
    return None if row is None else _share(row)


def made_by(conn: Connection, tenant: str, request: str) -> Share | None:
    """Return the link that a request of that name has created."""
    row = conn.execute(_MADE_BY, {"tenant": tenant, "request": request}).one_or_none()
    return None if row is None else _share(row)


def list_page(
    conn: Connection, tenant: str, *, maker: str | None, job_id: UUID | None, before: UUID, limit: int
) -> Sequence[Share]:
    """Return up to `limit` links with an id below `before`, newest first: those of the job, or of the maker (None:
    all).
    """
    asked = {"tenant": tenant, "before": before, "limit": limit}
    if job_id is not None:
        return [_share(row) for row in conn.execute(_OF_JOB, {**asked, "job_id": job_id})]
    return [_share(row) for row in conn.execute(_LIST, {**asked, "maker": maker})]


def get(conn: Connection, tenant: str, share_id: UUID, *, maker: str | None) -> Share | None:
    """Return the link if `maker` created it or requested its job; with None for `maker`, whoever did."""
    row = conn.execute(_GET, {"id": share_id, "tenant": tenant, "maker": maker}).one_or_none()
    return None if row is None else _share(row)


def revoke(conn: Connection, tenant: str, share_id: UUID, *, by: str | None) -> bool:
    """Revoke the link. False if it was revoked before."""
    return conn.execute(_REVOKE, {"id": share_id, "tenant": tenant, "by": by}).rowcount == 1


def look(conn: Connection, token: Token) -> Share | None:
    """Return the link with this secret part."""
    row = conn.execute(_LOOK, {"token_sha256": token.sha256}).one_or_none()
    return None if row is None else _share(row)


def take(conn: Connection, share_id: UUID) -> int | None:
    """Count a download. Returns the new count; None, and nothing is counted, if the link does not work any more."""
    taken: int | None = conn.execute(_TAKE, {"id": share_id}).scalar_one_or_none()
    return taken


def forget(conn: Connection, *, slice_size: int, keep_s: float = _KEEP_S) -> int:
    """Remove up to `slice_size` links that ended long ago. Returns how many."""
    return conn.execute(_FORGET, {"keep_s": keep_s, "slice": slice_size}).rowcount


def _sha256(written: str) -> bytes:
    # 256 random bits need no slow hash.
    return hashlib.sha256(written.encode()).digest()


def _share(row: Row[Any]) -> Share:
    return Share._make(row)._replace(state=State(row.state))
