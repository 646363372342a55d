"""An unfinished file in a folder of the disk store: filled, flushed and read back before it gets its final name."""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat as modes
from dataclasses import dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path

from shared.artifacts.interface import ArtifactExists
from shared.artifacts.tree import NotAPlainFile, open_inside

PREFIX = ".part-"
_MODE = 0o640
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


@dataclass(frozen=True, slots=True)
class Part:
    """An unfinished file in `folder`, which is an open descriptor."""

    folder: int
    name: str
    file: BufferedReader | BufferedRandom

    def flush(self) -> None:
        """Return when its bytes are on the disk."""
        os.fsync(self.file.fileno())

    def digest(self) -> str:
        """Return the SHA-256 of what the part holds, read back from the file."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()

    def publish(self, name: str, sha256: str) -> None:
        """Give the part its final name, unless the name is taken: a link, unlike a rename, never replaces."""
        try:
            os.link(self.name, name, src_dir_fd=self.folder, dst_dir_fd=self.folder, follow_symlinks=False)
        except FileExistsError:
            if _digest_inside(name, self.folder) != sha256:
                raise ArtifactExists(f"{name} is stored already, with other bytes") from None
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # The file system has no hard links. The lease token in the key keeps two writers apart.
            if name in os.listdir(self.folder):  # noqa: PTH208 - of a descriptor
                raise ArtifactExists(f"{name} is stored already") from None
            os.rename(self.name, name, src_dir_fd=self.folder, dst_dir_fd=self.folder)


def new_part(source: Path, folder: int, until: contextlib.ExitStack, *, given: bool) -> Part:
    """Yield a part with the bytes of `source`: a copy, or the file itself if it is given and may be kept.

    The part is removed at the end, whatever it has been linked to meanwhile. Raises OSError.
    """
    name = f"{PREFIX}{secrets.token_hex(8)}"
    until.callback(_unlink_if_there, name, folder)
    file = (given and _linked(source, name, folder)) or _copied(source, name, folder)
    until.callback(file.close)
    return Part(folder, name, file)


def _linked(source: Path, name: str, folder: int) -> BufferedReader | None:
    """Make `source` itself the part, opened; None if only a copy would be like a file made here.

    This saves writing a workbook of a million rows twice. Nobody else may be able to write to the file, so it must be
    ours and have no other name. It must also have the group, the mode and the time that a new file has.
    """
    with contextlib.ExitStack() as opening:
        try:
            file = opening.enter_context(os.fdopen(os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb"))
            found = os.fstat(file.fileno())
            if not modes.S_ISREG(found.st_mode) or found.st_nlink != 1 or not _is_as_made_in(folder, found):
                return None
            if os.listxattr(file.fileno()):  # a label or an access list of its own, which a copy would not have
                return None
            os.fchmod(file.fileno(), _MODE)
            os.utime(file.fileno())
            os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)
        except OSError:
            return None  # another file system, or one without links; the copy will report any other fault
        opening.pop_all()
        return file


def _is_as_made_in(folder: int, found: os.stat_result) -> bool:
    """True if a new file in the folder would get the owner and group of this one, and nothing else."""
    if not hasattr(os, "listxattr"):
        return False
    above = os.fstat(folder)
    group = above.st_gid if above.st_mode & modes.S_ISGID else os.getegid()
    # Labels and default access lists are given to files created in a folder, but not to files linked into it.
    return (found.st_uid, found.st_gid) == (os.geteuid(), group) and not os.listxattr(folder)


def _copied(source: Path, name: str, folder: int) -> BufferedRandom:
    with contextlib.ExitStack() as opening:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        file = opening.enter_context(os.fdopen(descriptor, "w+b"))
        with source.open("rb") as bytes_:
            shutil.copyfileobj(bytes_, file, 1 << 20)
        file.flush()
        os.fchmod(file.fileno(), _MODE)
        opening.pop_all()
        return file


def _unlink_if_there(name: str, folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _digest_inside(name: str, folder: int) -> str | None:
    """Return the digest of a plain file in the folder; None for anything else, which must not be taken for ours."""
    try:
        with open_inside(name, folder) as stored:
            return hashlib.file_digest(stored, "sha256").hexdigest()
    except NotAPlainFile:
        return None
