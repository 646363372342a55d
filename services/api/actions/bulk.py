"""Bulk actions: preview one, run it, stop it, and list what happened to the jobs."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.actions import visible
from services.api.actions.auditing import audited
from services.api.actions.bulk_terms import check_known, terms_of
from services.api.actions.errors import (
    BulkAlreadyEnded,
    BulkTooOld,
    KeyRequestReused,
    NotYourBulk,
    TooManyBulkActions,
    UnknownBulk,
)
from services.api.actions.made_once import make_once
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Principal
from shared import json_text
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.ids import uuid7
from shared.jobs import bulk as stored
from shared.jobs import bulk_results
from shared.jobs.bulk import Bulk, BulkState, NewBulk
from shared.jobs.bulk_results import BulkResult
from shared.jobs.bulk_rules import BulkAction, BulkOutcome, Picked, Terms, decide, meant, tally
from shared.jobs.filters import NEWEST, SLACK_S, JobFilter, id_at
from shared.jobs.picking import Reach, some

NEEDS: Mapping[BulkAction, Scope] = {
    BulkAction.CANCEL: Scope.JOBS_CANCEL,
    BulkAction.RETRY: Scope.JOBS_CREATE,
    BulkAction.DELETE: Scope.JOBS_DELETE,
}
"""The scope that an action needs besides `jobs:read`: the same as for a single job."""
MOST_COUNTED = 5_000
"""Jobs that a dry run counts; beyond that it reports at least as many."""
_LOOKS = 12
"""Reads of a dry run, 2,000 jobs each: some hundred milliseconds at most."""
_DRY_RUN_LIVES = timedelta(days=1)


class WantedBulk(NamedTuple):
    """A requested action whose fields have all been checked."""

    action: BulkAction
    wanted: JobFilter
    reason: str
    dry_run: bool
    idempotency_key: str | None = None
    ago: Mapping[str, str] = MappingProxyType({})
    """Moments of the filter that were written relative to now, by their names in the filter."""


class MadeBulk(NamedTuple):
    """An action that is committed."""

    bulk: Bulk
    created: bool
    """False if an earlier request with the same Idempotency-Key made it."""


class FoundBulk(NamedTuple):
    """One page of actions, newest first."""

    bulk: Sequence[Bulk]
    next_page_token: str | None
    """None on the last page."""


class FoundResults(NamedTuple):
    """One page of the results of an action's jobs, newest job first."""

    bulk: Bulk
    results: Sequence[BulkResult]
    next_page_token: str | None
    """None on the last page."""


async def create(parts: Parts, principal: Principal, wanted: WantedBulk) -> MadeBulk:
    """Count what the action would do, and create it: as a dry run, or to be carried out at once.

    Jobs that are accepted later are never included. Raises InsufficientScope, TooManyBulkActions and KeyRequestReused.
    """

    def carry_out(conn: Connection) -> MadeBulk:
        if request is not None and (earlier := stored.made_by(conn, principal.tenant, request)) is not None:
            return _replayed(earlier, digest)
        new = _new(conn, parts, principal, wanted)._replace(request=request, digest=digest)
        if new.state is BulkState.RUNNING:
            _may_begin(conn, parts, principal)
        made = stored.create(conn, new, principal.actor)
        if made is None:  # another request with that key was faster
            return _replayed(stored.made_by(conn, principal.tenant, request or ""), digest)
        audited(conn, principal, Action.BULK_CREATE, f"bulk/{made.id}", after=_told(made))
        return MadeBulk(made, created=True)

    _may(principal, wanted.action)
    request = f"{principal.subject or ''} {wanted.idempotency_key}" if wanted.idempotency_key else None
    digest = _digest(wanted) if request is not None else None
    return await make_once(parts, "bulk_actions", request, carry_out)


