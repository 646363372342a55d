"""Finds the principal of a console cookie."""

import hashlib
import hmac
import time
from collections.abc import Callable

from anyio import to_thread
from sqlalchemy.engine import Engine

from services.api.auth.principal import Principal
from services.api.auth.remembered import Remembered
from shared.access import sessions

_REMEMBER_S = 10.0
"""Seconds for which a session may still work after its key was revoked, or after another process ended it."""


class Sessions:
    """Looks sessions up, and caches for a short time which exist and which do not.

    A session may do what its key may do now.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._known: Remembered[Principal] = Remembered(clock)
        self._wrong: Remembered[bool] = Remembered(clock)

    def was_seen(self, token: str) -> bool:
        """True if the cookie was recently looked up, whether somebody was signed in with it or it
        was found worthless.
        """
        digest = digest_of(token)
        return self._known.has(digest) or self._wrong.get(digest) is not None

    async def principal_of(self, token: str) -> Principal | None:
        """Return who is signed in with the cookie; None if nobody is, or not any more."""
        digest = digest_of(token)
        if (known := self._known.get(digest)) is not None:
            return known
        if self._wrong.get(digest):
            return None

        def look() -> sessions.Holder | None:
            with self._engine.connect() as conn:
                return sessions.holder_of(conn, digest)

        holder = await to_thread.run_sync(look)
        if holder is None:
            self._known.forget(digest)
            self._wrong.put(digest, True, _REMEMBER_S)
            return None
        principal = Principal(holder.tenant, holder.name, holder.scopes, holder.key_id)
        self._known.put(digest, principal, _REMEMBER_S)
        return principal

    def forget(self, digest: bytes) -> None:
        """Look the session up again when its cookie next arrives, because it was ended."""
        self._known.forget(digest)


def form_token(token: str) -> str:
    """Return the token that the forms of a session carry, which proves that a page of this session sent them."""
    return hmac.new(token.encode(), b"todoke console form", hashlib.sha256).hexdigest()


def digest_of(token: str) -> bytes:
    """Return what the database stores of a cookie."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
