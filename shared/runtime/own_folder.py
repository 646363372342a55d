"""A folder that one process makes for itself, and that others can distinguish from one whose process has died."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_TRIES = 20


class OwnFolder:
    """A new folder below `parent`, locked for as long as this process lives or until `close`.

    The lock is the kernel's: it ends with the process and whatever it forked, however they die.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        for _ in range(_TRIES):
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            self._lock = _lock(self.path)
            if self._lock is not None:
                return
        raise OSError(f"no folder below {parent} could be locked: each was removed at once, or the disk has no locks")

    def close(self) -> None:
        """Remove the folder with all that is in it."""
        if self._lock is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def remove_abandoned(parent: Path, prefix: str) -> list[Path]:
    """Remove the folders whose process is dead, and return them. Several processes may do so at once."""
    removed = []
    for folder in sorted(parent.glob(f"{prefix}*")):
        if (lock := _lock(folder)) is None:
            continue
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
        if not folder.exists():
            removed.append(folder)
    return removed


def _lock(folder: Path) -> int | None:
    """Return the folder's lock, which must be closed; None while another process has it, or once the folder is gone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The previous holder of the lock may have removed the folder, so that this lock is on nothing.
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        except OSError:
            pass
        os.close(descriptor)
    return None