async def run(parts: Parts, principal: Principal, bulk_id: UUID, *, reason: str | None = None) -> Bulk:
    """Carry out a dry run that its creator has reviewed. An action that is running or done is left as it is.

    It may do what its creator was allowed to do then and is still allowed to do now. `reason` replaces the one given
    then. Raises UnknownBulk, NotYourBulk, BulkAlreadyEnded, BulkTooOld, TooManyBulkActions, InvalidRequest and
    InsufficientScope.
    """

    def carry_out(conn: Connection) -> Bulk:
        bulk = _get(conn, principal, bulk_id, hold=True)
        _may(principal, bulk.action)
        if bulk.subject != principal.subject:
            raise NotYourBulk
        check_known(bulk)
        if bulk.state in {BulkState.RUNNING, BulkState.DONE}:
            return bulk
        if bulk.state is BulkState.STOPPED:
            raise BulkAlreadyEnded(bulk.state)
        if stored.now(conn) - bulk.created_at > _DRY_RUN_LIVES:
            raise BulkTooOld
        _may_begin(conn, parts, principal)
        viewer = visible.viewer(parts.catalog, principal)
        terms = _terms(parts, principal, bulk.action, bulk.wanted)
        begun = stored.run(conn, bulk_id, viewer, terms, principal.actor, reason=reason) or bulk
        audited(conn, principal, Action.BULK_RUN, f"bulk/{bulk_id}", after=_told(begun))
        return begun

    principal.need(Scope.JOBS_READ)
    return await in_one_transaction(parts, carry_out)


async def stop(parts: Parts, principal: Principal, bulk_id: UUID) -> Bulk:
    """Stop the action; what is done stays done. An action that was stopped before is left as it is.

    Raises UnknownBulk, BulkAlreadyEnded and InsufficientScope.
    """

    def carry_out(conn: Connection) -> Bulk:
        bulk = _get(conn, principal, bulk_id, hold=True)
        _may(principal, bulk.action)
        if bulk.state is BulkState.STOPPED:
            return bulk
        stopped = stored.stop(conn, bulk_id, principal.subject)
        if stopped is None:
            raise BulkAlreadyEnded(bulk.state)
        audited(conn, principal, Action.BULK_STOP, f"bulk/{bulk_id}", after={"outcomes": bulk.outcomes})
        return stopped

    principal.need(Scope.JOBS_READ)
    return await in_one_transaction(parts, carry_out)


async def get(parts: Parts, principal: Principal, bulk_id: UUID) -> Bulk:
    """Return one action that the principal may see. Raises UnknownBulk."""
    principal.need(Scope.JOBS_READ)
    return await in_one_transaction(parts, lambda conn: _get(conn, principal, bulk_id))


async def list_page(parts: Parts, principal: Principal, *, size: int, token: str | None) -> FoundBulk:
    """List the actions that the principal may see: its own, and with `jobs:read_all` all of the tenant.

    Raises PageTokenInvalid, PageTokenMismatch and PageTokenExpired.
    """
    listing = Listing("bulk", principal, {})

    def look(conn: Connection) -> FoundBulk:
        before = NEWEST if token is None else parts.page_tokens.read(conn, listing, token)
        found = stored.list_bulk(conn, principal.tenant, own=principal.sees_only, size=size + 1, before=before)
        if len(found) <= size:
            return FoundBulk(found, None)
        return FoundBulk(found[:size], parts.page_tokens.write(conn, listing, found[size - 1].id))

    principal.need(Scope.JOBS_READ)
    return await in_one_transaction(parts, look)


async def results(
    parts: Parts, principal: Principal, bulk_id: UUID, *, outcome: BulkOutcome | None, size: int, token: str | None
) -> FoundResults:
    """List what happened to an action's jobs; only those with the given `outcome`, if it is not None.

    Raises UnknownBulk, PageTokenInvalid, PageTokenMismatch and PageTokenExpired.
    """
    listing = Listing(f"bulk/{bulk_id}", principal, {"outcome": outcome})

    def look(conn: Connection) -> FoundResults:
        bulk = _get(conn, principal, bulk_id)
        before = NEWEST if token is None else parts.page_tokens.read(conn, listing, token)
        found = bulk_results.list_results(conn, bulk_id, size=size + 1, before=before, outcome=outcome)
        if len(found) <= size:
            return FoundResults(bulk, found, None)
        return FoundResults(bulk, found[:size], parts.page_tokens.write(conn, listing, found[size - 1].job_id))

    principal.need(Scope.JOBS_READ)
    return await in_one_transaction(parts, look)


