"""A separate worker, to be killed: `python -m tests.reports.worker_script DSN SCRATCH [stubborn]`.

Prints the process ids of its fork server and its child, and waits. A stubborn child does not react to anything.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from shared.catalog.model import Format, Limits, ReportType
from shared.reports.interface import Progress, RenderRequest
from shared.reports.process import child


def _render(dsn: str, scratch: Path, *, stubborn: bool) -> None:
    report = ReportType(
        "sleep", "Sleep", "", "1", "default", "SELECT pg_sleep(120)", (Format.CSV,), limits=Limits(timeout_s=120)
    )

    def on_progress(_: Progress) -> None:
        [pid] = child._alive
        if stubborn:
            os.kill(pid, signal.SIGSTOP)
        sys.stdout.write(f"{child.launcher.server_pid} {pid}\n")
        sys.stdout.flush()

    request = RenderRequest(report, {}, report.formats, dsn, scratch)
    child.render(request, deadline_s=120, on_progress=on_progress, cancel=threading.Event())


if __name__ == "__main__":
    _render(sys.argv[1], Path(sys.argv[2]), stubborn="stubborn" in sys.argv)
