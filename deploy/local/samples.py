"""One report of each sample type, submitted and watched: with progress bars on a terminal, with lines elsewhere."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local.client import call
from deploy.local.processes import LocalFailure
from deploy.local.stack import Stack

_FINAL = {"SUCCESS", "FAILED", "CANCELLED"}
_GIVE_UP_S = 600.0

Job = dict[str, Any]


def submit(stack: Stack) -> list[Job]:
    """Submit one job per report type, in all its formats; the big export as CSV only. Returns the jobs."""
    types = call(f"{stack.url}/v1/report-types")["reportTypes"]
    jobs = []
    for report in types:
        formats = ["csv"] if report["name"] == "flights-export" else report["formats"]
        jobs.append(call(f"{stack.url}/v1/jobs", {"reportType": report["name"], "formats": formats}))
    return jobs


def watch(stack: Stack, jobs: Sequence[Job], *, quiet: bool) -> list[Job]:
    """Show the jobs' progress on stderr until all have ended. Returns them as they ended; raises LocalFailure."""
    if quiet or not sys.stderr.isatty():
        return _follow(stack, jobs, _lines(quiet))
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.fields[report]:<16}"),
        TextColumn("{task.fields[status]:<10}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
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


def _follow(stack: Stack, jobs: Sequence[Job], show: Callable[[Job], None]) -> list[Job]:
    give_up_at = time.monotonic() + _GIVE_UP_S
    latest: dict[str, Job] = {}
    while len([j for j in latest.values() if j["status"] in _FINAL]) < len(jobs):
        for job in jobs:
            job_id = job["jobId"]
            if latest.get(job_id, job)["status"] not in _FINAL:
                latest[job_id] = call(f"{stack.url}/v1/jobs/{job_id}")
                show(latest[job_id])
        if failures := stack.failures():
            raise LocalFailure("\n".join(failures))
        if time.monotonic() > give_up_at:
            raise LocalFailure(f"the sample jobs did not end within {_GIVE_UP_S:g} s; see {stack.logs}")
        time.sleep(0.1)
    return [latest[job["jobId"]] for job in jobs]


def _lines(quiet: bool) -> Callable[[Job], None]:
    """Returns what prints one line per change of state, for logs and pipes."""
    shown: dict[str, str] = {}

    def show(job: Job) -> None:
        if shown.get(job["jobId"]) != job["status"]:
            shown[job["jobId"]] = job["status"]
            if not quiet:
                print(f"  {job['reportType']:<16} {job['status']:<10} {_detail(job)}", file=sys.stderr)

    return show


def _detail(job: Job) -> str:
    if job["status"] == "FAILED":
        return str(job["error"]["message"])
    if job["result"]:
        files = job["result"]["artifacts"]
        return ", ".join(f"{f['name']} {f['rows']:,} rows, {f['sizeBytes'] / 1e6:.1f} MB" for f in files)
    progress = job["progress"] or {}
    return f"{progress.get('phase', '')} {progress.get('rows', 0):,} rows" if progress else ""
