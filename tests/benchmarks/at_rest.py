"""Part of `make bench`: the time from accepted to SUCCESS, at twenty jobs of no work per second on an idle system."""

import statistics
import threading
from collections.abc import Iterator

from sqlalchemy import text

from shared.database.engine import create_engine
from shared.jobs.submit import submit
from tests.benchmarks import counting, noop
from tests.benchmarks.parts import Figure, Stage
from tests.support.eventually import eventually
from tests.support.jobs import a_submission

TITLE = "At rest: from accepted to SUCCESS at twenty jobs a second"
_JOBS = 300
_WARM_UP = 20

_LATENCY = text("SELECT extract(epoch FROM finished_at - created_at)::float8 * 1000 FROM jobs ORDER BY id")
_LEFT = text("SELECT count(*) FROM jobs WHERE finished_at IS NULL")


def run(stage: Stage) -> Iterator[Figure]:
    """By the database's clock; relay and worker share a process."""
    url, queue_url, counted, pause = stage.database(), stage.queue(), counting.Counted(), threading.Event()
    engine = create_engine(url, application_name="bench")
    with (
        counting.relay(url, queue_url, counted),
        counting.worker(url, queue_url, stage.folder, counted, WORKER_POLL_S=20),
        engine.connect() as conn,
    ):
        for _ in range(_JOBS):
            submit(conn, [a_submission(report_type=noop.NAME, parameters={}, formats=[])])
            pause.wait(0.05)
        eventually(lambda: conn.execute(_LEFT).scalar_one() == 0, within_s=60, what="all is done")
        waits = [row[0] for row in conn.execute(_LATENCY)][_WARM_UP:]
    engine.dispose()
    cuts = statistics.quantiles(waits, n=100)
    yield Figure("p50", cuts[49], "ms", "≤ 15")
    yield Figure("p99", cuts[98], "ms", "≤ 40")
