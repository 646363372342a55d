"""`python -m deploy.local`: the whole system on this machine, with sample reports made at once."""

import argparse
import json
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from deploy.local.processes import LocalFailure
from deploy.local.samples import Job, submit, watch
from deploy.local.stack import ROOT, Stack
from shared.errors import TodokeError


def main() -> int:
    """Run the system. Returns the exit code: 0 all is well, 1 something failed, 130 interrupted at the start."""
    arguments = _parser().parse_args()
    if arguments.json and not arguments.once:
        _parser().error("--json goes with --once")
    if not 1 <= arguments.port <= 65_535:
        _parser().error("--port is a number from 1 to 65535")
    stop = _stop_event()
    started = time.monotonic()
    try:
        with Stack(arguments.data, api_port=arguments.port, say=_say) as stack:
            jobs = watch(stack, submit(stack), quiet=arguments.json)
            seconds = time.monotonic() - started
            if arguments.json:
                print(json.dumps(_document(stack, jobs, seconds), indent=2))
            else:
                _show(stack, jobs, seconds, serving=not arguments.once)
            if not arguments.once:
                _serve(stack, stop)
                return 0
            return 0 if all(job["status"] == "SUCCESS" for job in jobs) else 1
    except _Interrupted:
        _say("interrupted")
        return 130
    except (LocalFailure, TodokeError) as error:
        print(f"\nmake run: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make run",
        description='Start Todoke on this machine and make the sample reports. Options go in ARGS="…".',
    )
    parser.add_argument("--once", action="store_true", help="stop when the sample jobs have ended; 0 if all succeeded")
    parser.add_argument("--json", action="store_true", help="with --once: print one JSON document on stdout")
    parser.add_argument("--port", type=int, default=8000, help="port of the API (default: %(default)s)")
    parser.add_argument(
        "--data", type=Path, default=ROOT / ".todoke", help="folder that keeps everything (default: .todoke)"
    )
    return parser


class _Interrupted(Exception):
    """Ctrl-C came before everything was up."""


def _stop_event() -> threading.Event:
    """Returns an event that Ctrl-C or SIGTERM sets while serving; before that, they interrupt the start."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set() or not _serving.is_set():
            stop.set()
            raise _Interrupted
        stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


_serving = threading.Event()


def _serve(stack: Stack, stop: threading.Event) -> None:
    _serving.set()
    while not stop.wait(1.0):
        if failures := stack.failures():
            raise LocalFailure("\n".join(failures))
    _say("\nstopping")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _path(stack: Stack, job: Job, name: str) -> str:
    found = sorted(stack.artifacts.glob(f"reports/*/{job['jobId']}/*/{name}"))
    return str(found[-1].resolve()) if found else ""


def _document(stack: Stack, jobs: Sequence[Job], seconds: float) -> dict[str, object]:
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
                        "path": _path(stack, job, a["name"]),
                        "sha256": a["sha256"],
                        "rows": a["rows"],
                        "sizeBytes": a["sizeBytes"],
                    }
                    for a in (job["result"] or {"artifacts": []})["artifacts"]
                ],
            }
            for job in jobs
        ],
    }


def _show(stack: Stack, jobs: Sequence[Job], seconds: float, *, serving: bool) -> None:
    print(f"\nThe first reports were ready {seconds:.1f} s after the start:\n")
    for job in jobs:
        for artifact in (job["result"] or {"artifacts": []})["artifacts"]:
            print(f"  {_path(stack, job, artifact['name'])}")
        if job["status"] != "SUCCESS":
            print(f"  {job['reportType']}: {job['status']} {job['error']}")
    if serving:
        ports = stack.metrics_ports
        print(
            f"""
  API            {stack.url}            description at /openapi.json, report types at /v1/report-types
  metrics        {stack.url}/metrics   relay http://127.0.0.1:{ports["relay"]}/metrics   worker http://127.0.0.1:{ports["worker"]}/metrics
  logs           {stack.logs}

Try:

  curl -X POST {stack.url}/generate-report
  curl {stack.url}/jobs/{jobs[0]["jobId"]}

Ctrl-C stops everything; the data stays.""",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
