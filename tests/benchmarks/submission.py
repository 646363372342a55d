"""Part of `make bench`: submissions that share commits, beside one commit each, in turns."""

import asyncio
import statistics
import time
from collections.abc import Iterator

from services.api.actions.submitter import Submitter
from shared.database.async_engine import create_async_engine
from shared.database.engine import create_engine
from shared.jobs.submit import submit
from tests.benchmarks import counting, noop
from tests.benchmarks.parts import Figure, Stage
from tests.support.jobs import a_submission

TITLE = "Submissions a second, below the web framework"
CLIENTS = 32


def run(stage: Stage) -> Iterator[Figure]:
    """32 clients with one request each under way."""
    rounds = [(asyncio.run(shared(stage.database(), stage.jobs)), alone(stage)) for _ in range(stage.rounds)]
    yield Figure("sharing commits, 32 clients (median)", statistics.median(rate for (rate, _), _ in rounds), "jobs/s")
    yield Figure("one commit each, one client (median)", statistics.median(rate for _, rate in rounds), "jobs/s")
    yield Figure("SQL statements a submission, 32 clients",
                 statistics.median(each for (_, each), _ in rounds), aim="≤ 0.1")  # fmt: skip


async def shared(url: str, jobs: int) -> tuple[float, float]:
    """Jobs a second, and SQL statements a job."""
    engine = create_async_engine(url, application_name="bench")
    counted = counting.Counted()
    counted.listen(engine.sync_engine)
    submitter = Submitter(engine)

    async def client() -> None:
        for _ in range(jobs // CLIENTS):
            await submitter.submit(a_submission(report_type=noop.NAME, parameters={}, formats=[]))

    began = time.monotonic()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    seconds = time.monotonic() - began
    await submitter.close()
    made = jobs // CLIENTS * CLIENTS
    return made / seconds, counted.statements["jobs.submit"] / made


def alone(stage: Stage) -> float:
    """Jobs a second, one statement and one commit after another."""
    engine = create_engine(stage.database(), application_name="bench")
    many = max(100, stage.jobs // 20)
    with engine.connect() as conn:
        began = time.monotonic()
        for _ in range(many):
            submit(conn, [a_submission(report_type=noop.NAME, parameters={}, formats=[])])
        seconds = time.monotonic() - began
    engine.dispose()
    return many / seconds
