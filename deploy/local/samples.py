"""Submits one report of each type, and shows the progress: one line each on a terminal, plain lines elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from deploy.local.processes import LocalFailure
from deploy.local.stack import Stack
from todoke import Todoke, errors
from todoke.sizes import size

_FINAL = {"SUCCESS", "FAILED", "CANCELLED"}
_GIVE_UP_S = 600.0
_IN_EVERY_FORMAT = frozenset({"airport-traffic", "carrier-delays", "calendar"})

Job = Mapping[str, Any]
"""As the API returns it."""


def submit(stack: Stack, say: Callable[[str], None]) -> list[Job]:
    """Submit one job per report type that needs no parameters, and mention the others. Returns the jobs.

    The flights are made in all their formats, the big export as CSV only; the other samples and the user's own in their
    first. Raises LocalFailure.
    """
    jobs: list[Job] = []
    with _asking(stack) as todoke:
        for report in todoke.types.list().types:
            if required := report.parameters.get("required"):
                say(f"  {report.name}: not asked for, it needs {', '.join(required)}")
                continue
            every = stack.samples and report.name in _IN_EVERY_FORMAT
            jobs.append(todoke.jobs.create(report.name, formats=report.formats[: None if every else 1]).raw)
    return jobs


@contextlib.contextmanager
def _asking(stack: Stack) -> Iterator[Todoke]:
    """Yield the client, whose errors become failures of the stack."""
    try:
        with Todoke(stack.url, stack.own_key) as todoke:
            yield todoke
    except errors.TodokeError as error:
        raise LocalFailure(str(error)) from None


def watch(stack: Stack, jobs: Sequence[Job], *, quiet: bool) -> list[Job]:
    """Show the jobs' progress on stderr until all have ended.

    Returns them in their final state; raises LocalFailure.
    """
    if quiet or not sys.stderr.isatty():
        return _follow(stack, jobs, _lines(quiet))
    with progress_on(Console(stderr=True)) as progress:
        rows = {
            job["jobId"]: progress.add_task("", total=None, report=job["reportType"], status=job["status"], detail="")
            for job in jobs
        }

        def show(job: Job) -> None:
            done = job["status"] in _FINAL
            progress.update(
                rows[job["jobId"]], status=job["status"], detail=_detail(job), total=1 if done else None,
                completed=1 if done else 0,
            )  # fmt: skip

        return _follow(stack, jobs, show)


def progress_on(console: Console) -> Progress:
    """Return one line per job, on which only the current phase is cut off if the terminal is narrow."""
    return Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.fields[report]}", table_column=_column(20)),
        TextColumn("{task.fields[status]}", table_column=_column(10)),
        TextColumn("{task.fields[detail]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
        TimeElapsedColumn(table_column=_column(7)),
        console=console,
        expand=True,
    )


def _column(width: int) -> Column:
    return Column(width=width, no_wrap=True, overflow="ellipsis")


def _follow(stack: Stack, jobs: Sequence[Job], show: Callable[[Job], None]) -> list[Job]:
    give_up_at = time.monotonic() + _GIVE_UP_S
    latest: dict[str, Job] = {}
    with _asking(stack) as todoke:
        while len([j for j in latest.values() if j["status"] in _FINAL]) < len(jobs):
            for job in jobs:
                job_id = job["jobId"]
                if latest.get(job_id, job)["status"] not in _FINAL:
                    latest[job_id] = todoke.jobs.get(job_id).raw
                    show(latest[job_id])
            stack.tend()
            if time.monotonic() > give_up_at:
                raise LocalFailure(f"the sample jobs did not end within {_GIVE_UP_S:g} s; see {stack.logs}")
            time.sleep(0.1)
    return [latest[job["jobId"]] for job in jobs]


def _lines(quiet: bool) -> Callable[[Job], None]:
    """Return a function that prints one line per change of state, for logs and pipes."""
    shown: dict[str, str] = {}

    def show(job: Job) -> None:
        if shown.get(job["jobId"]) != job["status"]:
            shown[job["jobId"]] = job["status"]
            if not quiet:
                print(f"  {job['reportType']:<20} {job['status']:<10} {_detail(job)}", file=sys.stderr)

    return show


def _detail(job: Job) -> str:
    if job["status"] == "FAILED":
        return str(job["error"]["message"])
    if job["result"]:
        files = job["result"]["artifacts"]
        total = size(sum(file["sizeBytes"] for file in files))
        return f"{len(files)} file{'s' if len(files) != 1 else ''}, {total}"
    progress = job["progress"] or {}
    return f"{progress.get('phase', '')} {progress.get('rows', 0):,} rows" if progress else ""
