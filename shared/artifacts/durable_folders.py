"""Remembers which folders are known to be durable by name, so that each is flushed only once."""

import contextlib
import itertools
import os
import threading
from collections.abc import Sequence

_MOST = 32
"""How many folders are remembered, each by an open descriptor: those of a worker's attempts and of its latest
tenants."""


class DurableFolders:
    """The folders that this process used recently. Safe to use from several threads.

    Each is held open, because the file system may reuse the number of a removed folder for a new one. The process that
    created a folder may have died before the name was flushed, so only what was flushed here counts.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: dict[tuple[int, int], int] = {}
        """Device and number of a folder → our descriptor of it; the most recent comes last."""
        self._lock = threading.Lock()

    def flush(self, opened: Sequence[int]) -> None:
        """Return once a new name in the last of the folders, and the folders' own names, survive a power cut.

        `opened` are descriptors, each of a folder inside the previous one; the name of the first is not our concern.
        Raises OSError.
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
                with contextlib.suppress(OSError):  # no descriptor is free: the folder will be flushed again
                    self._known[place] = os.dup(folder)
            while len(self._known) > self._most:
                os.close(self._known.pop(next(iter(self._known))))

    def __del__(self) -> None:
        """Close the folders."""
        while self._known:
            os.close(self._known.popitem()[1])


def _place(folder: int) -> tuple[int, int]:
    found = os.fstat(folder)
    return found.st_dev, found.st_ino
