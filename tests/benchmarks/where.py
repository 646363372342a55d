"""Part of `make bench`: where each service spends its processor time under load."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from shared.database.engine import create_engine
from shared.queues.sqs import SqsQueue
from tests.benchmarks import api, counting
from tests.benchmarks.parts import Figure, Stage
from tests.benchmarks.sampler import Sampler
from tests.support.eventually import eventually
from tests.support.relay import a_publisher

TITLE = "Where the processor time goes"
_CONNECTIONS = 32


def run(stage: Stage) -> Iterator[Figure]:
    """Each service by itself: the API by layer and request, the relay by layer and message, the worker by thread."""
    yield from _figures("API, a request", *_api(stage))
    yield from _figures("relay, a message", *_relay(stage))
    yield from _figures("worker, a job", *_worker(stage))


def _figures(what: str, ms: Mapping[str, float], handled: float) -> Iterator[Figure]:
    yield Figure(what, sum(ms.values()) * 1000 / handled, "µs")
    for part, spent in sorted(ms.items(), key=lambda each: -each[1]):
        yield Figure(f"{what}: {part}", spent * 1000 / handled, "µs")


def _api(stage: Stage) -> tuple[Mapping[str, float], float]:
    found = stage.folder / "where.json"
    with api.application(stage.database(), "--sampled", str(found)) as base:
        answered = api.load(f"{base}/generate-report", _CONNECTIONS) * api.SECONDS
    ms: dict[str, float] = json.loads(found.read_text())
    return ms, answered


def _relay(stage: Stage) -> tuple[Mapping[str, float], float]:
    engine = create_engine(stage.database(), application_name="bench")
    with engine.connect() as conn:
        counting.submit_jobs(conn, stage.jobs)
    publisher = a_publisher(engine, SqsQueue(stage.queue(), region=counting.REGION))
    with Sampler() as sampler:
        while publisher.run_once():
            pass
    engine.dispose()
    return sampler.ms, stage.jobs


def _worker(stage: Stage) -> tuple[Mapping[str, float], float]:
    url, queue_url = stage.database(), stage.queue()
    engine = create_engine(url, application_name="bench")
    with engine.connect() as conn:
        counting.submit_jobs(conn, stage.jobs)
        publisher = a_publisher(engine, SqsQueue(queue_url, region=counting.REGION))
        while publisher.run_once():
            pass
        before = _threads_ms()
        with counting.worker(url, queue_url, Path(stage.folder), counting.Counted()):
            eventually(lambda: counting.left(conn) == 0, within_s=240, what="all is done", every_s=0.5)
            ms = _threads_ms() - before
    engine.dispose()
    return ms, stage.jobs


def _threads_ms() -> Counter[str]:
    """Name → milliseconds of processor time, of the threads that live now."""
    names = {thread.native_id: thread.name.rstrip("-_0123456789") for thread in threading.enumerate()}
    spent: Counter[str] = Counter()
    for thread in psutil.Process().threads():
        spent[names.get(thread.id, "others")] += round((thread.user_time + thread.system_time) * 1000)
    return spent
