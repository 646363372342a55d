"""The cost of a drained job, counted: SQL statements, commits, WAL, dead rows, SQS requests.

The load is drained by the relay's Publisher and the worker's Worker as they are, over a real PostgreSQL and an SQS
endpoint on a socket. Counts do not depend on how fast or how busy the machine is.
"""

import contextlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from services.relay.publisher import Publisher
from services.worker.assembly import Render
from services.worker.worker import Worker
from shared.artifacts.disk import DiskStore
from shared.catalog.model import Catalog
from shared.database.engine import create_engine
from shared.database.statements import statement_name
from shared.jobs.submit import submit
from shared.queues.sqs import SqsQueue
from shared.runtime.loop import run_until
from tests.benchmarks import noop
from tests.support.eventually import eventually
from tests.support.jobs import a_submission
from tests.support.relay import a_publisher
from tests.support.worker import renders_nothing, worker_parts

REGION = "us-east-1"
_FOR_LIGHT_JOBS: dict[str, Any] = {"WORKER_SLOTS": 1000, "WORKER_POLL_S": 1}
"""Inline attempts take no core each: a worker for them wants room for what is being received, started and written."""


class Counted:
    """Counts what passes through engines and queues while it listens."""

    def __init__(self) -> None:
        self.statements: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.commits = 0

    def listen(self, engine: Engine) -> None:
        """Count the statements and the commits of this engine."""

        @event.listens_for(engine, "after_cursor_execute")
        def _statement(conn: Connection, _cursor: Any, statement: str, *_: Any) -> None:
            self.statements[statement_name(statement)] += 1
            if _autocommit(conn):
                self.commits += 1

        @event.listens_for(engine, "commit")
        def _commit(conn: Connection) -> None:
            if not _autocommit(conn):
                self.commits += 1

    def request(self, operation: str) -> None:
        """Count a request to SQS."""
        self.requests[operation] += 1


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run, for each job."""

    jobs: int
    statements: float
    """Of relay and worker."""
    commits: float
    requests: float
    wal_bytes: float
    """From the submission to the end, history rows included."""
    dead_rows: float
    seconds: float
    """From the first pass of relay and worker to the last job's end."""
    by_statement: dict[str, float]
    by_request: dict[str, float]


def submit_jobs(conn: Connection, jobs: int, *, batch: int = 100) -> None:
    """Jobs of no work, as the API's submitter sends them under load."""
    for begin in range(0, jobs, batch):
        many = min(batch, jobs - begin)
        submit(conn, [a_submission(report_type=noop.NAME, parameters={}, formats=[]) for _ in range(many)])


def measure(url: str, queue_url: str, jobs: int, *, ahead: int | None = None) -> Cost:
    """Submit, drain by one relay and one worker, and count. Beyond `ahead` doorbells, the jobs are a flood."""
    counted = Counted()
    watching = create_engine(url, application_name="bench")
    with watching.connect() as conn:
        wal_before, dead_before = _wal(conn), _dead(conn)
        submit_jobs(conn, jobs)
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            with relay(url, queue_url, counted, ahead=ahead or jobs), worker(url, queue_url, Path(folder), counted):
                eventually(lambda: left(conn) == 0, within_s=240, what="every job has ended")
                seconds = time.monotonic() - began
        wal, dead = _wal(conn) - wal_before, _dead(conn) - dead_before
    watching.dispose()
    return Cost(
        jobs, counted.statements.total() / jobs, counted.commits / jobs, counted.requests.total() / jobs,
        wal / jobs, dead / jobs, seconds, _each(counted.statements, jobs), _each(counted.requests, jobs),
    )  # fmt: skip


@contextlib.contextmanager
def relay(url: str, queue_url: str, counted: Counted, *, ahead: int = 100_000) -> Iterator[Publisher]:
    """A relay's publisher, until the block ends."""
    engine = create_engine(url, application_name="bench-relay", pool_size=1)
    counted.listen(engine)
    publisher = a_publisher(engine, SqsQueue(queue_url, region=REGION, on_request=counted.request), ahead=ahead)
    with _threads(lambda stop: run_until(stop, publisher.run_once, idle_s=0.1, busy_s=0.005)):
        yield publisher
    engine.dispose()


@contextlib.contextmanager
def worker(
    url: str,
    queue_url: str,
    folder: Path,
    counted: Counted,
    *,
    catalog: Catalog = noop.CATALOG,
    render: Render = renders_nothing,
    **settings: Any,
) -> Iterator[Worker]:
    """A worker, until the block ends."""
    engine = create_engine(url, application_name="bench-worker", pool_size=4)
    counted.listen(engine)
    queue = SqsQueue(queue_url, region=REGION, on_request=counted.request)
    parts = worker_parts(
        engine, queue, folder, store=DiskStore(folder), catalog=catalog, render=render, name="bench",
        DATABASE_URL=url, SQS_QUEUE_URL=queue_url, AWS_REGION=REGION, **{**_FOR_LIGHT_JOBS, **settings},
    )  # fmt: skip
    made = Worker(parts)
    with _threads(made.run):
        yield made
    engine.dispose()


@contextlib.contextmanager
def _threads(run: Any) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)


def _autocommit(conn: Connection) -> bool:
    """Whether each statement commits by itself."""
    return "isolation_level" not in conn.get_execution_options()


def _each(counter: Counter[str], jobs: int) -> dict[str, float]:
    return {name: round(count / jobs, 5) for name, count in counter.most_common()}


def left(conn: Connection) -> int:
    """Jobs that have not ended."""
    return int(conn.execute(text("SELECT count(*) FROM jobs WHERE finished_at IS NULL")).scalar_one())


def _wal(conn: Connection) -> int:
    return int(conn.execute(text("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')")).scalar_one())


def _dead(conn: Connection) -> int:
    """Row versions that updates and deletes left behind since ever; vacuum does not take them back."""
    conn.execute(text("SELECT pg_stat_clear_snapshot()"))
    return int(conn.execute(text("SELECT sum(n_tup_upd + n_tup_del) FROM pg_stat_user_tables")).scalar_one())
