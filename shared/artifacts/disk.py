"""Keeps artifacts in a folder: on one machine, or on a volume that API and workers share."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat as modes
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shared.artifacts.interface import (
    ArtifactExists,
    ArtifactMissing,
    ArtifactStoreUnavailable,
    LocalFile,
    StoredObject,
    check_key,
)

_PART = ".part-"
_FOLDER_TRIES = 20
_LEFT_BEHIND_S = 3600
"""Age from which a part belongs to a process that died: no copy to a disk takes an hour."""
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class DiskStore:
    """Each object is a file below `root`, whole from the moment it can be seen."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def put(self, key: str, file: Path, *, media_type: str, sha256: str, metadata: Mapping[str, str]) -> StoredObject:
        """See `ArtifactStore.put`. The file is copied beside its place, flushed, read back, then linked into place."""
        del media_type, metadata  # a file has no place for them; the database does
        target = self._path(key)
        with self._errors(f"storing {key}", may_be_missing=False):
            part = self._copy_beside(target, file)
            try:
                _verify(part, sha256)
                self._publish(key, part, target, sha256)
            finally:
                part.unlink(missing_ok=True)
            self._sync_folders(target)
        return self.stat(key)

    def stat(self, key: str) -> StoredObject:
        """See `ArtifactStore.stat`."""
        with self._errors(f"looking at {key}"):
            status = self._path(key).stat()
            if not modes.S_ISREG(status.st_mode):
                raise ArtifactMissing(f"no artifact {key}")
            return StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def open(self, key: str) -> BinaryIO:
        """See `ArtifactStore.open`."""
        with self._errors(f"opening {key}"):
            return self._path(key).open("rb")

    def locate(self, key: str, *, download_name: str, media_type: str, expires_s: int) -> LocalFile:
        """See `ArtifactStore.locate`."""
        del download_name, media_type, expires_s
        self.stat(key)
        return LocalFile(self._path(key))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ArtifactStore.list`. A file under construction is not an object; one that a dead process left is."""
        folder = self._root / prefix.rpartition("/")[0]
        with self._errors(f"listing {prefix}"):
            for path in _files(folder):
                key = path.relative_to(self._root).as_posix()
                with contextlib.suppress(ArtifactMissing):  # deleted since
                    if key.startswith(prefix) and not _under_construction(found := self.stat(key)):
                        yield found

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """See `ArtifactStore.delete`. Folders that it leaves empty go too."""
        kept = {}
        for key in keys:
            try:
                self._delete(key)
            except ArtifactStoreUnavailable as error:
                kept[key] = str(error)
        return kept

    def _delete(self, key: str) -> None:
        path = self._path(key)
        with self._errors(f"deleting {key}"):
            with contextlib.suppress(*_MISSING):
                path.unlink()
            with contextlib.suppress(OSError):  # not empty
                for folder in path.parents:
                    if folder == self._root:
                        break
                    with contextlib.suppress(FileNotFoundError):  # by a process that died before it came to the next
                        folder.rmdir()

    def check(self) -> None:
        """See `ArtifactStore.check`. Writes and flushes a byte, because a full disk still makes empty files."""
        with self._errors(f"writing to {self._root}", may_be_missing=False):
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root) as probe:
                probe.write(b"\0")
                probe.flush()
                os.fsync(probe.fileno())

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    def _copy_beside(self, target: Path, file: Path) -> Path:
        descriptor, name = _new_part(target.parent)
        try:
            with os.fdopen(descriptor, "wb") as out, file.open("rb") as source:
                shutil.copyfileobj(source, out, 1 << 20)
                out.flush()
                os.fchmod(out.fileno(), 0o640)
                os.fsync(out.fileno())
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def _publish(self, key: str, part: Path, target: Path, sha256: str) -> None:
        """Give the part its name, unless the name is taken: a link, unlike a rename, never replaces."""
        try:
            target.hardlink_to(part)
        except FileExistsError:
            if _digest(target) != sha256:
                raise ArtifactExists(f"{key} is stored already, with other bytes") from None
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}:
                raise
            # A file system without hard links. The lease token in the key keeps two writers apart.
            if target.exists():
                raise ArtifactExists(f"{key} is stored already") from None
            part.rename(target)

    def _sync_folders(self, target: Path) -> None:
        """A new name survives a power cut only once its folder is on disk, and new folders once theirs are."""
        for folder in target.parents:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if folder == self._root:
                break

    @contextlib.contextmanager
    def _errors(self, doing: str, *, may_be_missing: bool = True) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if may_be_missing and isinstance(error, _MISSING):
                raise ArtifactMissing(f"nothing there: {doing}") from None
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise ArtifactStoreUnavailable(f"{doing} failed: {'the disk is full' if full else error}") from error


def _new_part(folder: Path) -> tuple[int, str]:
    """A new file in `folder`. The sweeper may remove the empty folder before it is used: then make it again."""
    for _ in range(_FOLDER_TRIES):
        with contextlib.suppress(FileNotFoundError):
            folder.mkdir(parents=True, exist_ok=True)
            return tempfile.mkstemp(prefix=_PART, dir=folder)
    raise OSError(errno.EAGAIN, f"{folder} vanishes as soon as it is made")


def _files(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, by name; what vanishes meanwhile is left out."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except _MISSING:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        else:
            yield Path(entry.path)


def _under_construction(found: StoredObject) -> bool:
    is_part = found.key.rpartition("/")[2].startswith(_PART)
    return is_part and found.modified_at.timestamp() > time.time() - _LEFT_BEHIND_S


def _digest(path: Path) -> str:
    with path.open("rb") as stored:
        return hashlib.file_digest(stored, "sha256").hexdigest()


def _verify(path: Path, sha256: str) -> None:
    if (found := _digest(path)) != sha256:
        raise ArtifactStoreUnavailable(f"what was stored reads back differently: SHA-256 {found}, not {sha256}")
