"""Several API processes behind one port that count together.

uvicorn's supervisor starts them, restarts one that dies, and stops them in order. Each reads its settings from the
environment, which the supervisor has already checked.
"""

import logging
import multiprocessing
import os
import signal
import sys
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.auth import rate_limit
from services.api.settings import ApiSettings
from shared.runtime import logs, tracing
from shared.runtime.metrics.slots import MULTIPROCESS_DIR
from shared.runtime.own_folder import OwnFolder, remove_abandoned
from shared.runtime.parent_death import end_with_parent

log = logging.getLogger("services.api")

_PREFIX = "todoke-api-processes-"
"""Prefix of the folder in which the processes share their counts."""
_SILENT_S = 30
"""A process whose threads are silent for this long is considered hung, and is replaced. uvicorn's own 5 s are too short
for a machine that is busy with other work."""


def serve_several(settings: ApiSettings, **options: object) -> None:
    """Run `settings.workers` processes until SIGTERM, each with uvicorn's `options`."""
    # Each process declares its metrics after this.
    temporary = Path(tempfile.gettempdir())
    for left in remove_abandoned(temporary, _PREFIX):
        log.info("api.folder_removed", extra={"folder": left.name, "reason": "its supervisor is dead"})
    with OwnFolder(temporary, _PREFIX) as own:
        folder = str(own.path)
        os.environ[MULTIPROCESS_DIR] = folder
        os.environ[rate_limit.SHARED] = f"{folder}/rates"
        uvicorn.run(
            "services.api.processes:application",
            factory=True,
            workers=settings.workers,
            timeout_worker_healthcheck=_SILENT_S,
            **options,  # type: ignore[arg-type]
        )


def application() -> FastAPI:
    """The application of one of the processes."""
    end_with_parent(signal.SIGTERM)  # otherwise nothing would stop this process
    # The kernel does not report a parent that ended before this request, while this process was importing.
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:
        sys.exit(1)
    settings = ApiSettings.from_environment(os.environ)
    logs.configure("api", settings.log_level)
    tracing.configure("api")
    app = create_app(assemble(settings, follow_catalog=True))
    log.info("api.process_ready", extra={"pid": os.getpid()})
    return app
