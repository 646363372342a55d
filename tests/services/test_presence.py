"""A worker reports its presence, its report types and its health."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Gauge
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from services.relay.tidying import Tidying
from services.worker.in_flight import InFlight
from services.worker.presence import PresenceBeat
from services.worker.worker import Worker
from shared.catalog.load import BUILTIN, load_catalog
from shared.catalog.model import Catalog
from shared.database.engine import create_engine
from shared.database.statements import statement_name
from shared.failures import FailureCode
from shared.jobs import workers
from shared.jobs.workers import Presence
from tests.support.eventually import eventually
from tests.support.jobs import a_job, count
from tests.support.postgres.roles import service_urls
from tests.support.relay import the_gauges
from tests.support.sqs.double import InMemoryQueue
from tests.support.worker import worker_parts


class _Changing:
    """A catalog that is read again when a test says so."""

    def __init__(self) -> None:
        self.catalog: Catalog = load_catalog(BUILTIN)
        self.default = None

    @property
    def types(self) -> Any:
        return self.catalog.types


@pytest.fixture
def worker_engine(database_url: str) -> Iterator[Engine]:
    """With the worker's own rights."""
    engine = create_engine(service_urls(database_url)["worker"], application_name="todoke-worker")
    yield engine
    engine.dispose()


@pytest.fixture
def relays(database_url: str) -> Iterator[Engine]:
    engine = create_engine(service_urls(database_url)["relay"], application_name="todoke-relay-sweeper")
    yield engine
    engine.dispose()


def told(conn: Connection) -> Any:
    return conn.execute(text("SELECT * FROM workers")).one()


def silence(conn: Connection, by: str) -> None:
    """Time passes in which nobody hears of the workers."""
    conn.execute(text("UPDATE workers SET seen_at = seen_at - CAST(:by AS interval)"), {"by": by})


def value(gauge: Gauge, *labels: str) -> float:
    return float((gauge.labels(*labels) if labels else gauge)._value.get())


def a_worker(conn: Connection, name: str = "w", **about: Any) -> None:
    given = {"catalog": "c", "report_types": ["calendar"], "slots": 4, "holding": 0, **about}
    workers.beat(conn, Presence(name, **given), new=True)


def test_a_running_worker_is_there_and_leaves_when_it_stops(
    worker_engine: Engine, conn: Connection, tmp_path: Path
) -> None:
    stop = threading.Event()
    worker = Worker(worker_parts(worker_engine, InMemoryQueue(), tmp_path, WORKER_SLOTS=3, WORKER_POLL_S=1))
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: count(conn, "workers") == 1, what="it says that it is there")
        row = told(conn)
        assert (row.name, list(row.report_types), row.slots, row.holding, row.sick) == ("w", ["calendar"], 3, 0, None)
    finally:
        stop.set()
        thread.join(60)
    assert count(conn, "workers") == 0


def test_it_asks_nothing_between_its_beats_and_tells_at_once_what_changes(
    worker_engine: Engine, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = _Changing()
    parts = worker_parts(worker_engine, InMemoryQueue(), tmp_path, catalog=catalog)
    presence = PresenceBeat(parts, InFlight(2))
    seen: list[str] = []
    event.listen(worker_engine, "after_cursor_execute", lambda _c, _cur, sql, *_: seen.append(sql))

    for _ in range(5):
        presence.run_once()
    assert [statement_name(sql) for sql in seen] == ["report_sources.tell", "workers.beat"]
    first = told(conn)

    parts.fitness.note(FailureCode.SCRATCH_FULL, "no room")
    presence.run_once()
    assert told(conn).sick == "scratch_full"

    [report] = catalog.catalog.types.values()
    another = {"calendar": replace(report, version="2"), "other": replace(report, name="other", source="warehouse")}
    catalog.catalog = Catalog(another, None)
    presence.run_once()
    sources = conn.execute(text("SELECT report_type, source FROM report_sources ORDER BY 1")).all()
    assert [tuple(row) for row in sources] == [("calendar", "default"), ("other", "warehouse")]
    assert list(told(conn).report_types) == ["calendar", "other"]
    assert told(conn).catalog != first.catalog
    assert told(conn).since == first.since

    silence(conn, "1 hour")
    monkeypatch.setattr(workers, "BEAT_S", 0.0)
    presence._beat_at = 0.0
    presence.run_once()
    assert told(conn).seen_at > first.seen_at


def test_a_worker_that_takes_the_name_of_another_begins_anew(conn: Connection) -> None:
    a_worker(conn)
    conn.execute(text("UPDATE workers SET since = since - interval '1 day'"))
    before = told(conn).since

    workers.beat(conn, Presence("w", "c", ["calendar"], 4, 1), new=False)
    assert told(conn).since == before
    a_worker(conn)
    assert told(conn).since > before


def test_a_worker_whose_database_is_away_leaves_without_a_word(tmp_path: Path, conn: Connection) -> None:
    nowhere = create_engine("postgresql://u:p@127.0.0.1:1/d", application_name="test")
    presence = PresenceBeat(worker_parts(nowhere, InMemoryQueue(), tmp_path), InFlight(1))
    presence.leave()
    presence._told = ("x", None)
    presence.leave()


def test_jobs_of_a_type_that_no_fit_worker_knows_are_counted(relays: Engine, conn: Connection) -> None:
    for name in ("calendar", "new", "newer"):
        a_job(conn, report_type=name)
    gauges = the_gauges(relays, InMemoryQueue())

    gauges.run_once()
    assert value(metrics.JOBS_OF_UNKNOWN_TYPE) == 3
    assert value(metrics.WORKERS, "fit") == value(metrics.WORKERS, "unfit") == 0

    a_worker(conn)
    a_worker(conn, "sick", report_types=["new"], sick="scratch_full")
    gauges.run_once()
    assert value(metrics.JOBS_OF_UNKNOWN_TYPE) == 2
    assert (value(metrics.WORKERS, "fit"), value(metrics.WORKERS, "unfit")) == (1, 1)

    silence(conn, "5 minutes")
    gauges.run_once()
    assert value(metrics.JOBS_OF_UNKNOWN_TYPE) == 3


def test_rows_of_workers_that_died_leave_after_a_day(relays: Engine, conn: Connection) -> None:
    a_worker(conn, "dead")
    silence(conn, "25 hours")
    a_worker(conn, "alive")

    Tidying(relays).run_once()

    assert told(conn).name == "alive"
