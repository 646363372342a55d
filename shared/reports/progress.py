"""Turns rows done into the progress of an attempt: rows of the phase, percent of the whole, time to go."""

import time
from collections.abc import Callable
from typing import Protocol

from shared.reports.interface import Progress

_EVERY_S = 0.5
_SOON_S = 1.0
"""No estimate is given before this much time has passed."""


class RowProgress(Protocol):
    """A function that takes the rows done, and the total if it is known by now."""

    def __call__(self, rows: int, of: int | None = None, /) -> None:
        """Report the rows done. This is cheap enough to be called for each row."""


class Steps:
    """Turns rows into progress, assuming that all steps of an attempt cost about the same."""

    def __init__(
        self, steps: int, on_progress: Callable[[Progress], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._steps = steps
        self._on_progress = on_progress
        self._clock = clock
        self._began = clock()
        self._told_at = float("-inf")
        self._done = -1
        self._phase = ""
        self._total: int | None = None

    def begin(self, phase: str, total_rows: int | None, *, more: int = 0) -> None:
        """Begin a step, with `more` further steps than were expected. `total_rows` may be an estimate, or None."""
        self._steps += more
        self._done += 1
        self._phase, self._total = phase, total_rows
        self._tell(0)

    def expect(self, phase: str, total_rows: int | None, *, more: int = 0) -> None:
        """Rename the current step, now that its length is known or guessed, and `more` further steps will follow."""
        self._steps += more
        self._phase, self._total = phase, total_rows or None
        self._tell(0)

    def rename(self, phase: str, rows: int) -> None:
        """Rename the current step."""
        self._phase = phase
        self._tell(rows)

    def at(self, rows: int, of: int | None = None, /) -> None:
        """Report how many rows of the step are done, and the total `of` if it is known, at most twice per second."""
        self._total = of or self._total
        if self._clock() - self._told_at >= _EVERY_S:
            self._tell(rows)

    def _tell(self, rows: int) -> None:
        now = self._told_at = self._clock()
        part = min(rows / self._total, 0.99) if self._total else 0.0
        share = (self._done + part) / self._steps
        taken = now - self._began
        eta = taken / share - taken if share > 0 and taken >= _SOON_S else None
        self._on_progress(
            Progress(
                self._phase,
                rows,
                percent=round(100 * share, 1),
                total_rows=max(self._total, rows) if self._total else None,
                eta_s=None if eta is None else round(eta, 1),
            )
        )
