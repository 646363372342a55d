"""Watches files for changes. It compares times and sizes: a look costs one `stat` each, and needs no library."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from shared.catalog.live import State, state_of
from shared.reports.process import child

_LOOK_EVERY_S = 0.25
_SHARE = 20
"""A look is followed by a pause of this many times its duration, so that looking takes a twentieth of one core at
most."""


class Changes:
    """Notices that something below some paths has changed, and has then stayed the same for one look."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.happened = threading.Event()
        """Set as soon as there is a change that was not yet waited for."""
        self._known = self._seen = self._state()
        threading.Thread(target=self._look_on, name="changes", daemon=True).start()

    def wait(self) -> None:
        """Wait for a change, and begin to look for the next one."""
        self.happened.wait()
        self.happened.clear()

    def look(self) -> None:
        """Look once."""
        state = self._state()
        settled, self._seen = state == self._seen, state
        if settled and state != self._known:
            self._known = state
            self.happened.set()

    def _look_on(self) -> None:
        while True:
            began = time.monotonic()
            self.look()
            time.sleep(max(_LOOK_EVERY_S, _SHARE * (time.monotonic() - began)))

    def _state(self) -> State:
        # A look at the code makes Python write compiled files, which are not a change.
        return frozenset(one for path in self.paths for one in state_of(path) if "__pycache__" not in one[0])


def begin_anew() -> None:
    """Restart this command from its beginning, in this process's place. Does not return."""
    child.launcher.close()
    sys.stdout.flush()
    sys.stderr.flush()
    again = [one for one in sys.orig_argv[1:] if one != "--open"]
    os.execv(sys.executable, [sys.executable, *again])  # noqa: S606 - itself, with its own arguments
