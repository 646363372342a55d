"""Sign in to the console, and sign out."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from anyio import to_thread

from services.api.actions.auditing import audited
from services.api.actions.parts import Parts
from services.api.auth.principal import Origin, Principal
from services.api.auth.sessions import Sessions, digest_of
from shared.access import sessions, sign_in_codes
from shared.access.audit import Action
from shared.access.sessions import Person, Session
from shared.database.engine import transactional

MOST_SESSIONS = 100
"""Sessions of one holder that are listed."""


async def sign_in(parts: Parts, principal: Principal) -> str:
    """Open a session for a caller who has just presented this key, or was vouched for by an issuer.

    Returns the cookie's value, which is stored nowhere.
    """
    token = secrets.token_urlsafe(32)

    def write() -> None:
        with transactional(parts.engine).begin() as conn:
            sessions.begin(conn, digest_of(token), tenant=principal.tenant, who=_who(principal))
            audited(conn, principal, Action.SESSIONS_BEGIN, _object(principal))

    await to_thread.run_sync(write)
    return token


async def redeem(parts: Parts, code: str, origin: Origin) -> str:
    """Open a session for a caller who has just presented a one-time sign-in code.

    Returns the cookie's value. The code is used up exactly when the session exists. Raises Unauthorized and
    RateLimited.
    """
    token = secrets.token_urlsafe(32)

    def write() -> str | None:
        with transactional(parts.engine).begin() as conn:
            holder = sign_in_codes.redeem(conn, sign_in_codes.read_code(code))
            if holder is None:
                return None
            sessions.begin(conn, digest_of(token), tenant=holder.tenant, who=holder.key_id)
            principal = Principal(holder.tenant, holder.name, holder.scopes, holder.key_id, origin)
            audited(conn, principal, Action.SESSIONS_BEGIN, f"keys/{holder.key_id}", after={"with": "link"})
        return token

    return await parts.access.of_code(lambda: to_thread.run_sync(write), origin.address or "")


async def sign_out(parts: Parts, known: Sessions, token: str, principal: Principal) -> None:
    """End the session: at once in this process, within seconds in others. Ending it twice is harmless."""

    def write() -> None:
        with transactional(parts.engine).begin() as conn:
            if sessions.end(conn, digest_of(token)):
                audited(conn, principal, Action.SESSIONS_END, _object(principal))

    known.forget(digest_of(token))
    await to_thread.run_sync(write)


class OwnSession(NamedTuple):
    """One of the caller's own sessions."""

    name: str
    """Distinguishes it from the caller's other sessions. It cannot be used to sign in."""
    session: Session
    this: bool
    """True for the session of this request."""


async def own_sessions(parts: Parts, principal: Principal, token: str) -> Sequence[OwnSession]:
    """Return the principal's 100 newest open sessions, newest first."""

    def look() -> Sequence[Session]:
        with parts.engine.connect() as conn:
            return sessions.of_holder(conn, principal.tenant, _holder(principal), most=MOST_SESSIONS)

    now, this = datetime.now(UTC), digest_of(token)
    return [
        OwnSession(hashlib.sha256(each.token_sha256).hexdigest()[:16], each, each.token_sha256 == this)
        for each in await to_thread.run_sync(look)
        if each.ends_at > now and each.seen_at + timedelta(seconds=sessions.IDLE_S) > now
    ]


async def end_others(parts: Parts, known: Sessions, token: str, principal: Principal, name: str | None) -> int:
    """End the principal's other sessions: the one of that name, or all. Returns how many ended.

    They end at once in this process, within seconds in others. The session of this request stays open.
    """
    others = [each for each in await own_sessions(parts, principal, token) if not each.this]
    wanted = [each.session.token_sha256 for each in others if name in (None, each.name)]

    def write() -> int:
        with transactional(parts.engine).begin() as conn:
            ended = sum(sessions.end(conn, digest) for digest in wanted)
            if ended:
                audited(conn, principal, Action.SESSIONS_END, _object(principal), after={"elsewhere": ended})
        return ended

    for digest in wanted:
        known.forget(digest)
    return await to_thread.run_sync(write) if wanted else 0


def _holder(principal: Principal) -> str:
    return principal.key_id or principal.subject or ""


def _who(principal: Principal) -> str | Person:
    return principal.key_id or Person(principal.subject or "", principal.scopes or frozenset())


def _object(principal: Principal) -> str:
    return f"keys/{principal.key_id}" if principal.key_id else f"people/{principal.subject}"
