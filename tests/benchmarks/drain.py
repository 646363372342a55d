"""Part of `make bench`: how many jobs one worker process drains, beside what its SQS endpoint alone can do."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from sqlalchemy import text

from services.relay.publisher import Publisher
from shared import database
from shared.queues.sqs import SqsQueue
from tests.benchmarks import counting
from tests.benchmarks.stage import Figure, Stage
from tests.support.eventually import eventually

TITLE = "Jobs drained a second by one worker process"


def run(stage: Stage) -> Iterator[Figure]:
    """The queue is full before the worker starts; each round is a new database and a new queue."""
    rates = [_drained(stage) for _ in range(stage.rounds)]
    yield Figure("jobs of no work, one worker process (median)", statistics.median(rates), "jobs/s")
    yield Figure(
        "one SQS client alone: send, receive and delete; the endpoint can do at least that", _alone(stage), "messages/s"
    )


def _drained(stage: Stage) -> float:
    url, queue_url = stage.database(), stage.queue()
    engine = database.create_engine(url, application_name="bench")
    with database.autocommit(engine).connect() as conn:
        counting.submit_jobs(conn, stage.jobs)
        publisher = Publisher(engine, SqsQueue(queue_url, region=counting.REGION))
        while publisher.run_once():
            pass
        ended = text("SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL")
        command = [sys.executable, "-m", "tests.benchmarks.drain", url, queue_url, str(stage.folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            # From the first job's end to the last one's: the process's start is not what is measured.
            eventually(lambda: conn.execute(ended).scalar_one(), within_s=120, what="the first job has ended")
            first, began = conn.execute(ended).scalar_one(), time.monotonic()
            eventually(lambda: conn.execute(ended).scalar_one() == stage.jobs, within_s=240, what="all have ended")
            seconds = time.monotonic() - began
            process.communicate()
    engine.dispose()
    return float((stage.jobs - first) / seconds)


def _alone(stage: Stage) -> float:
    """One client that does nothing else."""
    from shared.queues.interface import Outgoing

    queue = SqsQueue(stage.queue(), region=counting.REGION)
    began = time.monotonic()
    for _ in range(max(1, stage.jobs // 1000)):
        queue.send([Outgoing(n, '{"jobId": "0"}') for n in range(1000)], deadline_s=30)
        for _ in range(100):
            queue.delete([m.receipt for m in queue.receive(10, wait_s=0, visibility_s=30)])
    return max(1, stage.jobs // 1000) * 1000 / (time.monotonic() - began)


def _work(url: str, queue_url: str, folder: str) -> None:
    """The worker's process: until its standard input closes."""
    from pathlib import Path

    with counting.worker(url, queue_url, Path(folder), counting.Counted()):
        sys.stdin.read()


if __name__ == "__main__":
    _work(*sys.argv[1:])
