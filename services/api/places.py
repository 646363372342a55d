"""Limits how many streams one caller may have open, so that no caller takes all places."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from services.api.auth.principal import Principal
from services.api.watch import Watcher
from shared.errors import TodokeError


class TooManyStreams(TodokeError):
    """The caller has as many open streams as it may."""


class NoStreamLeft(TodokeError):
    """The process serves as many streams and long polls as it can, or is about to end."""


class StreamPlaces:
    """The places of one process. They are the watcher's own, because a long poll takes one, too."""

    def __init__(self, watcher: Watcher, *, most_each: int) -> None:
        """`most_each` limits the streams of one key or other identity; callers without identities share one limit."""
        self._watcher = watcher
        self._most_each = most_each
        self._taken: Counter[tuple[str, str | None]] = Counter()

    @contextlib.contextmanager
    def place(self, principal: Principal) -> Iterator[None]:
        """Hold a place for the caller within the block. Raises TooManyStreams and NoStreamLeft."""
        who = principal.tenant, principal.subject
        if principal.subject is not None and self._taken[who] >= self._most_each:
            raise TooManyStreams(f"You have {self._most_each} streams open, as many as you may: close one.")
        with self._watcher.place() as free:
            if not free:
                raise NoStreamLeft("This process serves as many streams and long polls as it can. Try again.")
            self._taken[who] += 1
            try:
                yield
            finally:
                self._taken[who] -= 1
                if not self._taken[who]:
                    del self._taken[who]
