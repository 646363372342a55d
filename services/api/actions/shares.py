"""Create links to files, revoke them, and serve visitors who have one."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api import metrics
from services.api.actions import downloads, jobs
from services.api.actions.auditing import audited
from services.api.actions.downloads import Download
from services.api.actions.errors import KeyRequestReused
from services.api.actions.job_errors import JobDeleted, NotReady, UnknownArtifact, UnknownJob
from services.api.actions.made_once import make_once
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Origin, Principal
from shared import json_text
from shared.access import shares
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.access.shares import NewShare, Share, State
from shared.errors import TodokeError
from shared.ids import uuid7
from shared.jobs.artifacts import Artifact

_LAST_ID = UUID(int=2**128 - 1)
_LIMITED_LINK_S = 60
"""Seconds for which the store's own signed link works where downloads are limited: that link can be used more than
once."""
_OVER = {
    State.EXPIRED: "This link has expired.",
    State.REVOKED: "This link was revoked.",
    State.USED_UP: "This link has reached its download limit.",
}


class UnknownShare(TodokeError):
    """There is no such link, or it is not the caller's: the answer is the same."""

    def __init__(self) -> None:
        super().__init__("There is no such link.")


class ShareOver(TodokeError):
    """The link has expired, is used up or was revoked."""


class TooManyShares(TodokeError):
    """The job has as many links as are allowed."""

    def __init__(self) -> None:
        super().__init__(f"This job already has {shares.MOST_OF_A_JOB} valid links, the maximum. Revoke one first.")


class SharingOff(TodokeError):
    """The operator does not allow links."""

    def __init__(self) -> None:
        super().__init__("Download links are turned off (API_SHARE_MAX_DAYS is 0).")


class WantedShare(NamedTuple):
    """A requested link whose fields have all been checked."""

    expires_s: int
    max_downloads: int | None
    idempotency_key: str | None


class MadeShare(NamedTuple):
    """A link that is committed."""

    share: Share
    token: str | None
    """The secret part of the link, shown only once; None if an earlier request with the same Idempotency-Key created
    it."""


class FoundShares(NamedTuple):
    """One page of links, newest first."""

    shares: Sequence[Share]
    next_page_token: str | None


async def create(parts: Parts, principal: Principal, job_id: UUID, name: str, wanted: WantedShare) -> MadeShare:
    """Create a link to the job's file of that name. It works no longer than the file is kept.

    The principal must have the file's scopes now; visitors need none later. Raises as `downloads.find` does, and
    SharingOff, TooManyShares, KeyRequestReused and IdempotencyKeyInFlight.
    """
    principal.need(Scope.JOBS_SHARE)
    if not parts.settings.share_max_days:
        raise SharingOff
    found, artifact, _ = await downloads.find(parts, principal, job_id, name)
    token = shares.new_token()
    ends_at = found.job.expires_at
    if ends_at is None:  # `find` has checked that
        raise NotReady(found.job.status)
    request = f"{job_id} {wanted.idempotency_key}" if wanted.idempotency_key else None
    meant = json_text.write([principal.subject, artifact.name, wanted.expires_s, wanted.max_downloads])
    digest = hashlib.sha256(meant.encode()).hexdigest() if request else None
    new = NewShare(
        uuid7(), principal.tenant, job_id, artifact.name, token.sha256, wanted.expires_s, ends_at, wanted.max_downloads,
        principal.subject, principal.key_id, request, digest,
    )  # fmt: skip

    def carry_out(conn: Connection) -> MadeShare:
        made = shares.create(conn, new)
        if made is None:
            return _again(shares.made_by(conn, principal.tenant, request or ""), digest)
        # After the link: a second request with the same key must wait for the link's row, and requests for other
        # links of the job need not.
        shares.hold(conn, job_id)
        if shares.too_many(conn, principal.tenant, job_id):
            raise TooManyShares
        audited(conn, principal, Action.SHARES_CREATE, f"shares/{made.id}", after=_told(made))
        return MadeShare(made, token.text)

    return await make_once(parts, "shares", request, carry_out)


