"""Part of `make bench`: what the three services use when idle, with default settings."""

import contextlib
import functools
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import psutil

from deploy.local.processes import free_port, ready, spawn, stop, wait_until
from tests.benchmarks.parts import Figure, Stage
from tests.support.eventually import eventually
from tests.support.processes.services import CATALOG
from tests.support.sqs.fast_process import ROOT

TITLE = "At rest: requests and processor time of services with nothing to do"
_SERVICES = ("api", "relay", "worker")
_SETTLING_S = 5.0
_POLLS = 3
"""Long polls of twenty seconds, from the end of one to the end of another: a part of one does not count."""
_GIVEN_UP_S = 300.0


def run(stage: Stage) -> Iterator[Figure]:
    """The worker alone receives; what else is asked of SQS are the relay's gauges."""
    url, queue_url = stage.database(), stage.queue()
    with ExitStack() as running:
        services = {name: running.enter_context(_service(stage, name, url, queue_url)) for name in _SERVICES}
        threading.Event().wait(_SETTLING_S)
        stage.sqs.call("Counted", {})  # begins anew
        _asked_until(stage, polls=1)
        began, used = time.monotonic(), {name: _cpu_s(each) for name, each in services.items()}
        asked = _asked_until(stage, polls=_POLLS)
        seconds = time.monotonic() - began
        per_hour = 3600 / seconds
        yield Figure("SQS requests of the worker", asked.pop("ReceiveMessage") * per_hour, "an hour", "≤ 200")
        yield Figure("SQS requests of the relay", asked.total() * per_hour, "an hour")
        for name, each in services.items():
            yield Figure(f"{name}, of a core", (_cpu_s(each) - used[name]) / seconds * 100, "%", "≤ 1")


@contextlib.contextmanager
def _service(stage: Stage, name: str, url: str, queue_url: str) -> Iterator[psutil.Process]:
    """One of them, ready, until the block ends."""
    port = free_port()
    env = {
        **os.environ,
        "DATABASE_URL": url,
        "SQS_QUEUE_URL": queue_url,
        "CATALOG_PATH": str(CATALOG),
        "ARTIFACT_URL": (stage.folder / "artifacts").as_uri(),
        "API_PORT": str(port),
        "METRICS_PORT": str(port),
        "METRICS_HOST": "127.0.0.1",
        "API_HOST": "127.0.0.1",
    }
    log = stage.folder / f"{name}.log"
    process = spawn([sys.executable, "-m", f"services.{name}"], env=env, log=log, cwd=ROOT)
    try:
        answers = functools.partial(ready, f"http://127.0.0.1:{port}/readyz")
        wait_until(answers, what=f"the {name}", process=process, log=log, timeout_s=90)
        yield psutil.Process(process.pid)
    finally:
        stop(process)


def _asked_until(stage: Stage, *, polls: int) -> Counter[str]:
    """What was asked of SQS until that many long polls have begun."""
    asked: Counter[str] = Counter()

    def enough() -> bool:
        for operation, times in stage.sqs.call("Counted", {}).items():
            asked[operation] += int(str(times))
        return asked["ReceiveMessage"] >= polls

    eventually(enough, within_s=_GIVEN_UP_S, what=f"{polls} polls", every_s=0.1)
    return asked


def _cpu_s(process: psutil.Process) -> float:
    """Of a service and its children."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return float(sum(each.user + each.system for each in times))
