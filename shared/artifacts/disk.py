"""Stores artifacts in a folder: on one machine, or on a volume that API and workers share."""

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from shared.artifacts.durable_folders import DurableFolders
from shared.artifacts.interface import (
    ArtifactDamaged,
    ArtifactMissing,
    ArtifactStoreUnavailable,
    StoredObject,
    check_key,
)
from shared.artifacts.opened_file import HASH_FIRST_BYTES, OpenedFile, VerifiedFiles
from shared.artifacts.part import PREFIX, Part, new_part
from shared.artifacts.tree import MISSING, Found, NotAPlainFile, Tree
from shared.artifacts.whole import whole

_FOLDER_TRIES = 20
_LEFT_BEHIND_S = 3600
"""Age from which an unfinished file belongs to a process that died: no copy to a disk takes an hour."""


class DiskStore:
    """Each object is a file below `root`, complete from the moment it is visible. No link below `root` is followed."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._tree = Tree(self._root)
        self._verified = VerifiedFiles()
        self._durable = DurableFolders()

    def put(
        self, key: str, file: Path, *, media_type: str, sha256: str, metadata: Mapping[str, str], given: bool = False
    ) -> StoredObject:
        """See `ArtifactStore.put`.

        The file is written beside its final place, flushed, read back, then linked into place.
        """
        del media_type, metadata  # a file has no place for them; the database stores them
        check_key(key)
        *folders, name = key.split("/")
        with self._errors(f"storing {key}", may_be_missing=False), self._part(file, folders, given) as (part, opened):
            part.flush()
            if (found := part.digest()) != sha256:
                raise ArtifactStoreUnavailable(f"what was stored reads back differently: SHA-256 {found}, not {sha256}")
            part.publish(name, sha256)
            # A new name survives a power cut only once its folder is flushed, and a new folder once its parent is.
            self._durable.flush(opened)
            return _stored(Found(key, os.fstat(part.file.fileno())))

    def stat(self, key: str) -> StoredObject:
        """See `ArtifactStore.stat`."""
        with self.open(key) as file:
            return _stored(Found(key, os.fstat(file.fileno())))

    def open(self, key: str) -> BufferedReader:
        """See `ArtifactStore.open`."""
        check_key(key)
        with self._errors(f"opening {key}"):
            return self._tree.open(key)

    def read(self, key: str, *, size_bytes: int, sha256: str) -> bytes:
        """See `ArtifactStore.read`."""
        with self._errors(f"reading {key}"), self.open(key) as file:
            return whole(key, file.read(size_bytes + 1), size_bytes=size_bytes, sha256=sha256)

    def locate(
        self, key: str, *, size_bytes: int, sha256: str, download_name: str, media_type: str, expires_s: int
    ) -> OpenedFile:
        """See `ArtifactStore.locate`."""
        del download_name, media_type, expires_s
        with contextlib.ExitStack() as stack, self._errors(f"reading {key}"):
            opened = OpenedFile(key, stack.enter_context(self.open(key)), sha256=sha256, verified=self._verified)
            if opened.size_bytes != size_bytes:
                raise ArtifactDamaged(f"{key} holds {opened.size_bytes} bytes; {size_bytes} were stored")
            if size_bytes <= HASH_FIRST_BYTES:
                opened.verify()
            stack.pop_all()  # closing it is now up to its reader
            return opened

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ArtifactStore.list`. An unfinished file is not an object, unless its process has died."""
        folder = prefix.rpartition("/")[0]
        if folder:
            check_key(folder)
        with self._errors(f"listing {prefix}"):
            for found in map(_stored, self._tree.files(folder)):
                if found.key.startswith(prefix) and not _under_construction(found):
                    yield found

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        """See `ArtifactStore.delete`. Folders that become empty are removed, too."""
        kept = {}
        for key in keys:
            try:
                self._delete(key)
            except ArtifactStoreUnavailable as error:
                kept[key] = str(error)
        return kept

    def _delete(self, key: str) -> None:
        check_key(key)
        *folders, name = key.split("/")
        # Some of the folders may be gone, if a process died before it removed the next. If the root itself is missing,
        # a volume may not be mounted: then nothing is known of the file.
        with (
            self._errors(f"deleting {key}", may_be_missing=False),
            self._tree.walk(folders, as_far_as_they_are=True) as opened,
        ):
            if len(opened) > len(folders):
                with contextlib.suppress(*MISSING):
                    os.unlink(name, dir_fd=opened[-1])
            with contextlib.suppress(OSError):  # not empty
                for folder, above in reversed(list(zip(folders, opened, strict=False))):
                    with contextlib.suppress(FileNotFoundError):
                        os.rmdir(folder, dir_fd=above)

    def check(self) -> None:
        """See `ArtifactStore.check`.

        Writes and flushes a byte, because empty files can be created even on a full disk.
        """
        with self._errors(f"writing to {self._root}", may_be_missing=False):
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root) as probe:
                probe.write(b"\0")
                probe.flush()
                os.fsync(probe.fileno())

    def advice_on_storing(self) -> Sequence[str]:
        """See `ArtifactStore.advice_on_storing`. A folder has none."""
        return ()

    def advice_on_deleting(self) -> Sequence[str]:
        """See `ArtifactStore.advice_on_deleting`. A folder has none."""
        return ()

    @contextlib.contextmanager
    def _part(self, file: Path, folders: Sequence[str], given: bool) -> Iterator[tuple[Part, Sequence[int]]]:
        """Yield the file as a part in the last of the folders, and the opened folders.

        The sweeper may remove the folder before it is used; then it is created again.
        """
        for _ in range(_FOLDER_TRIES):
            with contextlib.suppress(FileNotFoundError), contextlib.ExitStack() as making:
                opened = making.enter_context(self._tree.walk(folders, make=True))
                part = new_part(file, opened[-1], making, given=given)
                made = making.pop_all()
                break
        else:
            raise OSError(errno.EAGAIN, f"{'/'.join(folders)} vanishes as soon as it is made")
        with made:
            yield part, opened

    @contextlib.contextmanager
    def _errors(self, doing: str, *, may_be_missing: bool = True) -> Iterator[None]:
        try:
            yield
        except NotAPlainFile as error:
            raise ArtifactMissing(f"nothing there: {doing}: {error}") from None
        except OSError as error:
            if may_be_missing and isinstance(error, MISSING):
                raise ArtifactMissing(f"nothing there: {doing}") from None
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise ArtifactStoreUnavailable(f"{doing} failed: {'the disk is full' if full else error}") from error


def _stored(found: Found) -> StoredObject:
    return StoredObject(found.path, found.status.st_size, datetime.fromtimestamp(found.status.st_mtime, UTC))


def _under_construction(found: StoredObject) -> bool:
    is_part = found.key.rpartition("/")[2].startswith(PREFIX)
    return is_part and found.modified_at.timestamp() > time.time() - _LEFT_BEHIND_S