def _may(principal: Principal, action: BulkAction) -> None:
    principal.need(Scope.JOBS_READ)
    for scope in needed(action):
        principal.need(scope)


def needed(action: BulkAction) -> Sequence[Scope]:
    """The scopes that the action asks for: each there is, for one that only a newer release knows."""
    return [NEEDS[action]] if action in NEEDS else sorted(NEEDS.values())


def _may_begin(conn: Connection, parts: Parts, principal: Principal) -> None:
    most = parts.settings.bulk_running
    if not stored.may_begin(conn, principal.tenant, most=most):
        raise TooManyBulkActions(most)


def _new(conn: Connection, parts: Parts, principal: Principal, wanted: WantedBulk) -> NewBulk:
    """Return the action with its horizon: a moment of the database's clock, and an id above all earlier jobs."""
    until = stored.now(conn)
    horizon = id_at(until.timestamp() + SLACK_S)
    reach = Reach(visible.viewer(parts.catalog, principal), meant(wanted.action, wanted.wanted), until)
    terms = _terms(parts, principal, wanted.action, reach.wanted)
    return NewBulk(
        id=uuid7(),
        action=wanted.action,
        state=BulkState.DRY_RUN if wanted.dry_run else BulkState.RUNNING,
        reach=reach,
        horizon=horizon,
        reason=wanted.reason,
        matched=_count(conn, wanted.action, reach, horizon, terms),
        terms=terms,
    )


def _count(conn: Connection, action: BulkAction, reach: Reach, horizon: UUID, terms: Terms | None) -> dict[str, Any]:
    """Return what the action would do now.

    `atLeast` replaces the count if there are more jobs than can be counted in bounded time.
    """
    jobs: list[Picked] = []
    ended = False
    for found in some(conn, reach, before=horizon, most=MOST_COUNTED + 1, looks=_LOOKS):
        jobs += found.jobs
        ended = found.next_before is None
    counted = jobs[:MOST_COUNTED]
    return {
        "jobs": len(counted),
        "atLeast": len(jobs) > MOST_COUNTED or not ended,
        "byStatus": tally(job.status for job in counted),
        "outcomes": tally(decide(action, job, terms).outcome for job in counted),
    }


def _terms(parts: Parts, principal: Principal, action: BulkAction, wanted: JobFilter) -> Terms | None:
    return terms_of(parts, principal, wanted.report_type) if action is BulkAction.RETRY else None


def _get(conn: Connection, principal: Principal, bulk_id: UUID, *, hold: bool = False) -> Bulk:
    found = stored.get(conn, principal.tenant, bulk_id, own=principal.sees_only, hold=hold)
    if found is None:
        raise UnknownBulk(str(bulk_id))
    return found


def _replayed(earlier: Bulk | None, digest: str | None) -> MadeBulk:
    if earlier is None or earlier.digest != digest:
        raise KeyRequestReused
    return MadeBulk(earlier, created=False)


def _digest(wanted: WantedBulk) -> str:
    """Return the digest of the request.

    A relative time means another moment in each request, but a repeated key means the moment of the first, so the text
    as written counts.
    """
    asked = {**wanted.wanted.stored, **wanted.ago}
    meaning = json_text.write([wanted.action, sorted(asked.items()), wanted.reason, wanted.dry_run])
    return hashlib.sha256(meaning.encode()).hexdigest()


def _told(bulk: Bulk) -> dict[str, object]:
    """Return what the audit trail records. The filter is left out: a label in it would be a client's text."""
    return {"action": bulk.action, "state": bulk.state, "reason": bulk.reason, "matched": bulk.matched}
