"""`python -m services.worker`: make reports until SIGTERM."""

import argparse
import logging
import os
import socket
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.worker.attempt import Attempts
from services.worker.settings import WorkerSettings
from services.worker.worker import Worker
from shared.artifacts.open import open_store
from shared.catalog.live import LiveCatalog
from shared.catalog.load import BUILTIN
from shared.database.engine import create_engine
from shared.database.health import check_database
from shared.database.statements import measure_statements
from shared.errors import TodokeError
from shared.queues.sqs import SqsQueue
from shared.reports.manifest import load_private_key
from shared.reports.process.child import render
from shared.runtime import logs, tracing
from shared.runtime.gc_tuning import search_seldom
from shared.runtime.metrics.common import observe_statement
from shared.runtime.metrics.queue import count_queue_request
from shared.runtime.ops_server import OpsServer
from shared.runtime.settings import SettingsError
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
        print(f"worker: {error}", file=sys.stderr)  # noqa: T201 - before or after logging is of use
        return 1


def serve(settings: WorkerSettings) -> int:
    """Work until told to stop."""
    logs.configure("worker", settings.log_level)
    tracing.configure("worker")
    stop = stop_on_signals()
    catalog = LiveCatalog(settings.catalog_path or BUILTIN)
    store = open_store(settings.artifact_url, region=settings.aws_region)
    engine = create_engine(
        settings.database_url.get_secret_value(),
        application_name="todoke-worker",
        pool_size=4,
        through_pooler=settings.through_pooler,
    )
    measure_statements(engine, observe_statement)
    queue = SqsQueue(
        settings.sqs_queue_url,
        region=settings.aws_region,
        dead_letter_url=settings.sqs_dlq_url,
        client=settings.sqs_client,
        on_request=count_queue_request,
    )
    catalog.follow()
    _make_usable(settings.scratch)
    attempts = Attempts(
        catalog=catalog,
        store=store,
        render=render,
        sources=settings.sources,
        scratch=settings.scratch,
        fonts=settings.fonts,
        signing_key=_signing_key(settings.manifest_key),
        retry_base_s=settings.retry_base_s,
        retry_cap_s=settings.retry_cap_s,
    )
    checks = {"database": lambda: check_database(engine), "queue": queue.check, "artifact store": store.check}
    ops = OpsServer(settings.metrics_host, settings.metrics_port, checks)
    if not wait_for_all(checks, stop=stop, timeout_s=settings.startup_timeout_s):
        return 0
    name = f"{socket.gethostname()}:{os.getpid()}"
    search_seldom()
    log.info("worker.ready", extra={"worker": name, "slots": settings.slots, "report_types": sorted(catalog.types)})
    Worker(settings, engine=engine, queue=queue, attempts=attempts, name=name).run(stop)
    tracing.close()
    ops.close()
    log.info("worker.stopped")
    return 0


def _signing_key(path: Path | None) -> Ed25519PrivateKey | None:
    try:
        return load_private_key(path.read_bytes()) if path else None
    except OSError as error:
        raise SettingsError(f"MANIFEST_KEY_FILE: {path} cannot be read: {error.strerror}") from None


def _make_usable(scratch: Path) -> None:
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=scratch).close()
    except OSError as error:
        raise SettingsError(f"WORKER_SCRATCH: nothing can be written to {scratch}: {error.strerror}") from None


if __name__ == "__main__":
    leave(main())
