"""A number of requests per second for each tenant, counted together by all processes of one API.

A token bucket, kept as the generic cell rate algorithm keeps it (ITU-T I.371, annex A, March 2004): one number for each
tenant, the time until which its requests have used up their share. The numbers stand in a file that the processes map.
Libraries for this count in one process, ask Redis, or store something for each request.
"""

import fcntl
import hashlib
import math
import mmap
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

SHARED = "TODOKE_RATE_TABLE"
"""Environment variable: the file that several processes share. One process alone needs no name for its own."""

_ENTRY = struct.Struct("<Qd")  # whose, and until when (seconds of CLOCK_MONOTONIC, which all processes share)
_TENANTS = 16_384
"""Who has used up nothing needs no entry, so this many tenants can be busy at the same time."""
_NEAR = 16
"""Entries in a row in one of which a tenant stands."""
_SIZE = (_TENANTS + _NEAR) * _ENTRY.size


class Taken(NamedTuple):
    """What became of one request, and what is left for the next."""

    wait_s: float
    """0 if it passes, and is counted; else nothing was counted, and these are the seconds until it would pass."""
    left: int
    """How many of weight 1 could pass now."""
    full_in_s: float
    """Seconds until as many as ever may pass at once."""


class RateLimit:
    """Lets `per_s` requests per second pass, and `burst` at once after a pause. For the event loop's thread."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self.burst = burst
        self._clock = clock
        self._file = _open()
        self._file.truncate(_SIZE)
        self._table = mmap.mmap(self._file.fileno(), _SIZE)

    def take(self, tenant: str, weight: int = 1) -> Taken:
        """Count one request as `weight`, at most as the burst, or refuse it and count nothing."""
        weight = min(weight, self.burst)
        key = int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=8).digest())
        with self._locked():
            now = self._clock()
            place, used_until = self._find(key)
            used = max(used_until - now, 0.0)
            after = used + weight / self.per_s
            # A thousandth of a request for what is lost in adding fractions.
            most = (self.burst + 0.001) / self.per_s
            if after > most:
                return Taken(after - most, self._left(used), used)
            _ENTRY.pack_into(self._table, place, key, now + after)
            return Taken(0, self._left(after), after)

    def _left(self, used_s: float) -> int:
        return max(0, math.floor(self.burst + 0.001 - used_s * self.per_s))

    def charge(self, tenant: str, requests: int) -> None:
        """Count requests that are carried out already: the tenant waits for them afterwards."""
        key = int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=8).digest())
        with self._locked():
            now = self._clock()
            place, used_until = self._find(key)
            _ENTRY.pack_into(self._table, place, key, max(used_until, now) + requests / self.per_s)

    def give_back(self, tenant: str) -> None:
        """Take back one request that `take` counted."""
        key = int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=8).digest())
        with self._locked():
            place, used_until = self._find(key)
            if used_until > 0:
                _ENTRY.pack_into(self._table, place, key, used_until - 1 / self.per_s)

    def _find(self, key: int) -> tuple[int, float]:
        """The tenant's entry, or the one nearby that has used up least: nothing at all, except in a great crowd."""
        start = key % _TENANTS * _ENTRY.size
        least, free = math.inf, start
        for n, (whose, until) in enumerate(_ENTRY.iter_unpack(self._table[start : start + _NEAR * _ENTRY.size])):
            place = start + n * _ENTRY.size
            if whose == key:
                return place, until
            if until < least:
                least, free = until, place
        return free, -math.inf

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The kernel lets go of it when a process dies.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def _open() -> BinaryIO:
    if path := os.environ.get(SHARED):
        return Path(path).open("a+b")
    return cast("BinaryIO", tempfile.TemporaryFile())
