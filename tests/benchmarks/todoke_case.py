"""`python -m tests.benchmarks.todoke_case submit|work`: Todoke in the place of a peer: jobs, then one worker.

Jobs of no work, or with REPORT=csv, plain-xlsx, pdf … those small reports, by two slots.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from services.worker import metrics
from shared.database.engine import create_engine
from shared.queues.sqs import SqsQueue
from shared.reports.process import child
from shared.runtime.gc_tuning import search_seldom
from tests.benchmarks import counting, small_table
from tests.support.eventually import eventually
from tests.support.relay import a_publisher

URL = os.environ["DATABASE_URL"]
QUEUE_URL = os.environ["QUEUE_URL"]
JOBS = int(os.environ["JOBS"])
REPORT = os.environ.get("REPORT", "")
_LOOK_EVERY_S = 0.1
"""Every 20 ms, looking took a sixth of the processor time of the worker that is measured."""


def submit() -> None:
    """The jobs, and their doorbells on the queue. Prints the relay's rate."""
    engine = create_engine(URL, application_name="bench")
    with engine.connect() as conn:
        if REPORT:
            small_table.submit(conn, REPORT, JOBS)
        else:
            counting.submit_jobs(conn, JOBS)
    publisher = a_publisher(engine, SqsQueue(QUEUE_URL, region=counting.REGION))
    began, began_cpu, sent = time.perf_counter(), time.process_time(), 0
    while sent < JOBS:
        sent += publisher.run_once()
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    print(json.dumps({"rate": JOBS / seconds, "per_core": JOBS / cpu}))


def work() -> None:
    """Drain them. Prints the worker's rate, from a tenth of the jobs to all."""
    search_seldom()  # as the service does
    with tempfile.TemporaryDirectory() as folder:
        with counting.worker(URL, QUEUE_URL, Path(folder), counting.Counted(), **_for_reports()):
            eventually(lambda: _ended() >= JOBS / 10, within_s=200, what="a tenth is done", every_s=_LOOK_EVERY_S)
            first, began, began_cpu = _ended(), time.perf_counter(), time.process_time()
            eventually(lambda: _ended() >= JOBS, within_s=200, what="all is done", every_s=_LOOK_EVERY_S)
            seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        assert _succeeded() == JOBS
        print(json.dumps({"rate": (JOBS - first) / seconds, "per_core": (JOBS - first) / cpu}), flush=True)


def _for_reports() -> dict[str, Any]:
    """What a worker has for them."""
    if not REPORT:
        return {}
    catalog = small_table.catalog(plain=small_table.is_plain(REPORT))
    return {"catalog": catalog, "render": child.render, "WORKER_SLOTS": 2, "REPORT_SOURCE_URL": URL}


def _ended() -> float:
    """By the worker's own counter, which counts what is committed. Asking the database would slow it down."""
    [family] = metrics.ATTEMPTS.collect()
    return sum(sample.value for sample in family.samples if sample.name.endswith("_total"))


def _succeeded() -> int:
    engine = create_engine(URL, application_name="bench")
    with engine.connect() as conn:
        return int(conn.execute(text("SELECT count(*) FROM jobs WHERE status = 'SUCCESS'")).scalar_one())


if __name__ == "__main__":
    {"submit": submit, "work": work}[sys.argv[1]]()
