"""The output of `make run`: lines of at most 80 columns for people, one document for scripts."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy.local.keys import FIRST, Door
from deploy.local.samples import Job
from deploy.local.stack import ROOT, Stack
from shared.access.tenants import DEFAULT_TENANT
from todoke.sizes import size

_USUAL_PORT = "8000"
"""The address that `todoke` uses by default."""


def say(line: str) -> None:
    """Print one line on stderr: stdout is for results."""
    print(line, file=sys.stderr, flush=True)


def document(stack: Stack, jobs: Sequence[Job], seconds: float) -> dict[str, object]:
    """Return all jobs and files, for `--json`."""
    return {
        "url": stack.url,
        "seconds": round(seconds, 2),
        "jobs": [
            {
                "jobId": job["jobId"],
                "reportType": job["reportType"],
                "status": job["status"],
                "seconds": job["result"]["seconds"] if job["result"] else None,
                "error": job["error"],
                "artifacts": [
                    {
                        "name": a["name"],
                        "path": _file(stack, job, a["name"]),
                        "sha256": a["sha256"],
                        "rows": a["rows"],
                        "sizeBytes": a["sizeBytes"],
                    }
                    for a in _artifacts(job)
                ],
            }
            for job in jobs
        ],
    }


def files(stack: Stack, jobs: Sequence[Job], seconds: float) -> None:
    """Print where the reports are: one short name for each folder, which stays the same from run to run."""
    print(f"\nThe first reports were ready {seconds:.1f} s after the start:\n")
    for job in jobs:
        if job["status"] != "SUCCESS":
            error = job["error"] or {}
            print(f"  {job['reportType']}: {job['status']} {error.get('code', '')}\n    {error.get('message', '')}")
        elif _artifacts(job):
            print(f"  {short(_latest(stack, job))}/")
            for artifact in _artifacts(job):
                print(f"    {artifact['name']:<34} {artifact['rows']:>9,} rows {size(artifact['sizeBytes']):>9}")


def addresses(stack: Stack, jobs: Sequence[Job], door: Door | None) -> None:
    """Print all addresses, what gives access, and lines to copy."""
    catalog, variables = short(stack.catalog), short(stack.variables)
    relay, worker = stack.metrics_ports["relay"], stack.metrics_ports["worker"]
    asked = "\n".join(f"  {line}" for line in _commands(stack, jobs, door))
    print(
        f"""
Todoke runs. Copy into another terminal, to ask, to look and to download:

{asked}
{_link(stack, door) if door else ""}
  console        {stack.url}/console: the reports as pages
  API            {stack.url}
                 /docs: all of it; /v1/report-types: what can be asked for
  files          {short(stack.latest)}/
  report types   {catalog}/
  logs           {short(stack.logs)}/
  metrics        API {stack.url}/metrics
                 relay :{relay}/metrics, worker :{worker}/metrics

Write a report type of your own, try it, and look at everything:

  . {variables}
  todoke-server new my-report
  todoke-server render my-report --watch -O /tmp
  todoke-server check
  todoke-server doctor
  {short(stack.psql)} "$DATABASE_URL"

Ctrl-C stops everything; the data stays.""",
        flush=True,
    )


def _link(stack: Stack, door: Door) -> str:
    return f"""
Sign in to the console with this link, once, within ten minutes:

  {door.link}

and with another whenever you like:

  . {short(stack.variables)}
  todoke-server keys link --tenant {DEFAULT_TENANT} \\
      --name {FIRST} --url {stack.url}
"""


def _commands(stack: Stack, jobs: Sequence[Job], door: Door | None) -> Sequence[str]:
    """Return a newcomer's first commands, with an existing job, so that each line works as it is."""
    usual = stack.url.rpartition(":")[2] == _USUAL_PORT
    lines = [] if usual else [f"export TODOKE_URL={stack.url}"]
    if door is not None:
        lines.append(f"export TODOKE_API_KEY={door.key or '…  # as the first start printed it'}")
    lines.append(".venv/bin/todoke types")
    done = next((job for job in jobs if _artifacts(job)), None)
    if done is not None:
        lines.append(f".venv/bin/todoke submit {done['reportType']} --wait --into reports")
        lines.append(f".venv/bin/todoke show {done['jobId']}")
    return lines


def short(path: Path) -> str:
    """Return the path relative to where `make` runs, if it is below."""
    absolute = path.absolute()
    return str(absolute.relative_to(ROOT)) if absolute.is_relative_to(ROOT) else str(absolute)


def _artifacts(job: Job) -> Sequence[dict[str, Any]]:
    artifacts: Sequence[dict[str, Any]] = (job["result"] or {}).get("artifacts") or ()
    return artifacts


def _file(stack: Stack, job: Job, name: str) -> str:
    found = sorted(stack.artifacts.glob(f"reports/*/{job['jobId']}/*/{name}"))
    return str(found[-1].resolve()) if found else ""


def _latest(stack: Stack, job: Job) -> Path:
    """Return a link to the folder of the job's files, named after its report type; the folder itself where links are
    impossible.
    """
    folder = Path(_file(stack, job, _artifacts(job)[0]["name"])).parent
    link = stack.latest / str(job["reportType"])
    with contextlib.suppress(OSError):
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(folder, link.parent.resolve()))
        return link
    return folder
