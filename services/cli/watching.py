"""Looks whether files change. By their times and sizes: a look costs a `stat` each, and no library."""

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
"""A look that takes long is followed by a rest of as many times its length: a twentieth of one core is the most."""


class Changes:
    """Tells that something below some paths has changed, and then stayed the same for a look."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.happened = threading.Event()
        """Set as soon as there is a change that nobody has waited for yet."""
        self._known = self._seen = self._state()
        threading.Thread(target=self._look_on, name="changes", daemon=True).start()

    def wait(self) -> None:
        """Wait for a change, and begin to look for the next."""
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
        # What Python compiles is written by a look at the code, and is no change of it.
        return frozenset(one for path in self.paths for one in state_of(path) if "__pycache__" not in one[0])


def begin_anew() -> None:
    """Run this command once more from its beginning, in this process's place. Does not return."""
    child.launcher.close()
    sys.stdout.flush()
    sys.stderr.flush()
    again = [one for one in sys.orig_argv[1:] if one != "--open"]
    os.execv(sys.executable, [sys.executable, *again])  # noqa: S606 - itself, with its own arguments
