"""Measures for how long the database has answered without a break."""

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine, ExceptionContext


class Contact:
    """What the statements of one engine show: since when the database has answered.

    After an outage longer than a lease, every lease looks abandoned until its holder has renewed it. A process that
    takes jobs away from silent workers first waits until the database has been available for a while.
    """

    def __init__(self, engine: Engine, *, gap_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`gap_s`: a longer time without a statement counts as a break, because nothing is known about it."""
        self._gap_s = gap_s
        self._clock = clock
        self._since: float | None = None
        self._last = 0.0
        event.listen(engine, "after_cursor_execute", self._answered)
        event.listen(engine, "handle_error", self._failed)

    @property
    def unbroken_s(self) -> float:
        """For how many seconds the database has answered; 0 if the last statement failed or was long ago."""
        now = self._clock()
        return 0.0 if self._since is None or now - self._last > self._gap_s else now - self._since

    def begin_anew(self) -> None:
        """Count from now on, because the database turned out not to have been available all the time."""
        self._since = self._last = self._clock()

    def _answered(self, *_: Any) -> None:
        now = self._clock()
        if self._since is None or now - self._last > self._gap_s:
            self._since = now
        self._last = now

    def _failed(self, context: ExceptionContext) -> None:
        if context.is_disconnect or context.connection is None:
            self._since = None
