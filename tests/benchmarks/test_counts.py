"""The cost of a job must not grow. Counts only, which no machine is too slow for."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import transactional
from shared.jobs.lease import start
from shared.jobs.submit import submit
from shared.jobs.succeed import Success, succeed
from shared.webhooks.event import EventType
from tests.benchmarks import counting, submission
from tests.support.jobs import a_submission
from tests.support.promises import broken
from tests.support.sqs.fast_process import FastSqs
from tests.support.webhooks import a_webhook, events, secret_keys

JOBS = 4000


@pytest.fixture
def sqs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastSqs]:
    with FastSqs(tmp_path) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        yield running


def test_a_drained_job_costs_no_more_than_it_may(
    database_url: str, conn: Connection, sqs: FastSqs, tmp_path: Path
) -> None:
    """Also where others are told of theirs, and its own tenant of something else."""
    keys = secret_keys(tmp_path)
    a_webhook(conn, keys, "https://a.example/", tenant="globex")
    a_webhook(conn, keys, "https://b.example/", types=(EventType.JOB_FAILED, EventType.JOB_CANCELLED))
    a_webhook(conn, keys, "https://c.example/", report_types=["calendar"])
    cost = counting.measure(database_url, sqs.queue("jobs"), JOBS)

    assert broken(conn) == {}
    assert events(conn) == []
    assert cost.statements <= 0.10, cost
    assert cost.commits <= 0.10, cost
    assert cost.requests <= 0.31, cost
    assert cost.dead_rows <= 3.01, cost
    assert cost.wal_bytes <= 1600, cost


def test_a_job_of_a_flood_costs_little_more(database_url: str, conn: Connection, sqs: FastSqs) -> None:
    """Its doorbell is held and let out: what only the tenant pays that has asked for more than its share at once."""
    cost = counting.measure(database_url, sqs.queue("jobs"), JOBS, ahead=500)

    assert broken(conn) == {}
    assert cost.by_statement.get("held.take", 0) > 0, cost
    assert cost.statements <= 0.15, cost
    assert cost.commits <= 0.12, cost
    assert cost.requests <= 0.34, cost
    assert cost.dead_rows <= 4.01, cost
    assert cost.wal_bytes <= 2100, cost


def test_submissions_under_load_share_statements(database_url: str, conn: Connection) -> None:
    """32 clients, each with one request under way."""
    _, statements = asyncio.run(submission.shared(database_url, 1600))

    assert conn.execute(text("SELECT count(*) FROM jobs")).scalar_one() == 1600
    assert statements <= 0.1


def test_changes_stay_on_their_page_even_where_nothing_can_be_cleaned_up(engine: Engine, conn: Connection) -> None:
    """Room for three versions of each row, of jobs that answer as of jobs that make files."""
    with transactional(engine).connect() as backup:
        backup.execute(text("SELECT pg_current_xact_id(), pg_current_snapshot()"))
        for formats, answer in (([], {"rows": 1}), (["csv"], None), (["pdf", "xlsx"], None)):
            asked = [a_submission(formats=formats, parameters={"from": "2026-11-01"}) for _ in range(500)]
            submit(conn, asked)
            leases = [job.lease for job in start(conn, [s.id for s in asked], worker="a-worker-1", lease_s=60).started]
            succeed(conn, [Success(lease, [], 0.1, answer) for lease in leases])
        backup.rollback()
    conn.execute(text("SELECT pg_stat_force_next_flush()"))
    changed = conn.execute(
        text("SELECT n_tup_hot_upd::float8 / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'jobs'")
    ).scalar_one()

    assert changed >= 0.9
