"""What a relay reports about the whole system, read with the relay's own rights."""

from collections.abc import Iterator

import psycopg
import pytest
from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from shared.database import xmin_horizon
from shared.database.engine import create_engine
from shared.queues.interface import Outgoing
from shared.runtime.metrics import common
from tests.support.jobs import a_job, expire_lease, pass_time, started
from tests.support.postgres.roles import service_urls
from tests.support.relay import a_publisher, a_sweeper, the_gauges
from tests.support.sqs.double import InMemoryQueue


@pytest.fixture
def relays(database_url: str) -> Iterator[Engine]:
    engine = create_engine(service_urls(database_url)["relay"], application_name="todoke-relay-sweeper")
    yield engine
    engine.dispose()


def value(gauge: Gauge, *labels: str) -> float:
    return float((gauge.labels(*labels) if labels else gauge)._value.get())


def test_an_empty_system_shows_zeros(relays: Engine) -> None:
    the_gauges(relays, InMemoryQueue()).run_once()

    assert value(metrics.OUTBOX_UNSENT) == value(metrics.OUTBOX_OLDEST_S) == 0
    assert value(metrics.JOBS_WAITING) == value(metrics.OLDEST_WAITING_S) == value(metrics.JOBS_LATE) == 0
    assert value(metrics.MEASURED_AT) > 0


def test_jobs_are_counted_by_where_they_stand(relays: Engine, conn: Connection) -> None:
    waiting, delayed, running, _ = (a_job(conn) for _ in range(4))
    pass_time(conn, waiting, "run_at")
    conn.execute(text("UPDATE jobs SET run_at = now() + interval '1 h' WHERE id = :id"), {"id": delayed})
    started(conn, running)
    conn.execute(text("UPDATE jobs SET created_at = now() - interval '10 min' WHERE id = :id"), {"id": running})
    a_job_that_ended = a_job(conn, deadline_s=0.0)
    a_sweeper(relays, InMemoryQueue()).run_once()
    queue = InMemoryQueue()
    queue.send([Outgoing(0, "x")], deadline_s=1)

    the_gauges(relays, queue).run_once()

    assert [value(g) for g in (metrics.JOBS_WAITING, metrics.JOBS_DELAYED, metrics.JOBS_RUNNING)] == [2, 1, 1]
    assert value(metrics.JOBS_LATE) == 1
    assert 59 < value(metrics.OLDEST_WAITING_S) < 600
    assert value(metrics.OUTBOX_UNSENT) == 5
    assert value(metrics.QUEUE_DEPTH, "visible") == 1
    assert a_job_that_ended


def test_a_queue_that_is_away_leaves_the_other_gauges_alone(relays: Engine, conn: Connection) -> None:
    a_job(conn)
    queue = InMemoryQueue()
    queue.faults.away = True

    the_gauges(relays, queue).run_once()

    assert value(metrics.JOBS_WAITING) == 1


def test_a_message_of_an_unknown_topic_shows_where_the_alert_looks(relays: Engine, conn: Connection) -> None:
    """TodokeParkedMessages asks for this gauge, whatever the reason."""
    conn.execute(text("INSERT INTO outbox (topic, group_key, payload) VALUES ('telegrams', 't', '{}')"))
    a_publisher(relays, InMemoryQueue()).run_once()

    the_gauges(relays, InMemoryQueue()).run_once()

    assert value(metrics.OUTBOX_PARKED) == 1


def test_who_holds_an_old_snapshot_is_named_without_special_rights(
    relays: Engine, conn: Connection, database_url: str
) -> None:
    with psycopg.connect(database_url, application_name="pg_dump") as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        holder.execute("SELECT 1")
        for _ in range(20):
            conn.execute(text("SELECT pg_current_xact_id()"))

        the_gauges(relays, InMemoryQueue()).run_once()
        with relays.connect() as own:
            oldest = xmin_horizon.holders(own)[0]

        assert value(metrics.XMIN_AGE, "pg_dump") >= 20
        assert (oldest.kind, oldest.name, oldest.who) == ("session", "pg_dump", f"pid {holder.info.backend_pid}")
        assert oldest.age >= 20


def test_what_the_sweeper_ends_counts_as_finished_with_its_reason(relays: Engine, conn: Connection) -> None:
    a_job(conn, deadline_s=0.0, report_type="swept")
    lost = a_job(conn, max_crashes=0, report_type="swept")
    started(conn, lost)
    expire_lease(conn, lost)

    a_sweeper(relays, InMemoryQueue()).run_once()

    for reason in ("deadline_exceeded", "worker_lost"):
        assert common.FINISHED.labels("failed", reason, "swept")._value.get() == 1
