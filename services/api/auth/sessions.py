"""From a console's cookie to its principal."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

from anyio import to_thread
from sqlalchemy.engine import Engine

from services.api.auth.principal import Principal
from services.api.auth.remembered import Remembered
from shared.access import sessions
from shared.access.audit import Action, record
from shared.database.engine import transactional

_REMEMBER_S = 10.0
"""Seconds for which a session of a revoked key, or one that was ended by another process, may still work."""


class Sessions:
    """Opens, finds and ends sessions. A session does what its key may do at the moment."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._known: Remembered[Principal] = Remembered(clock)

    async def begin(self, principal: Principal) -> str:
        """Open a session for whoever has just shown this key. Returns the cookie's value, which is stored nowhere."""
        token = secrets.token_urlsafe(32)

        def write() -> None:
            with transactional(self._engine).begin() as conn:
                sessions.begin(conn, _hash(token), tenant=principal.tenant, key_id=str(principal.key_id))
                record(conn, principal.actor, Action.SESSIONS_BEGIN, f"keys/{principal.key_id}")

        await to_thread.run_sync(write)
        return token

    async def principal_of(self, token: str) -> Principal | None:
        """Who is signed in with that cookie; None if nobody is, or not any more."""
        if (known := self._known.get(_hash(token))) is not None:
            return known

        def look() -> sessions.Holder | None:
            with self._engine.connect() as conn:
                return sessions.holder_of(conn, _hash(token))

        holder = await to_thread.run_sync(look)
        if holder is None:
            self._known.forget(_hash(token))
            return None
        principal = Principal(holder.tenant, holder.name, holder.scopes, holder.key_id)
        self._known.put(_hash(token), principal, _REMEMBER_S)
        return principal

    async def end(self, token: str, principal: Principal) -> None:
        """End the session: from now on in this process, within seconds in others."""
        self._known.forget(_hash(token))

        def write() -> None:
            with transactional(self._engine).begin() as conn:
                if sessions.end(conn, _hash(token)):
                    record(conn, principal.actor, Action.SESSIONS_END, f"keys/{principal.key_id}")

        await to_thread.run_sync(write)


def form_token(token: str) -> str:
    """What the forms of a session carry: it proves that a page of this session sent them."""
    return hmac.new(token.encode(), b"todoke console form", hashlib.sha256).hexdigest()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
