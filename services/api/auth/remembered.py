"""Caches what was found out about credentials recently, by their hashes."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST = 10_000
"""How many credentials are remembered at once."""


class Remembered(Generic[T]):
    """Hash → what it stands for, until it expires. Expired entries are kept until there are too many: see `has`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_hash: dict[bytes, tuple[T, float]] = {}

    def get(self, digest: bytes) -> T | None:
        """Return what is remembered; None if nothing is, or it has expired."""
        found = self._by_hash.get(digest)
        return found[0] if found is not None and found[1] > self._clock() else None

    def has(self, digest: bytes) -> bool:
        """True if something was remembered recently, even if it has expired."""
        return digest in self._by_hash

    def put(self, digest: bytes, what: T, for_s: float) -> None:
        """Remember it for `for_s` seconds."""
        if len(self._by_hash) >= _MOST:
            self._by_hash.clear()
        self._by_hash[digest] = (what, self._clock() + for_s)

    def forget(self, digest: bytes) -> None:
        """Forget it."""
        self._by_hash.pop(digest, None)
