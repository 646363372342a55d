"""From an API key to its principal."""

import time
from collections.abc import Callable
from typing import TypeVar

from anyio import to_thread
from sqlalchemy.engine import Engine

from services.api.auth.principal import Principal
from shared.access import api_keys

T = TypeVar("T")

_REMEMBER_S = 10.0
"""Seconds for which a revoked key may still work, and one that was tried before it was made may not. A busy client
costs one look-up in this time."""
_REMEMBERED = 10_000
"""Keys that are remembered at once."""


class Keys:
    """Looks keys up, and remembers for a short while which are valid and which are not, by their hash."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[bytes, tuple[Principal, float]] = {}
        self._wrong: dict[bytes, float] = {}

    def was_valid(self, key_hash: bytes) -> bool:
        """True if the key has been valid in this process lately. It may have been revoked since."""
        return key_hash in self._known

    async def principal_of(self, key_hash: bytes) -> Principal | None:
        """The principal that the key stands for; None if it is unknown or revoked."""
        known = self._known.get(key_hash)
        if known and known[1] > self._clock():
            return known[0]
        if self._wrong.get(key_hash, 0) > self._clock():
            return None
        owner = await to_thread.run_sync(self._look_up, key_hash)
        if owner is None:
            self._known.pop(key_hash, None)
            _remember(self._wrong, key_hash, self._clock() + _REMEMBER_S)
            return None
        principal = Principal(owner.tenant, owner.name, owner.scopes)
        _remember(self._known, key_hash, (principal, self._clock() + _REMEMBER_S))
        return principal

    def _look_up(self, key_hash: bytes) -> api_keys.Owner | None:
        with self._engine.connect() as conn:
            return api_keys.owner_of(conn, key_hash)


def _remember(memory: dict[bytes, T], key_hash: bytes, what: T) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key_hash] = what
