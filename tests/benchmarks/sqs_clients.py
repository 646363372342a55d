"""Part of `make bench`: the cost of a message in each SQS client: sent, received and deleted in batches of ten."""

import time
from collections.abc import Iterator

from shared.queues.calls import ClientKind
from shared.queues.interface import Outgoing
from shared.queues.sqs import SqsQueue
from tests.benchmarks import counting
from tests.benchmarks.parts import Figure, Stage

TITLE = "SQS clients: processor time of a message sent, received and deleted"


def run(stage: Stage) -> Iterator[Figure]:
    """In turns; the best of each."""
    kinds: tuple[ClientKind, ...] = ("boto3", "thin")
    queues = {kind: SqsQueue(stage.queue(), region=counting.REGION, client=kind) for kind in kinds}
    best = dict.fromkeys(kinds, float("inf"))
    for _ in range(stage.rounds):
        for kind, queue in queues.items():
            best[kind] = min(best[kind], _measure(queue, min(stage.jobs, 5_000)))
    for kind, microseconds in best.items():
        yield Figure(kind, microseconds, "µs")
    yield Figure("boto3 ÷ thin", best["boto3"] / best["thin"])
    yield Figure("one thin client, and nothing else: the endpoint can do at least that", _rate(stage), "messages/s")


def _rate(stage: Stage) -> float:
    queue = SqsQueue(stage.queue(), region=counting.REGION)
    began = time.monotonic()
    _measure(queue, stage.jobs)
    return stage.jobs / (time.monotonic() - began)


def _measure(queue: SqsQueue, messages: int) -> float:
    """Microseconds of processor time."""
    began = time.process_time()
    for begin in range(0, messages, 1000):
        some = [Outgoing(n, '{"jobId": "0"}') for n in range(min(1000, messages - begin))]
        assert not queue.send(some, deadline_s=60).failed
    left = messages
    while left > 0:
        received = queue.receive(10, wait_s=1, visibility_s=60)
        queue.delete([message.receipt for message in received])
        left -= len(received)
    return (time.process_time() - began) / messages * 1e6
