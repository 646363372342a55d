"""Remembers of which folders it is known that their own names are on the disk, so that they are flushed once."""

import contextlib
import itertools
import os
import threading
from collections.abc import Sequence

_MOST = 32
"""Folders that are remembered, each by an open descriptor: those of a worker's attempts and of its latest tenants."""


class DurableFolders:
    """The folders that this process has used lately. Safe to use from several threads.

    Each is held open, because the file system may give the number of a folder that is gone to a new one. Whoever made
    a folder may have died before its name was on the disk: so only what was flushed here is known.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: dict[tuple[int, int], int] = {}
        """Device and number of a folder → our descriptor of it; the latest last."""
        self._lock = threading.Lock()

    def flush(self, opened: Sequence[int]) -> None:
        """Return when a new name in the last of the folders survives a power cut, and so do those of the folders.

        `opened` are descriptors, each of a folder in the one before it; of the first the name is not ours. Raises
        OSError.
        """
        os.fsync(opened[-1])
        for above, folder in reversed(list(itertools.pairwise(opened))):
            if not self._knows(folder):
                os.fsync(above)
                self._remember(folder)

    def _knows(self, folder: int) -> bool:
        with self._lock:
            place = _place(folder)
            known = self._known.pop(place, None)
            if known is not None:
                self._known[place] = known
            return known is not None

    def _remember(self, folder: int) -> None:
        with self._lock:
            if (place := _place(folder)) not in self._known:
                with contextlib.suppress(OSError):  # no descriptor is free: the folder is flushed again
                    self._known[place] = os.dup(folder)
            while len(self._known) > self._most:
                os.close(self._known.pop(next(iter(self._known))))

    def __del__(self) -> None:
        """Let go of the folders."""
        while self._known:
            os.close(self._known.popitem()[1])


def _place(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino
