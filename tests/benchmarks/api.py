"""Part of `make bench`: `POST /generate-report` beside the same application answering a constant, and uncoalesced."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psutil

from deploy.local.processes import free_port, ready
from tests.benchmarks.parts import Figure, Stage
from tests.support.eventually import eventually
from tests.support.sqs.fast_process import ROOT

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
            rates, costs = _measure(asked, connections, stage.rounds)
            yield Figure(f"{connections} connection(s)", rates["report"], "requests/s")
            for other, name, aim in zip(
                ("constant", "uncoalesced"), ("a constant", "a commit each"), aims, strict=True
            ):
                yield Figure(f"{connections} connection(s), ÷ {name}", rates["report"] / rates[other], "", aim)
            cost = costs["constant"] / costs["report"]
            yield Figure(f"{connections} connection(s), a constant's processor time in the API ÷ a submission's", cost)


_UNCOALESCED = ("--uncoalesced",)


def _measure(asked: dict[str, str], connections: int, rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Requests a second, and the API's seconds of processor time a request: what is left where other processes have
    cores of their own."""
    rates: dict[str, list[float]] = {name: [] for name in asked}
    costs: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, url in asked.items():
            before = processor_s(url)
            rate = load(url, connections)
            rates[name].append(rate)
            costs[name].append((processor_s(url) - before) / (rate * SECONDS))
    return _medians(rates), _medians(costs)


def _medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in found.items()}


def processor_s(url: str) -> float:
    """What the process that listens there has used."""
    used = psutil.Process(listening(url)).cpu_times()
    return float(used.user + used.system)


def listening(url: str) -> int:
    """The id of the process that listens there."""
    found = {c.laddr.port: c.pid for c in psutil.net_connections("tcp4") if c.status == psutil.CONN_LISTEN}
    return int(found[urlsplit(url).port])


def load(url: str, connections: int, *headers: str, seconds: float = SECONDS) -> float:
    """Requests answered a second, for `seconds`."""
    command = [sys.executable, "-m", "tests.benchmarks.http_load", url, str(connections), str(seconds), *headers]
    done = subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["rate"])


@contextmanager
def application(url: str, *how: str, **settings: str) -> Iterator[str]:
    """Where `api_case` answers, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.api_case", str(port), *how]
    environment = {**os.environ, "DATABASE_URL": url, "LOG_LEVEL": "WARNING", **settings}
    process = subprocess.Popen(command, env=environment, cwd=ROOT)
    try:
        base = f"http://127.0.0.1:{port}"
        eventually(lambda: ready(f"{base}/readyz"), within_s=90, what="the application answers")
        yield base
    finally:
        process.terminate()
        process.wait(60)
