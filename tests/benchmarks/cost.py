"""Part of `make bench`: the cost of one job, counted."""

from collections.abc import Iterator

from sqlalchemy import text

from shared.database.engine import create_engine
from tests.benchmarks import counting
from tests.benchmarks.parts import Figure, Stage

TITLE = "What a job of no work costs"


def run(stage: Stage) -> Iterator[Figure]:
    """Counts, from the submission to the end."""
    cost = counting.measure(stage.database(), stage.queue(), stage.jobs)
    yield Figure("SQL statements of relay and worker, a job", cost.statements, aim="≤ 0.10")
    yield Figure("commits of relay and worker, a job", cost.commits, aim="≤ 0.10")
    yield Figure("SQS requests, a job", cost.requests, aim="≤ 0.31")
    yield Figure("WAL, a job, with its history", cost.wal_bytes, "bytes", "≤ 1,600")
    yield Figure("WAL, a job, without its history", _without_history(stage), "bytes")
    yield Figure("dead rows, a job", cost.dead_rows, aim="≤ 3")


def _without_history(stage: Stage) -> float:
    """The trigger that writes the history also refuses what is not allowed; here nothing that is not is asked for."""
    url = stage.database()
    engine = create_engine(url, application_name="bench")
    with engine.begin() as conn:
        conn.execute(text("ALTER TABLE jobs DISABLE TRIGGER jobs_record_transition"))
    engine.dispose()
    return counting.measure(url, stage.queue(), stage.jobs).wal_bytes
