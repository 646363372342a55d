"""From an API key to its principal."""

import time
from collections.abc import Callable

from anyio import to_thread
from sqlalchemy.engine import Engine

from services.api.auth.principal import EVERYTHING, Principal
from shared.access import api_keys

_REMEMBER_S = 10.0
"""Seconds for which a revoked key may still work; a busy client costs one look-up in this time."""
_REMEMBERED = 10_000
"""Keys that are remembered at once."""


class Keys:
    """Looks keys up, and remembers those that are valid for a short while, by their hash."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[bytes, tuple[Principal, float]] = {}

    async def principal_of(self, key: str) -> Principal | None:
        """The principal that `key` stands for; None if it is unknown or revoked."""
        key_hash = api_keys.hash_of(key)
        known = self._known.get(key_hash)
        if known and known[1] > self._clock():
            return known[0]
        owner = await to_thread.run_sync(self._look_up, key_hash)
        if owner is None:
            return None
        principal = Principal(owner.tenant, owner.name, EVERYTHING)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[key_hash] = (principal, self._clock() + _REMEMBER_S)
        return principal

    def _look_up(self, key_hash: bytes) -> api_keys.Owner | None:
        with self._engine.connect() as conn:
            return api_keys.owner_of(conn, key_hash)
