"""`python -m services.worker`: make reports until SIGTERM."""

import argparse
import logging
import os
import sys

from services.worker.assembly import assemble
from services.worker.settings import WorkerSettings
from services.worker.worker import Worker
from shared.errors import TodokeError
from shared.reports.process import child, isolation, kernel
from shared.runtime import logs, tracing
from shared.runtime.gc_tuning import search_seldom
from shared.runtime.ops_server import OpsServer
from shared.runtime.startup import wait_for_all
from shared.runtime.stopping import leave, stop_on_signals

log = logging.getLogger("services.worker")


def main() -> int:
    """Run the worker. Returns the exit code: 0 after a clean stop, 1 when something it needs is missing."""
    argparse.ArgumentParser(
        prog="python -m services.worker",
        description="Take report jobs from SQS and make them, until SIGTERM. Settings come from the environment.",
    ).parse_args()
    try:
        return serve(WorkerSettings.from_environment(os.environ))
    except (TodokeError, OSError) as error:
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - logging may not be set up yet
        return 1


def serve(settings: WorkerSettings) -> int:
    """Work until told to stop. Returns 0."""
    logs.configure("worker", settings.log_level)
    tracing.configure("worker")
    stop = stop_on_signals()
    parts = assemble(settings)
    _isolate(settings)
    child.get_ready(settings.fonts, draws=any(report.pdf.charts for report in parts.catalog.types.values()))
    worker = Worker(parts)
    ops = OpsServer(settings.metrics_host, settings.metrics_port, parts.checks)
    if not wait_for_all(parts.checks, stop=stop, timeout_s=settings.startup_timeout_s):
        return 0
    for advice in parts.store.advice_on_storing():
        log.warning("artifact_store.advice", extra={"advice": advice})
    search_seldom()
    about = {"worker": parts.name, "slots": settings.slots, "report_types": sorted(parts.catalog.types)}
    log.info("worker.ready", extra=about)
    worker.run(stop)
    tracing.close()
    ops.close()
    log.info("worker.stopped")
    return 0


def _isolate(settings: WorkerSettings) -> None:
    """Log how reports are isolated on this machine, and hide this process from them. Raises NotIsolated."""
    found = isolation.found()
    if settings.isolation == "required":
        found.require()
    kernel.hide()
    level = logging.WARNING if found.missing else logging.INFO
    log.log(level, "worker.isolation", extra={"in_force": found.in_force, "missing": found.missing})


if __name__ == "__main__":
    leave(main())
