"""The worker's end of the chart process: starts it, passes charts on, one at a time, and ends it when it misbehaves."""

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from shared.reports.charts import MOST_BYTES, Chart
from shared.reports.process import isolation, sandbox, tree
from shared.reports.process.chart_process import MEMORY_MB
from shared.reports.process.launcher import Child, Launcher
from shared.reports.process.output import Output
from shared.reports.process.worker_listener import LENGTH

log = logging.getLogger(__name__)

_MOST_CHARTS = 500
"""How many charts one process draws. A new process costs a quarter of a second, so half a millisecond per chart."""
_MOST_S = 60.0
"""The time limit of one chart. Then the process is ended, and the chart has failed."""
_LOOK_EVERY_S = 0.1
_END_S = 5.0
Check = Callable[[], object]
"""Called ten times per second during the wait for a chart. It raises what ends the wait."""


class _Died(Exception):
    """The chart process has ended by itself."""


class Charts:
    """One chart process, while it is needed. Safe to use from several threads."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher
        self._turn = threading.Lock()
        self._process: Child | None = None
        self._output: Output | None = None
        self._fonts: Path | None = None
        self._drawn = 0

    def draw(self, chart: Chart, fonts: Path | None, check: Check) -> tuple[bytes, float]:
        """Return the chart process's answer, as JSON for the report's process, and its seconds of processor time.

        Raises OSError, and whatever `check` raises. If the process dies over a chart, another one tries once more: the
        first may have been damaged.
        """
        while not self._turn.acquire(timeout=_LOOK_EVERY_S):
            check()
        try:
            for _ in range(2):
                with contextlib.suppress(_Died):
                    return self._answer(chart, fonts, check)
            return _refused(f"it needs more than {MEMORY_MB} MB of memory, or ends the process that draws it"), 0.0
        finally:
            self._turn.release()

    def get_ready(self, fonts: Path | None) -> None:
        """Start the process. Raises OSError."""
        with self._turn:
            self._running(fonts)

    def close(self) -> None:
        """End the process."""
        with self._turn:
            self._end()

    def _answer(self, chart: Chart, fonts: Path | None, check: Check) -> tuple[bytes, float]:
        """Return the answer to one chart, and its seconds of processor time.

        A process that hangs, dies, grows or has drawn enough charts is ended. Raises _Died, and whatever `check`
        raises.
        """
        process = self._running(fonts)
        before_s = tree.cpu_s_of(process.pid)
        try:
            packed = json.dumps(asdict(chart)).encode()
            give_up_at = time.monotonic() + _MOST_S
            process.line.settimeout(_MOST_S)
            process.line.sendall(LENGTH.pack(len(packed)) + packed)
            [length] = LENGTH.unpack(self._received(process, LENGTH.size, give_up_at, check))
            if length > MOST_BYTES:
                self._end()
                return _refused(f"its drawing is longer than {MOST_BYTES >> 20} MB"), 0.0
            answer = self._received(process, length, give_up_at, check)
        except TimeoutError:
            self._end()
            return _refused(f"it takes longer than {_MOST_S:g} s"), _MOST_S
        except OSError:
            self._end()
            raise _Died from None
        except BaseException:  # nobody waits for this chart any more, and the next one must not wait behind it
            self._end()
            raise
        cpu_s = max(0.0, tree.cpu_s_of(process.pid) - before_s)
        self._drawn += 1
        if self._drawn >= _MOST_CHARTS or self._is_too_large(process):
            self._end()
        return answer, cpu_s

    def _received(self, process: Child, length: int, give_up_at: float, check: Check) -> bytes:
        """Read `length` bytes. Raises TimeoutError, OSError if the process has ended, and whatever `check` raises."""
        process.line.settimeout(_LOOK_EVERY_S)
        found = bytearray()
        while len(found) < length:
            if time.monotonic() > give_up_at:
                raise TimeoutError
            try:
                piece = process.line.recv(length - len(found))
            except TimeoutError:
                self._read_output()
                check()
                continue
            if not piece:
                raise ConnectionError("the chart process has ended")
            found += piece
        return bytes(found)

    def _running(self, fonts: Path | None) -> Child:
        if self._process is not None and (self._fonts != fonts or self._process.ended(0)):
            self._end()
        if self._process is None:
            self._process = self._launcher.launch()
            self._output = Output(self._process.output).__enter__()
            self._fonts, self._drawn = fonts, 0
            sandbox.assign_charts(self._process.line, fonts, isolation.found())
        return self._process

    def _is_too_large(self, process: Child) -> bool:
        return tree.use_of(process.pid, enough_mb=MEMORY_MB, inherited_mb=process.inherited_mb).memory_mb > MEMORY_MB

    def _read_output(self) -> None:
        if self._output is not None and not self._output.closed:
            self._output.read()

    def _end(self) -> None:
        process, output = self._process, self._output
        self._process = self._output = None
        if process is not None and output is not None:
            self._launcher.kill(process)
            process.ended(_END_S)
            output.__exit__()
            process.let_go()


def _refused(why: str) -> bytes:
    log.warning("chart.refused", extra={"reason": why})
    return json.dumps({"refused": why}).encode()
