"""Part of `make bench`: the throughput of one relay, beside the same client without a database, in turns."""

import statistics
import time
from collections.abc import Iterator

from shared.database.engine import create_engine
from shared.queues.interface import Outgoing
from shared.queues.sqs import SqsQueue
from tests.benchmarks import counting
from tests.benchmarks.parts import Figure, Stage
from tests.support.relay import a_publisher

TITLE = "Messages published a second by one relay process"


def run(stage: Stage) -> Iterator[Figure]:
    """Relay, bare client, relay, bare client."""
    rounds = [(_relay(stage), _bare(stage)) for _ in range(stage.rounds)]
    yield Figure("relay (median)", statistics.median(r for r, _ in rounds), "messages/s", "≥ 20,000")
    yield Figure("the bare client (median)", statistics.median(b for _, b in rounds), "messages/s")
    yield Figure("relay ÷ bare client (median of the rounds)", statistics.median(r / b for r, b in rounds), aim="≥ 0.6")


def _relay(stage: Stage) -> float:
    engine = create_engine(stage.database(), application_name="bench")
    with engine.connect() as conn:
        counting.submit_jobs(conn, stage.jobs)
    publisher = a_publisher(engine, SqsQueue(stage.queue(), region=counting.REGION))
    sent, began = 0, time.monotonic()
    while some := publisher.run_once():
        sent += some
    seconds = time.monotonic() - began
    engine.dispose()
    return sent / seconds


def _bare(stage: Stage) -> float:
    queue = SqsQueue(stage.queue(), region=counting.REGION)
    body = '{"jobId" : "01a20af6-4b02-7e60-8370-4b6929daa337"}'
    began = time.monotonic()
    for _ in range(stage.jobs // 1000):
        queue.send([Outgoing(n, body) for n in range(1000)], deadline_s=30)
    return stage.jobs // 1000 * 1000 / (time.monotonic() - began)
