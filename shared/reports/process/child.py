"""Renders every attempt in a process of its own, with a memory limit and a deadline, which ends with its worker.

Children are forked from a server process that has imported the formats already, because the imports take far longer
than a fork. A fresh child per attempt means that nothing of one report can reach the next.
"""

import atexit
import contextlib
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.reports import errors
from shared.reports.charts import Chart
from shared.reports.interface import Cost, Progress, RenderCancelled, RenderedFile, RenderRequest, ReportError
from shared.reports.manifest import NAME as MANIFEST
from shared.reports.process import isolation, messages, sandbox, tree
from shared.reports.process.charts_drawn import Charts
from shared.reports.process.launcher import Child, Launcher
from shared.reports.process.output import Output
from shared.reports.process.source_keys import SourceKeys
from shared.reports.process.worker_listener import CHART, LENGTH, STOP

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
"""The longest time until a request to stop is noticed; also how often the limits are checked."""
_ASSIGN_WAIT_S = 10.0
_ANSWER_S = 5.0
"""The longest time that a child may take to read a chart that it requested."""
_KILL_WAIT_S = 5.0
_STOP_WAIT_S = 0.5

launcher = Launcher()
charts = Charts(launcher)
source_keys = SourceKeys()
_alive: dict[int, Child] = {}


def get_ready(fonts: Path | None, *, draws: bool) -> None:
    """Start the helper processes of reports, so that the first report need not wait for them.

    Returns at once, and never raises. `draws` says that there are reports with charts, whose fonts are in this folder.
    """

    def start() -> None:
        with contextlib.suppress(OSError):  # the first report reports the error
            launcher.warm_up()
            if draws:
                charts.get_ready(fonts)

    threading.Thread(target=start, name="warm-up", daemon=True).start()


