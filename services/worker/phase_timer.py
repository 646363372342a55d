"""How long each phase of a report takes, told from the progress that the renderer reports anyway."""

import time
from collections.abc import Callable

from services.worker import metrics
from shared.reports.interface import Progress
from shared.runtime import tracing
from shared.runtime.metrics.common import report_type_label
from shared.runtime.metrics.declare import known


class PhaseTimer:
    """Passes progress on, and measures each phase from its first word to the next phase's."""

    def __init__(
        self, report_type: str, on_progress: Callable[[Progress], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._report_type = report_type_label(report_type)
        self._on_progress = on_progress
        self._clock = clock
        self._phase = ""
        self._began = 0.0
        self._began_ns = 0

    def show(self, progress: Progress) -> None:
        """Progress came."""
        if progress.phase != self._phase:
            self.end()
            self._phase, self._began, self._began_ns = progress.phase, self._clock(), time.time_ns()
        self._on_progress(progress)

    def end(self) -> None:
        """The phase under way is over; called once more after the last one. What was broken off is not measured."""
        if self._phase:
            # "writing csv": what is done, and to which format if it is to one.
            phase, _, format_ = self._phase.partition(" ")
            metrics.REPORT_SECONDS.labels(
                self._report_type, known(format_ or "all", metrics.FORMATS), known(phase, metrics.PHASES)
            ).observe(self._clock() - self._began)
            tracing.record(self._phase, began_ns=self._began_ns, ended_ns=time.time_ns())
        self._phase = ""
