"""What a job costs must not grow. Counts only: no machine is too slow for them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from tests.benchmarks import counting, submission
from tests.support.fast_sqs_process import FastSqs
from tests.support.promises import broken

JOBS = 4000


@pytest.fixture
def sqs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastSqs]:
    with FastSqs(tmp_path) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_a_drained_job_costs_no_more_than_it_may(database_url: str, conn: Connection, sqs: FastSqs) -> None:
    cost = counting.measure(database_url, sqs.queue("jobs"), JOBS)

    assert broken(conn) == {}
    assert cost.statements <= 0.10, cost
    assert cost.commits <= 0.10, cost
    assert cost.requests <= 0.31, cost
    assert cost.dead_rows <= 3.01, cost
    assert cost.wal_bytes <= 1750, cost


def test_submissions_under_load_share_statements(database_url: str, conn: Connection) -> None:
    """32 clients, each with one request under way."""
    _, statements = asyncio.run(submission.shared(database_url, 1600))

    assert conn.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 1600
    assert statements <= 0.1