def render(
    request: RenderRequest,
    *,
    deadline_s: float,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
    on_cost: Callable[[Cost], object] = lambda _: None,
) -> tuple[RenderedFile, ...]:
    """Make the files in a child process and return them. May be called from several threads at once.

    `on_cost` receives what the attempt used, however it ended. Raises ReportError for every way in which a report can
    fail, and RenderCancelled within about 0.1 s once `cancel` is set. When this returns or raises, the child is gone,
    and so is everything that it started.
    """
    try:
        child = launcher.launch()
    except OSError as error:
        log.error("render.not_started", extra={"reason": repr(error)})
        raise errors.renderer_unavailable() from None
    attempt = _Attempt(child, request, time.monotonic() + deadline_s, deadline_s, on_progress, cancel)
    _alive[child.pid] = child
    try:
        with Output(child.output) as output:
            try:
                files = attempt.attend(output)
            finally:
                _end(child)
        messages.check_files(files, request.scratch, MANIFEST)
        return tuple(files)
    except messages.NotUnderstood as error:
        log.error("render.not_understood", extra={"reason": str(error)})
        raise errors.renderer_failed(error) from None
    finally:
        del _alive[child.pid]
        on_cost(attempt.cost())
        child.let_go()


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A running child, with the callbacks of its caller."""

    child: Child
    request: RenderRequest
    end_at: float
    deadline_s: float
    on_progress: Callable[[Progress], None]
    cancel: threading.Event
    used: "_Used" = field(default_factory=lambda: _Used())

    def cost(self) -> Cost:
        """What it used. The child must have ended."""
        end = self.child.end(0)
        cpu_s, peak_mb = (end.cpu_s, end.peak_mb) if end else (0.0, 0)
        return Cost(cpu_s + self.used.charts_s, peak_mb, self.used.read_bytes, self.used.written_bytes)

    def attend(self, output: Output) -> Sequence[RenderedFile]:
        """Wait for the files. Raises ReportError, RenderCancelled, NotUnderstood."""
        line = messages.Line(self.child.line, self.request.scratch)
        line_end, waiting = self.child.line.fileno(), select.poll()
        for descriptor in (line_end, self.child.status, output.fileno()):
            waiting.register(descriptor, select.POLLIN)
        self._assign()
        while True:
            self._check()
            left_s = self.end_at - time.monotonic()
            ready = {descriptor for descriptor, _ in waiting.poll(max(0.0, min(left_s, _LOOK_EVERY_S)) * 1000)}
            output.read()
            if output.closed and output.fileno() in ready:
                waiting.unregister(output.fileno())
            for message in line.read():
                if (files := self._take(message)) is not None:
                    return files
            if line.closed or (self.child.status in ready and line_end not in ready):
                raise self._crashed()

    def _assign(self) -> None:
        self.child.line.settimeout(max(0.001, min(_ASSIGN_WAIT_S, self.deadline_s)))
        with contextlib.suppress(OSError):  # it has died, and its end says how; or it is frozen, until the deadline
            login = source_keys.login(self.request.source_dsn)
            sandbox.assign(self.child.line, self.request, isolation.found(), login)
        self.child.line.setblocking(False)

    def _take(self, message: messages.Message) -> Sequence[RenderedFile] | None:
        """Pass progress on, or return the files. Raises what the child reports."""
        match message:
            case Progress():
                self.on_progress(message)
            case ReportError():
                raise message
            case Chart():
                self._draw(message)
            case messages.Broken():
                log.error("render.broken", extra={"traceback": message.traceback})
                raise message.error
            case messages.SourceRead():
                self.used.read_bytes = message.size_bytes
            case messages.SaltMet():
                source_keys.told(self.request.source_dsn, message.salt)
            case _:
                self._look_at_limits()
                self.used.written_bytes = sum(file.size_bytes for file in message)
                return message
        return None

    def _draw(self, chart: Chart) -> None:
        """Send the child the chart that it requests. Raises as `attend` does."""
        try:
            answer, cpu_s = charts.draw(chart, self.request.fonts, self._check)
            self.used.charts_s += cpu_s
        except OSError as error:
            log.error("render.no_chart_process", extra={"reason": repr(error)})
            raise errors.renderer_unavailable() from None
        self.child.line.settimeout(_ANSWER_S)
        try:
            self.child.line.sendall(CHART + LENGTH.pack(len(answer)) + answer)
        except TimeoutError:
            raise messages.NotUnderstood("a chart was asked for and is not read") from None
        except OSError:
            return  # it has died, and its end says how
        finally:
            self.child.line.setblocking(False)

    def _check(self) -> None:
        """Raise the reason, if the attempt must end now."""
        if self.cancel.is_set():
            raise RenderCancelled("stopped by the worker")
        if time.monotonic() >= self.end_at:
            raise errors.attempt_timeout(self.deadline_s)
        if time.monotonic() - self.used.looked_at >= _LOOK_EVERY_S:
            self._look_at_limits()

    def _look_at_limits(self) -> None:
        """Check the limits that the kernel does not enforce. Raises ReportError."""
        limits = self.request.report.limits
        self.used.looked_at = time.monotonic()
        use = tree.use_of(self.child.pid, enough_mb=limits.memory_mb, inherited_mb=self.child.inherited_mb)
        if use.memory_mb > limits.memory_mb:
            raise errors.memory_limit_exceeded(limits)
        if use.tasks > tree.MOST_TASKS:
            raise errors.process_limit_exceeded(tree.MOST_TASKS)
        if scratch_mb_of(self.request.scratch) > limits.scratch_mb:
            raise errors.scratch_limit_exceeded(limits)

    def _crashed(self) -> ReportError:
        end = self.child.end(_KILL_WAIT_S)
        code = end.code if end else None
        if code == -signal.SIGXCPU:
            return errors.cpu_limit_exceeded(self.deadline_s)
        return errors.renderer_crashed(code)


@dataclass(slots=True)
class _Used:
    """What is measured while the child works."""

    looked_at: float = field(default_factory=time.monotonic)
    """When the limits were last checked. A child that has just begun uses nothing."""
    charts_s: float = 0.0
    read_bytes: int = 0
    written_bytes: int = 0


def scratch_mb_of(folder: Path) -> int:
    """Return the megabytes on disk below `folder`, counting each file once however many names it has."""
    sizes: dict[int, int] = {}
    for above, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):  # already gone
                status = os.lstat(os.path.join(above, name))  # noqa: PTH118 - a path each takes twice as long
                sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values()) >> 20


def _end(child: Child) -> None:
    """Give a running child the time that it needs to cancel its query on the server, then kill it."""
    with contextlib.suppress(OSError):
        child.line.send(STOP)
    if not child.ended(_STOP_WAIT_S):
        launcher.kill(child)
        child.ended(_KILL_WAIT_S)


atexit.register(launcher.close)  # and with it the chart process
