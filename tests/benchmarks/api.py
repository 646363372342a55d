"""Part of `make bench`: `POST /generate-report` beside the same application answering a constant."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.client import ready
from deploy.local.processes import free_port
from tests.benchmarks.stage import Figure, Stage
from tests.support.eventually import eventually
from tests.support.fast_sqs_process import ROOT

TITLE = "POST /generate-report over HTTP, one API process"
_SECONDS = "4"


def run(stage: Stage) -> Iterator[Figure]:
    """In turns over one running application; the load comes from this machine, too."""
    with _application(stage.database()) as base:
        for connections, aim in ((32, "≥ 0.8"), (1, "")):
            rates: dict[str, list[float]] = {"/generate-report": [], "/constant": []}
            for _ in range(stage.rounds):
                for path, found in rates.items():
                    found.append(_load(f"{base}{path}", connections))
            report, constant = (statistics.median(found) for found in rates.values())
            yield Figure(f"{connections} connection(s)", report, "requests/s")
            yield Figure(f"{connections} connection(s), ÷ a constant", report / constant, "", aim)


def _load(url: str, connections: int) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.http_load", url, str(connections), _SECONDS]
    done = subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["rate"])


@contextmanager
def _application(url: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.api_case", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "WARNING"}, cwd=ROOT)
    try:
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: ready(f"{base}/readyz"), within_s=90, what="the application answers")
        yield base
    finally:
        process.terminate()
        process.wait(60)
