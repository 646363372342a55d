"""Where walks over the unfinished jobs begin, so that they do not step over jobs that ended but cannot be vacuumed.

Under a long-held snapshot the index of unfinished jobs keeps an entry for every job that has ended since, and a walk
from its beginning looks at each of them again: half a second for 300,000, at every pass. A job that has ended never
comes back, and ids are in order of time; so the oldest unfinished job of one walk, less a margin, is where the next
one begins.
"""

import time
from uuid import UUID

START = UUID(int=0)
"""Where a walk begins that looks at everything."""
_MARGIN_S = 600.0
"""Ids are drawn by the clocks of several APIs, and some of them are not committed yet."""
_AUDIT_EVERY_S = 600.0
"""A clock that is further off shows here: one walk begins at START."""


class UnfinishedFloor:
    """The floor of one relay. It only saves time: a job below it is found by the next audit."""

    def __init__(self) -> None:
        self.value = START
        self._audit_at = time.monotonic() + _AUDIT_EVERY_S

    def begin(self) -> UUID:
        """Where a walk that starts now begins."""
        if time.monotonic() < self._audit_at:
            return self.value
        self._audit_at = time.monotonic() + _AUDIT_EVERY_S
        return START

    def learn(self, oldest: UUID | None, *, began_at: float) -> None:
        """A walk that began at `began_at` (Unix seconds) met `oldest` first; None when it met no job at all."""
        made_at = began_at if oldest is None else min(began_at, (oldest.int >> 80) / 1000)
        self.value = UUID(int=max(0, int((made_at - _MARGIN_S) * 1000)) << 80)
