"""Part of `make bench`: `POST /generate-report` beside the same application answering a constant, and uncoalesced."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from deploy.local.client import ready
from deploy.local.processes import free_port
from tests.benchmarks.stage import Figure, Stage
from tests.support.eventually import eventually
from tests.support.fast_sqs_process import ROOT

TITLE = "POST /generate-report over HTTP, one API process"
SECONDS = 4


def run(stage: Stage) -> Iterator[Figure]:
    """In turns over running applications; the load comes from this machine, too."""
    with ExitStack() as running:
        base, uncoalesced = (running.enter_context(application(stage.database(), *how)) for how in ((), _UNCOALESCED))
        asked = {
            "report": f"{base}/generate-report",
            "constant": f"{base}/constant",
            "uncoalesced": f"{uncoalesced}/generate-report",
        }
        for connections, aims in ((32, ("≥ 0.8", "")), (1, ("", "≥ 1"))):
            rates = _rates(asked, connections, stage.rounds)
            yield Figure(f"{connections} connection(s)", rates["report"], "requests/s")
            for other, name, aim in zip(
                ("constant", "uncoalesced"), ("a constant", "a commit each"), aims, strict=True
            ):
                yield Figure(f"{connections} connection(s), ÷ {name}", rates["report"] / rates[other], "", aim)


_UNCOALESCED = ("--uncoalesced",)


def _rates(asked: dict[str, str], connections: int, rounds: int) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, url in asked.items():
            found[name].append(load(url, connections))
    return {name: statistics.median(rates) for name, rates in found.items()}


def load(url: str, connections: int) -> float:
    """Requests answered a second, for `SECONDS`."""
    command = [sys.executable, "-m", "tests.benchmarks.http_load", url, str(connections), str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["rate"])


@contextmanager
def application(url: str, *how: str) -> Iterator[str]:
    """Where `api_case` answers, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.api_case", str(port), *how]
    process = subprocess.Popen(command, env={**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "WARNING"}, cwd=ROOT)
    try:
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: ready(f"{base}/readyz"), within_s=90, what="the application answers")
        yield base
    finally:
        process.terminate()
        process.wait(60)
