"""The phase timer measures each phase of a report from the progress that the renderer reports anyway."""

import logging
import time
from collections.abc import Callable

from services.worker import metrics
from shared.reports.interface import Progress
from shared.runtime import tracing
from shared.runtime.metrics.common import report_type_label
from shared.runtime.metrics.declare import known

log = logging.getLogger(__name__)

_MOST = 20
"""How many phases are measured separately: a Python report may name any number of phases."""


class PhaseTimer:
    """Passes progress on, and measures each phase from its first progress until the next phase begins."""

    def __init__(
        self, report_type: str, on_progress: Callable[[Progress], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._report_type = report_type_label(report_type)
        self._on_progress = on_progress
        self._clock = clock
        self._phase = ""
        self._began = 0.0
        self._began_ns = 0
        self.took: dict[str, float] = {}
        """Seconds that each finished phase took, in order."""

    def show(self, progress: Progress) -> None:
        """Pass this progress on. If it begins another phase, measure the previous one."""
        if progress.phase != self._phase:
            self.end()
            log.debug("report.phase", extra={"phase": progress.phase})
            self._phase, self._began, self._began_ns = progress.phase, self._clock(), time.time_ns()
        self._on_progress(progress)

    def end(self) -> None:
        """Measure the current phase.

        Call it after the last phase has succeeded, so that a phase that failed is not measured.
        """
        if self._phase:
            # A phase has a name like "writing csv": the phase, then the format if the phase serves only one.
            phase, _, format_ = self._phase.partition(" ")
            metrics.REPORT_SECONDS.labels(
                self._report_type, known(format_ or "all", metrics.FORMATS), known(phase, metrics.PHASES)
            ).observe(took := self._clock() - self._began)
            if self._phase in self.took or len(self.took) < _MOST:
                self.took[self._phase] = self.took.get(self._phase, 0.0) + took
            log.debug("report.phase_ended", extra={"phase": self._phase})
            tracing.record(self._phase, began_ns=self._began_ns, ended_ns=time.time_ns())
        self._phase = ""
