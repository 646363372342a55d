"""A file of the disk store on its way to a client: it is never sent to its end unless it is what was stored."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from io import BufferedReader

from shared.artifacts.interface import ArtifactDamaged

HASH_FIRST_BYTES = 16 << 20
"""A file up to this size is read once before its first byte is sent, so that damage is answered with an error code. A
larger one is hashed while it is sent, and its last piece is sent only if the digest is right. What SHA-256 costs:
`python -m tests.benchmarks.downloads`."""
PIECE_BYTES = 256 * 1024

_TRUSTED_FOR_S = 3600.0
"""A disk can corrupt bits without changing the modification time, so a file is verified again after an hour."""
_REMEMBERED = 10_000
_STRIPES = 64

Identity = tuple[int, int, int, int, int]


class VerifiedFiles:
    """The files whose content was verified within the last hour. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[Identity, str], float] = {}
        self._lock = threading.Lock()
        self._hashing = [threading.Lock() for _ in range(_STRIPES)]

    def hold(self, status: os.stat_result, sha256: str) -> bool:
        """True if this very file, unchanged since, had this digest."""
        with self._lock:
            return self._until.get((_identity(status), sha256), 0.0) > self._clock()

    def remember(self, status: os.stat_result, sha256: str) -> None:
        """Remember that the file had this digest just now."""
        with self._lock:
            key = (_identity(status), sha256)
            self._until.pop(key, None)  # the newest come last
            self._until[key] = self._clock() + _TRUSTED_FOR_S
            while len(self._until) > _REMEMBERED:
                del self._until[next(iter(self._until))]

    def one_at_a_time(self, status: os.stat_result) -> threading.Lock:
        """Return the lock that is held while the file is hashed, so that sixteen concurrent ranges cause only one
        reading.
        """
        return self._hashing[hash(_identity(status)) % _STRIPES]


class OpenedFile:
    """See `LocalFile`. The descriptor is opened once, so what is sent is what was verified."""

    def __init__(self, key: str, file: BufferedReader, *, sha256: str, verified: VerifiedFiles) -> None:
        self._key = key
        self._file = file
        self._sha256 = sha256
        self._verified = verified
        self._status = os.fstat(file.fileno())

    @property
    def key(self) -> str:
        """See `LocalFile.key`."""
        return self._key

    @property
    def size_bytes(self) -> int:
        """See `LocalFile.size_bytes`."""
        return self._status.st_size

    @property
    def verified(self) -> bool:
        """See `LocalFile.verified`."""
        return self._verified.hold(self._status, self._sha256)

    def verify(self) -> None:
        """See `LocalFile.verify`. The file is read unless that was done within the hour."""
        with self._verified.one_at_a_time(self._status):
            if self._verified.hold(self._status, self._sha256):
                return
            self._file.seek(0)
            found = hashlib.file_digest(self._file, "sha256").hexdigest()
            self._end_of_reading(found)

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """See `LocalFile.pieces`. A part of an unverified file is verified first."""
        stop = self.size_bytes if stop is None else stop
        with self._file:
            whole = start == 0 and stop == self.size_bytes
            known = self._verified.hold(self._status, self._sha256)
            if not known and not whole:
                self.verify()
            digest = hashlib.sha256() if whole and not known else None
            held_back = b""
            for piece in self._read(start, stop):
                if held_back:
                    yield held_back
                if digest is not None:
                    digest.update(piece)
                held_back = piece
            self._end_of_reading(digest.hexdigest() if digest is not None else None)
            yield held_back

    def close(self) -> None:
        """See `LocalFile.close`."""
        self._file.close()

    def _read(self, start: int, stop: int) -> Iterator[bytes]:
        self._file.seek(start)
        while start < stop:
            piece = self._file.read(min(PIECE_BYTES, stop - start))
            if not piece:
                raise ArtifactDamaged(f"{self._key} became shorter while it was read")
            start += len(piece)
            yield piece

    def _end_of_reading(self, found: str | None) -> None:
        now = os.fstat(self._file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise ArtifactDamaged(f"{self._key} was changed while it was read")
        if found is None:
            return
        if found != self._sha256:
            raise ArtifactDamaged(
                f"{self._key} holds other bytes than were stored: SHA-256 {found}, not {self._sha256}"
            )
        self._verified.remember(self._status, self._sha256)


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
