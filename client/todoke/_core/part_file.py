"""A file that is being downloaded, under a temporary name until it is known to be complete and right."""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from todoke.errors import AlreadyThere, CorruptDownload

_PIECE = 1024 * 1024


class PartFile:
    """`NAME.SHA256….part` beside NAME. Other content has another name, so the rest of another file is never resumed.

    A context manager: leaving it closes the file and keeps it, to be resumed another time.
    """

    blocking = True
    enough = False

    def __init__(self, target: Path, *, sha256: str, size: int | None) -> None:
        self._target = target
        self._sha256 = sha256
        self._most = size
        self._path = target.with_name(f"{target.name}.{sha256[:12]}.part")
        self._open: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self._shared = False
        self.size = 0
        """Bytes written so far."""
        self.resumed = False
        """True if some of them are from an earlier run."""

    @property
    def _file(self) -> BinaryIO:
        if self._open is None:
            raise ValueError("the file is not open")
        return self._open

    def open(self) -> None:
        """Open the file, and keep what an earlier run left. Raises OSError."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._open = os.fdopen(os.open(self._path, flags, 0o666), "r+b")
        if not _alone(self._open):  # another process downloads the same file: each uses its own
            self._open.close()
            self._shared = True
            self._path = self._path.with_name(f"{self._path.name}.{secrets.token_hex(4)}")
            self._open = os.fdopen(os.open(self._path, flags | os.O_EXCL, 0o666), "r+b")
        while piece := self._file.read(_PIECE):
            self._digest.update(piece)
            self.size += len(piece)
        if self._most is not None and self.size > self._most:
            self.restart()
        self.resumed = self.size > 0

    def restart(self) -> None:
        """Discard the bytes written so far."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0
        self.resumed = False

    def write(self, piece: bytes) -> Iterable[Any]:
        """Add a piece. Raises CorruptDownload if the file becomes too long, and OSError."""
        if self._most is not None and self.size + len(piece) > self._most:
            self.discard()
            raise CorruptDownload(f"{self._target.name}: received more than the {self._most:,} bytes of the job's file")
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        return ()

    def right(self) -> bool:
        """True if the file is complete and its SHA-256 matches."""
        return self._digest.hexdigest() == self._sha256

    def publish(self, *, force: bool) -> None:
        """Give the file its final name, durably. Raises AlreadyThere if another file has it, unless `force` is set."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if not force:
            try:
                self._target.hardlink_to(self._path)
            except OSError:  # another file has the name, or the file system has no hard links
                if same(self._target, self._sha256):  # another process has downloaded it meanwhile
                    self.discard()
                    return
            else:
                self._path.unlink()
                return
        self._path.replace(self._target)

    def discard(self) -> None:
        """Delete the file."""
        self.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file and keep it, unless it is empty or no later run would find it."""
        if self._open is not None:
            self._open.close()
            self._open = None
            with contextlib.suppress(OSError):
                if self._shared or self._path.stat().st_size == 0:
                    self._path.unlink()


class Stream:
    """Writes a file into something that cannot seek, such as a pipe."""

    blocking = True
    enough = False

    def __init__(self, into: BinaryIO, *, name: str, sha256: str, size: int | None) -> None:
        self._into = into
        self._name = name
        self._sha256 = sha256
        self._most = size
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> Iterable[Any]:
        """Pass a piece on. Raises CorruptDownload if the file becomes too long."""
        if self._most is not None and self.size + len(piece) > self._most:
            raise CorruptDownload(f"{self._name}: received more than the {self._most:,} bytes of the job's file")
        self._into.write(piece)
        self._digest.update(piece)
        self.size += len(piece)
        return ()

    def right(self) -> bool:
        """True if what was passed on is complete and its SHA-256 matches."""
        return self._digest.hexdigest() == self._sha256


def same(path: Path, sha256: str) -> bool:
    """True if the file at `path` has this SHA-256. Raises AlreadyThere if it has another, and OSError."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return False
    except PermissionError:
        raise AlreadyThere(path) from None
    if found != sha256:
        raise AlreadyThere(path)
    return True


def _alone(file: BinaryIO) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows locks open files by itself
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
