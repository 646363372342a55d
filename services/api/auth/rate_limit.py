"""A limit of requests per second for each tenant, counted together by all processes of one API.

A token bucket, implemented as the generic cell rate algorithm (ITU-T I.371, annex A, March 2004): one number per
tenant, the time until which its requests have used up their share. The numbers are in a file that the processes map.
Existing libraries count in one process, need Redis, or store something for each request.
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
"""Environment variable with the file that several processes share. A single process needs none."""

_ENTRY = struct.Struct("<Qd")  # whose, and until when (seconds of CLOCK_MONOTONIC, which all processes share)
_TENANTS = 16_384
"""A tenant that has used up nothing needs no entry, so this many tenants can be busy at the same time."""
_NEAR = 16
"""A tenant's entry is one of this many neighbours."""
_SIZE = (_TENANTS + _NEAR) * _ENTRY.size


class Taken(NamedTuple):
    """The result for one request, and what is left for the next."""

    wait_s: float
    """0 if the request passes and was counted. Otherwise nothing was counted, and it would pass after this many
    seconds."""
    left: int
    """How many requests of weight 1 could pass now."""
    full_in_s: float
    """Seconds until the full burst may pass at once."""


class RateLimit:
    """Allows `per_s` requests per second, and `burst` at once after a pause. For the event loop's thread."""

    def __init__(self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self.burst = burst
        self._clock = clock
        self._file = _open()
        self._file.truncate(_SIZE)
        self._table = mmap.mmap(self._file.fileno(), _SIZE)

    def take(self, tenant: str, weight: int = 1) -> Taken:
        """Count one request as `weight`, at most the burst, or refuse it and count nothing."""
        weight = min(weight, self.burst)
        key = int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=8).digest())
        with self._locked():
            now = self._clock()
            place, used_until = self._find(key)
            used = max(used_until - now, 0.0)
            after = used + weight / self.per_s
            # A thousandth of a request, for rounding errors of added fractions.
            most = (self.burst + 0.001) / self.per_s
            if after > most:
                return Taken(after - most, self._left(used), used)
            _ENTRY.pack_into(self._table, place, key, now + after)
            return Taken(0, self._left(after), after)

    def _left(self, used_s: float) -> int:
        return max(0, math.floor(self.burst + 0.001 - used_s * self.per_s))

    def charge(self, tenant: str, requests: int) -> None:
        """Count requests that were carried out already: the tenant waits for them afterwards."""
        key = int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=8).digest())
        with self._locked():
            now = self._clock()
            place, used_until = self._find(key)
            _ENTRY.pack_into(self._table, place, key, max(used_until, now) + requests / self.per_s)

    def give_back(self, tenant: str) -> None:
        """Give back one request that `take` counted."""
        key = int.from_bytes(hashlib.blake2b(tenant.encode(), digest_size=8).digest())
        with self._locked():
            place, used_until = self._find(key)
            if used_until > 0:
                _ENTRY.pack_into(self._table, place, key, used_until - 1 / self.per_s)

    def _find(self, key: int) -> tuple[int, float]:
        """Return the tenant's entry, or the neighbouring one that has used up least, which is nothing unless very many
        tenants are busy.
        """
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
        # The kernel releases the lock when a process dies.
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


def _open() -> BinaryIO:
    if path := os.environ.get(SHARED):
        return Path(path).open("a+b")
    return cast("BinaryIO", tempfile.TemporaryFile())
