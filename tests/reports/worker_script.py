"""A worker of its own, to be killed: `python -m tests.reports.worker_script DSN SCRATCH` or `… stubborn`.

Prints the process ids of its fork server and its child, and waits.
"""

import sys
import threading
from multiprocessing import forkserver
from pathlib import Path

from shared.catalog.model import Format, Limits, ReportType
from shared.reports.interface import Progress, RenderRequest
from shared.reports.process import child
from tests.reports import probes


def _announce(child_pid: int) -> None:
    server_pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    sys.stdout.write(f"{server_pid} {child_pid}\n")
    sys.stdout.flush()


def _render(dsn: str, scratch: Path) -> None:
    report = ReportType(
        "sleep", "Sleep", "", "1", "default", "SELECT pg_sleep(120)", (Format.CSV,), limits=Limits(timeout_s=120)
    )

    def on_progress(_: Progress) -> None:
        [process] = child._alive
        _announce(process.pid)

    request = RenderRequest(report, {}, report.formats, dsn, scratch)
    child.render(request, deadline_s=120, on_progress=on_progress, cancel=threading.Event())


def _hold() -> None:
    ours, theirs = child._context.Pipe()
    process = child._context.Process(target=probes.never_let_go, args=(theirs,), daemon=True)
    child._start(process)
    theirs.close()
    _announce(ours.recv())
    process.join()


if __name__ == "__main__":
    if sys.argv[1] == "stubborn":
        _hold()
    else:
        _render(sys.argv[1], Path(sys.argv[2]))
