"""Create, list, rotate and revoke the API keys of the caller's tenant."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from services.api.actions.auditing import audited
from services.api.actions.errors import KeyAlreadyReplaced, KeyNotUsable, KeyRequestReused, KeysNotInUse, UnknownKey
from services.api.actions.made_once import make_once
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.places import at_place, place
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import InsufficientScope, Principal
from shared import json_text
from shared.access import api_keys
from shared.access.api_keys import ApiKey, NewKey
from shared.access.audit import Action
from shared.access.key_text import id_number, id_of_number
from shared.access.scopes import Scope


class WantedKey(NamedTuple):
    """A requested key whose fields have all been checked."""

    name: str
    scopes: frozenset[str]
    expires_at: datetime | None
    idempotency_key: str | None


class MadeKey(NamedTuple):
    """A key that is committed."""

    key: ApiKey
    secret: str | None
    """The whole key, which is shown only once; None if an earlier request with the same Idempotency-Key created it."""
    old: ApiKey | None = None
    """The key that this one follows, with its end."""


class FoundKeys(NamedTuple):
    """One page of keys, newest first."""

    keys: Sequence[ApiKey]
    next_page_token: str | None
    """None on the last page."""


async def create(parts: Parts, principal: Principal, wanted: WantedKey) -> MadeKey:
    """Create a key of the tenant, with scopes that the principal itself has.

    Raises InsufficientScope, KeyRequestReused, IdempotencyKeyInFlight and KeysNotInUse.
    """

    def carry_out(conn: Connection) -> MadeKey:
        made = _make(conn, parts, principal, new, request)
        if made.secret is not None:
            audited(conn, principal, Action.KEYS_CREATE, f"keys/{made.key.id}", after=_told(made.key))
        return made

    _may(parts, principal, Scope.KEYS_WRITE)
    _only_own(principal, wanted.scopes)
    new = NewKey(wanted.name, wanted.scopes, expires_at=wanted.expires_at)
    request = f"create {wanted.idempotency_key}" if wanted.idempotency_key else None
    return await make_once(parts, "api_keys", request, carry_out)


async def rotate(
    parts: Parts,
    principal: Principal,
    key_id: str,
    *,
    overlap_s: float,
    expires_at: datetime | None,
    again: str | None,
) -> MadeKey:
    """Create a key that follows another, with its name and scopes; the old key works for `overlap_s` more seconds.

    The new key lives as long as the old one was created to live, unless `expires_at` says otherwise. `again` is the
    Idempotency-Key. Raises UnknownKey, KeyNotUsable, KeyAlreadyReplaced, InsufficientScope, KeyRequestReused,
    IdempotencyKeyInFlight and KeysNotInUse.
    """

    def carry_out(conn: Connection) -> MadeKey:
        old = _key(conn, principal, key_id)
        _only_own(principal, old.scopes)
        valid_s = None if old.expires_at is None else (old.expires_at - old.created_at).total_seconds()
        new = NewKey(old.name, old.scopes, valid_s=valid_s, expires_at=expires_at, replaces=key_id)
        made = _make(conn, parts, principal, new, request)
        if made.secret is None:
            return made._replace(old=old)
        if api_keys.end_after(conn, principal.tenant, key_id, overlap_s) is None:
            raise KeyNotUsable(key_id)
        ending = _key(conn, principal, key_id)
        before, after = {"expiresAt": _time(old.expires_at)}, {"expiresAt": _time(ending.expires_at)}
        followed = {**after, "replacedBy": made.key.id, "new": _told(made.key)}
        audited(conn, principal, Action.KEYS_ROTATE, f"keys/{key_id}", before=before, after=followed)
        return made._replace(old=ending)

    _may(parts, principal, Scope.KEYS_WRITE)
    request = f"rotate {key_id} {again}" if again else None
    try:
        return await make_once(parts, "api_keys", request, carry_out)
    except IntegrityError as error:
        if "api_keys_by_old" not in str(error.orig):
            raise
        raise KeyAlreadyReplaced(key_id) from None


async def revoke(parts: Parts, principal: Principal, key_id: str) -> None:
    """End a key; ending it twice is harmless. Raises UnknownKey and KeysNotInUse."""

    def carry_out(conn: Connection) -> None:
        key = _key(conn, principal, key_id)
        if api_keys.revoke_key(conn, principal.tenant, key_id):
            audited(conn, principal, Action.KEYS_REVOKE, f"keys/{key_id}", before=_told(key))

    _may(parts, principal, Scope.KEYS_WRITE)
    await in_one_transaction(parts, carry_out)


async def get(parts: Parts, principal: Principal, key_id: str) -> ApiKey:
    """Return one key of the tenant. Raises UnknownKey and KeysNotInUse."""
    _may(parts, principal, Scope.KEYS_READ)
    return await in_one_transaction(parts, lambda conn: _key(conn, principal, key_id))


async def list_page(parts: Parts, principal: Principal, *, size: int, token: str | None) -> FoundKeys:
    """List the tenant's keys, including those that have ended.

    Raises KeysNotInUse, PageTokenInvalid, PageTokenMismatch and PageTokenExpired.
    """
    listing = Listing("keys", principal, {})

    def look(conn: Connection) -> FoundKeys:
        before = None if token is None else _behind(parts.page_tokens.read(conn, listing, token))
        found = api_keys.list_keys(conn, principal.tenant, size=size + 1, before=before)
        if len(found) <= size:
            return FoundKeys(found, None)
        last = found[size - 1]
        return FoundKeys(
            found[:size], parts.page_tokens.write(conn, listing, place(last.created_at, id_number(last.id)))
        )

    _may(parts, principal, Scope.KEYS_READ)
    return await in_one_transaction(parts, look)


def _behind(position: UUID) -> tuple[datetime, str]:
    at, number = at_place(position)
    return at, id_of_number(number)


def _may(parts: Parts, principal: Principal, scope: Scope) -> None:
    if not parts.settings.takes_keys:
        raise KeysNotInUse
    principal.need(scope)


def _only_own(principal: Principal, scopes: Sequence[str] | frozenset[str]) -> None:
    if lacking := principal.lacks(scopes):
        raise InsufficientScope(" ".join(lacking))


def _make(conn: Connection, parts: Parts, principal: Principal, new: NewKey, request: str | None) -> MadeKey:
    """Create the key; or return the one that an earlier request with the same Idempotency-Key created, without its
    secret.
    """
    new = new._replace(environment=parts.settings.key_environment, created_by=principal.subject)
    if request is not None:
        new = new._replace(request=request, digest=_digest(new))
    made = api_keys.make_key(conn, principal.tenant, new)
    if made is not None:
        return MadeKey(made.key, made.secret)
    earlier = api_keys.made_by(conn, principal.tenant, request or "")
    if earlier is None or earlier.digest != new.digest:
        raise KeyRequestReused
    return MadeKey(earlier.key, None)


def _digest(new: NewKey) -> str:
    meaning = json_text.write([new.name, sorted(new.scopes), _time(new.expires_at), new.replaces])
    return hashlib.sha256(meaning.encode()).hexdigest()


def _key(conn: Connection, principal: Principal, key_id: str) -> ApiKey:
    found = api_keys.get(conn, principal.tenant, key_id)
    if found is None:
        raise UnknownKey(key_id)
    return found


def _told(key: ApiKey) -> dict[str, object]:
    return {"name": key.name, "scopes": list(key.scopes), "expiresAt": _time(key.expires_at)}


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
