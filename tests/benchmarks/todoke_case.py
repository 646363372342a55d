"""`python -m tests.benchmarks.todoke_case submit|work`: Todoke where a peer stands: jobs, then one worker."""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from services.relay.publisher import Publisher
from shared import database
from shared.queues.sqs import SqsQueue
from tests.benchmarks import counting
from tests.support.eventually import eventually

URL = os.environ["DATABASE_URL"]
QUEUE_URL = os.environ["QUEUE_URL"]
JOBS = int(os.environ["JOBS"])


def submit() -> None:
    """The jobs, and their doorbells on the queue. Prints the relay's rate."""
    engine = database.create_engine(URL, application_name="bench")
    with database.autocommit(engine).connect() as conn:
        counting.submit_jobs(conn, JOBS)
    publisher = Publisher(engine, SqsQueue(QUEUE_URL, region=counting.REGION))
    began, began_cpu, sent = time.perf_counter(), time.process_time(), 0
    while sent < JOBS:
        sent += publisher.run_once()
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    print(json.dumps({"rate": JOBS / seconds, "per_core": JOBS / cpu}))


def work() -> None:
    """Drain them. Prints the worker's rate, from a tenth of the jobs to all."""
    engine = database.autocommit(database.create_engine(URL, application_name="bench-watch"))
    with engine.connect() as conn, tempfile.TemporaryDirectory() as folder:

        def done(at_least: int) -> bool:
            query = text("SELECT count(*) >= :least FROM jobs WHERE finished_at IS NOT NULL")
            return bool(conn.execute(query, {"least": at_least}).scalar_one())

        with counting.worker(URL, QUEUE_URL, Path(folder), counting.Counted()):
            eventually(lambda: done(JOBS // 10), within_s=200, what="a tenth is done")
            first = int(conn.execute(text("SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL")).scalar_one())
            began, began_cpu = time.perf_counter(), time.process_time()
            eventually(lambda: done(JOBS), within_s=200, what="all is done")
            seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        print(json.dumps({"rate": (JOBS - first) / seconds, "per_core": (JOBS - first) / cpu}), flush=True)


if __name__ == "__main__":
    {"submit": submit, "work": work}[sys.argv[1]]()
