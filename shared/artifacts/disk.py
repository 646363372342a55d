"""Artifacts in a folder: one machine, or a volume that API and workers share."""

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shared.artifacts.interface import ArtifactMissing, ArtifactStoreUnavailable, LocalFile, StoredObject


class DiskStore:
    """Each object is a file below `root`, whole from the moment it can be seen."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, file: Path, *, media_type: str, sha256: str, metadata: Mapping[str, str]) -> StoredObject:
        """See `ArtifactStore.put`. Written beside its place, flushed to disk, verified, then renamed."""
        del media_type, metadata  # a file has no place for them; the database does
        target = self._path(key)
        with _as_unavailable(f"storing in {self._root}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".part-", dir=target.parent)
            part = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as out, file.open("rb") as source:
                    shutil.copyfileobj(source, out, 1 << 20)
                    out.flush()
                    os.fsync(out.fileno())
                _verify(part, sha256)
                part.chmod(0o640)
                part.rename(target)
            finally:
                part.unlink(missing_ok=True)
            _sync_folder(target.parent)
        return self.stat(key)

    def stat(self, key: str) -> StoredObject:
        """See `ArtifactStore.stat`."""
        try:
            status = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissing(f"no artifact {key}") from None
        return StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))

    def open(self, key: str) -> BinaryIO:
        """See `ArtifactStore.open`."""
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissing(f"no artifact {key}") from None

    def locate(self, key: str, *, download_name: str, media_type: str, expires_s: int) -> LocalFile:
        """See `ArtifactStore.locate`."""
        del download_name, media_type, expires_s
        self.stat(key)
        return LocalFile(self._path(key))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ArtifactStore.list`. Files under construction are not objects."""
        for path in sorted(self._root.rglob("*")):
            key = path.relative_to(self._root).as_posix()
            if path.is_file() and not path.name.startswith(".part-") and key.startswith(prefix):
                yield self.stat(key)

    def delete(self, key: str) -> None:
        """See `ArtifactStore.delete`. Folders that it leaves empty go too."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or gone already
            for folder in path.parents:
                if folder == self._root:
                    break
                folder.rmdir()

    def check(self) -> None:
        """See `ArtifactStore.check`."""
        with _as_unavailable(f"writing to {self._root}"):
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root):
                pass

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()) or key.startswith("/"):
            raise ValueError(f"{key!r} leads out of the store")
        return path


def _verify(path: Path, sha256: str) -> None:
    with path.open("rb") as stored:
        found = hashlib.file_digest(stored, "sha256").hexdigest()
    if found != sha256:
        raise ArtifactStoreUnavailable(f"what was stored reads back differently: SHA-256 {found}, not {sha256}")


def _sync_folder(folder: Path) -> None:
    """A rename survives a power cut only once its folder is on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _as_unavailable(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else str(error)
        raise ArtifactStoreUnavailable(f"{doing} failed: {why}") from error
