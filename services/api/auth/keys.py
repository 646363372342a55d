"""Finds the principal of an API key."""

import time
from collections.abc import Callable, Collection

from anyio import to_thread
from sqlalchemy.engine import Engine

from services.api.auth.last_used import LastUsed
from services.api.auth.principal import Principal
from services.api.auth.remembered import Remembered
from shared.access import api_keys
from shared.access.key_text import KeyText

_REMEMBER_S = 10.0
"""Seconds for which a revoked key may still work, and for which a new key may still fail if it was tried before it was
created. A busy client costs one look-up in this time."""


class Keys:
    """Looks keys up, and caches for a short time which are valid and which are not, by their hashes."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._known: Remembered[Principal] = Remembered(clock)
        self._wrong: Remembered[bool] = Remembered(clock)
        self._used = LastUsed(self._note_used, clock)

    def was_valid(self, key: KeyText) -> bool:
        """True if the key was valid in this process recently. It may have been revoked since."""
        return self._known.has(key.sha256)

    async def principal_of(self, key: KeyText) -> Principal | None:
        """Return the principal that the key stands for; None if it is unknown, revoked or expired."""
        if (known := self._known.get(key.sha256)) is not None:
            return known
        if self._wrong.get(key.sha256):
            return None
        owner = await to_thread.run_sync(self._look_up, key)
        if owner is None:
            self._known.forget(key.sha256)
            self._wrong.put(key.sha256, True, _REMEMBER_S)
            return None
        principal = Principal(owner.tenant, owner.name, owner.scopes, key.id)
        self._known.put(key.sha256, principal, _REMEMBER_S)
        self._used.note(key.id)
        return principal

    async def close(self) -> None:
        """Write which keys were used."""
        await self._used.close()

    def _look_up(self, key: KeyText) -> api_keys.Owner | None:
        with self._engine.connect() as conn:
            return api_keys.owner_of(conn, key)

    def _note_used(self, key_ids: Collection[str]) -> None:
        with self._engine.connect() as conn:
            api_keys.note_used(conn, key_ids)