async def list_page(
    parts: Parts, principal: Principal, *, job_id: UUID | None, size: int, token: str | None
) -> FoundShares:
    """List the links of a job that the principal may see; without a job its own links, and with `jobs:read_all` the
    tenant's.

    Raises UnknownJob, JobDeleted, PageTokenInvalid, PageTokenMismatch and PageTokenExpired.
    """
    listing = Listing("shares", principal, {} if job_id is None else {"job": str(job_id)})

    def look(conn: Connection) -> FoundShares:
        before = _LAST_ID if token is None else parts.page_tokens.read(conn, listing, token)
        asked = {"maker": principal.sees_only, "job_id": job_id, "before": before}
        found = shares.list_page(conn, principal.tenant, limit=size + 1, **asked)  # type: ignore[arg-type]
        if len(found) <= size:
            return FoundShares(found, None)
        return FoundShares(found[:size], parts.page_tokens.write(conn, listing, found[size - 1].id))

    principal.need(Scope.JOBS_READ)
    if job_id is not None:
        await jobs.get(parts, principal, job_id)
    return await in_one_transaction(parts, look)


async def get(parts: Parts, principal: Principal, share_id: UUID) -> Share:
    """Return one link, without its secret. Raises UnknownShare."""
    principal.need(Scope.JOBS_READ)
    return await in_one_transaction(parts, lambda conn: _one(conn, principal, share_id))


async def revoke(parts: Parts, principal: Principal, share_id: UUID) -> None:
    """Revoke one's own link, or a link to one's own job. Revoking twice is harmless. Raises UnknownShare."""

    def carry_out(conn: Connection) -> None:
        share = _one(conn, principal, share_id)
        if shares.revoke(conn, principal.tenant, share_id, by=principal.subject):
            audited(conn, principal, Action.SHARES_REVOKE, f"shares/{share_id}", before=_told(share))

    principal.need(Scope.JOBS_SHARE)
    await in_one_transaction(parts, carry_out)


async def download(parts: Parts, token: str, origin: Origin) -> Download:
    """Return the file that a link leads to. The download is counted and audited once it is known to be possible.

    Raises UnknownShare, ShareOver, ArtifactExpired, ArtifactGone, ArtifactNotWhole and ArtifactStoreAway.
    """
    share, holder = await _opened(parts, token, origin)

    def carry_out(conn: Connection) -> int | None:
        taken = shares.take(conn, share.id)
        if taken is not None:
            after = {"jobId": str(share.job_id), "name": share.name, "downloads": taken}
            audited(conn, holder, Action.SHARES_DOWNLOAD, f"shares/{share.id}", after=after)
        return taken

    link_s = None if share.max_downloads is None else _LIMITED_LINK_S
    try:
        found = await downloads.locate(parts, holder, share.job_id, share.name, link_s=link_s)
    except (UnknownJob, JobDeleted, NotReady, UnknownArtifact):
        raise ShareOver("The file that this link led to is gone.") from None
    try:
        taken = await in_one_transaction(parts, carry_out)
    except BaseException:
        found.close()
        raise
    if taken is None:
        found.close()
        raise ShareOver(_OVER[State.USED_UP])
    metrics.SHARE_DOWNLOADS.labels("served").inc()
    return found


async def about(parts: Parts, token: str, origin: Origin) -> Artifact:
    """Describe the file that a link leads to, for a visitor who does not download it. Nothing is counted.

    Raises UnknownShare and ShareOver.
    """
    share, holder = await _opened(parts, token, origin)
    try:
        return (await downloads.find(parts, holder, share.job_id, share.name)).artifact
    except (UnknownJob, JobDeleted, NotReady, UnknownArtifact):
        raise ShareOver("The file that this link led to is gone.") from None


async def _opened(parts: Parts, token: str, origin: Origin) -> tuple[Share, Principal]:
    """Return the link if it works, and the principal to answer it for: nobody, with access to this tenant's files."""
    read = shares.read_token(token)
    share = None if read is None else await in_one_transaction(parts, lambda conn: shares.look(conn, read))
    if share is None:
        raise UnknownShare
    if share.state is not State.ACTIVE:
        raise ShareOver(_OVER[share.state])
    return share, Principal(share.tenant, None, None, origin=origin)


def _one(conn: Connection, principal: Principal, share_id: UUID) -> Share:
    found = shares.get(conn, principal.tenant, share_id, maker=principal.sees_only)
    if found is None:
        raise UnknownShare
    return found


def _again(earlier: Share | None, digest: str | None) -> MadeShare:
    if earlier is None or earlier.digest != digest:
        raise KeyRequestReused
    return MadeShare(earlier, None)


def _told(share: Share) -> dict[str, object]:
    return {
        "jobId": str(share.job_id), "name": share.name, "expiresAt": share.expires_at.isoformat(),
        "maxDownloads": share.max_downloads,
    }  # fmt: skip
