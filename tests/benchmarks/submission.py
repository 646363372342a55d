"""Part of `make bench`: submissions that share commits, beside one commit each, in turns."""

import statistics
import threading
import time
from collections.abc import Iterator

from services.api.submitter import Submitter
from shared import database
from shared.jobs.submit import submit
from tests.benchmarks import counting, noop
from tests.benchmarks.stage import Figure, Stage
from tests.support.jobs import a_submission

TITLE = "Submissions a second, below the web framework"
CLIENTS = 32


def run(stage: Stage) -> Iterator[Figure]:
    """32 clients with one request each under way."""
    rounds = [(_shared(stage), _alone(stage)) for _ in range(stage.rounds)]
    yield Figure("sharing commits, 32 clients (median)", statistics.median(rate for (rate, _), _ in rounds), "jobs/s")
    yield Figure("one commit each, one client (median)", statistics.median(rate for _, rate in rounds), "jobs/s")
    yield Figure("SQL statements a submission, 32 clients",
                 statistics.median(each for (_, each), _ in rounds), aim="≤ 0.1")  # fmt: skip


def _shared(stage: Stage) -> tuple[float, float]:
    engine = database.create_engine(stage.database(), application_name="bench")
    counted = counting.Counted()
    counted.listen(engine)
    submitter = Submitter(engine)
    each = stage.jobs // CLIENTS

    def client() -> None:
        for _ in range(each):
            submitter.submit(a_submission(report_type=noop.NAME, parameters={}, formats=[])).result(60)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    began = time.monotonic()
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    seconds = time.monotonic() - began
    submitter.close()
    engine.dispose()
    return each * CLIENTS / seconds, counted.statements["jobs.submit"] / (each * CLIENTS)


def _alone(stage: Stage) -> float:
    engine = database.create_engine(stage.database(), application_name="bench")
    many = max(100, stage.jobs // 20)
    with database.autocommit(engine).connect() as conn:
        began = time.monotonic()
        for _ in range(many):
            submit(conn, [a_submission(report_type=noop.NAME, parameters={}, formats=[])])
        seconds = time.monotonic() - began
    engine.dispose()
    return many / seconds
