"""The progress of jobs on stderr: a moving line for each on a terminal, a line per change elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from todoke.cli.terminal import colours, moves, one_line, say
from todoke.sizes import size

if TYPE_CHECKING:
    from todoke.models import Job

_QUIET_S = 10.0
"""The least time between lines about a job's progress: a CI log is read later, by a person."""


class Display(Protocol):
    """Shows jobs until the block ends."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def show(self, job: "Job") -> None:
        """Show a job's current state."""


def display(*, quiet: bool) -> Display:
    """Return the display that suits stderr."""
    if quiet:
        return Lines(lambda _: None)
    return Bars() if moves(sys.stderr) else Lines(say)


def detail(job: "Job") -> str:
    """Describe what a job is doing, or its result."""
    if job.error is not None and (job.ended or job.next_attempt_at):
        return f"{job.error.code}: {job.error.message}"
    if job.result is not None:
        files = job.result.artifacts
        return f"{len(files)} file{'s' if len(files) != 1 else ''}, {size(sum(f.size_bytes for f in files))}"
    if job.progress is not None:
        total = f" of {job.progress.total_rows:,}" if job.progress.total_rows else ""
        return f"{job.progress.phase} {job.progress.rows:,}{total} rows"
    return ""


class Lines:
    """A line per change of state, and occasionally one of progress."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._shown: dict[str, tuple[str, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to remove."""

    def show(self, job: "Job") -> None:
        """Show a job, if there is something new."""
        status, at = self._shown.get(job.id, ("", 0.0))
        now = self._clock()
        if job.status == status and now - at < _QUIET_S:
            return
        self._shown[job.id] = (job.status, now)
        self._write(f"{job.id}  {one_line(job.report_type)}  {one_line(job.status)}  {one_line(detail(job))}".rstrip())


class Bars:
    """A line for each job, with a bar once the total is known."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.table import Column

        def column(text: str, width: int) -> TextColumn:
            return TextColumn(text, markup=False, table_column=Column(width=width, no_wrap=True, overflow="ellipsis"))

        console = Console(stderr=True, force_terminal=True, no_color=not colours(sys.stderr), highlight=False)
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            column("{task.fields[report]}", 20),
            column("{task.fields[status]}", 10),
            BarColumn(20),
            TextColumn(
                "{task.fields[detail]}", markup=False,
                table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
            ),
            TimeElapsedColumn(),
            console=console, expand=True,
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, job: "Job") -> None:
        """Show a job's current state."""
        if job.id not in self._tasks:
            self._tasks[job.id] = self._progress.add_task("", total=None, report="", status="", detail="")
        percent = job.progress.percent if job.progress else None
        done = 100.0 if job.ended else percent
        self._progress.update(
            self._tasks[job.id], report=one_line(job.report_type), status=one_line(job.status),
            detail=one_line(detail(job)), total=None if done is None else 100.0, completed=done or 0.0,
        )  # fmt: skip
