"""The history by minutes counts every ended job once, whichever process counts or dies."""

import random
import threading
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from services.relay.tidying import Tidying
from shared.database.engine import create_engine, transactional
from shared.ids import uuid7
from shared.jobs import rollups, unfinished
from shared.jobs.cancel import cancel
from shared.jobs.finish import Failure, fail
from shared.jobs.rollups import BOUNDS_S, Kind, quantile
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from tests.database.test_unfinished import ended, listed, made, risen
from tests.support.eventually import eventually
from tests.support.jobs import a_job, started
from tests.support.postgres.roles import service_urls
from tests.support.promises import broken


def counted(conn: Connection, table: str = "job_minutes") -> dict[tuple[str, str, str], int]:
    rows = conn.execute(text(f"SELECT tenant, report_type, outcome, sum(jobs) FROM {table} GROUP BY 1, 2, 3"))
    return {(row[0], row[1], row[2]): int(row[3]) for row in rows}


def accepted(conn: Connection) -> int:
    return int(conn.execute(text("SELECT coalesce(sum(jobs), 0) FROM accepted_minutes")).scalar_one())


def total(conn: Connection) -> int:
    return sum(counted(conn).values()) + sum(counted(conn, "job_hours").values())


def succeeded(conn: Connection, job_id: UUID, *, after_s: float = 0.3) -> None:
    """It ends in SUCCESS, so long after it was asked for."""
    conn.execute(
        text("UPDATE jobs SET created_at = clock_timestamp() - make_interval(secs => :s) WHERE id = :id"),
        {"s": after_s, "id": job_id},
    )
    succeed(conn, [Success(started(conn, job_id).lease, [], 0.1, {"rows": 1})])


def test_what_has_ended_is_counted_when_the_floor_passes_it(conn: Connection) -> None:
    fast, slow, failed, other = (a_job(conn, id=made(n), formats=[]) for n in range(4))
    theirs = a_job(conn, id=made(5), tenant="other", report_type="x")
    succeeded(conn, fast)
    succeeded(conn, slow, after_s=90)
    ended(conn, failed)
    cancel(conn, theirs, Viewer("other"))
    assert counted(conn) == {}

    risen(conn)

    assert counted(conn) == {
        ("acme", "calendar", "SUCCESS"): 2,
        ("acme", "calendar", "FAILED"): 1,
        ("other", "x", "CANCELLED"): 1,
    }
    row = conn.execute(text("SELECT * FROM job_minutes WHERE outcome = 'SUCCESS'")).one()
    assert sum(row.buckets) == 2
    assert [n for n, many in enumerate(row.buckets) if many] == [2, 10]
    assert 90 < row.seconds < 120
    assert other in listed(conn)
    assert accepted(conn) == 5


def test_what_lives_longer_is_counted_when_it_leaves_the_list(conn: Connection) -> None:
    job_id = a_job(conn, id=made(1))
    risen(conn)
    assert accepted(conn) == 1, "whatever becomes of it"
    ended(conn, job_id)
    assert total(conn) == 0

    unfinished.prune(conn)
    unfinished.prune(conn)

    assert total(conn) == accepted(conn) == 1
    assert broken(conn, at_rest=False) == {}


@pytest.mark.parametrize("pruned_first", [False, True])
def test_what_was_born_into_the_list_and_is_passed_by_the_floor_counts_once(
    conn: Connection, pruned_first: bool
) -> None:
    """Its API's clock is behind, and it ends before the floor gets there."""
    a_job(conn, id=made(3))
    with transactional(conn.engine).connect() as late:
        late.execute(text("SELECT pg_current_xact_id()"))
        assert not unfinished.advance_floor(conn)  # announced, and not reached yet
        low = a_job(conn, id=made(2))
        assert listed(conn) == [low]
        ended(conn, low)
        if pruned_first:
            unfinished.prune(conn)
        late.rollback()
    risen(conn)
    assert accepted(conn) == 1
    unfinished.prune(conn)

    assert total(conn) == 1
    assert accepted(conn) == 2
    assert broken(conn, at_rest=False) == {}


def test_what_is_born_below_the_floor_is_accepted_when_it_leaves_the_list(conn: Connection) -> None:
    a_job(conn, id=made(3))
    risen(conn)
    low = a_job(conn, id=made(1))
    unfinished.prune(conn)
    assert accepted(conn) == 1
    assert broken(conn, at_rest=False) == {}

    ended(conn, low)
    unfinished.prune(conn)
    unfinished.prune(conn)

    assert accepted(conn) == 2


def test_a_relay_that_dies_before_its_commit_has_counted_nothing(engine: Engine, conn: Connection) -> None:
    ended(conn, a_job(conn, id=made(1)))
    a_job(conn, id=made(2))
    floor = eventually_fenced(conn)
    with transactional(engine).connect() as dying:
        assert dying.execute(unfinished._REACH, floor).rowcount == 1
        dying.rollback()
    assert total(conn) == 0

    risen(conn)
    assert total(conn) == 1


def eventually_fenced(conn: Connection) -> dict[str, object]:
    """Everything that stands before the last step."""
    look = conn.execute(unfinished._LOOK).one()
    announced = unfinished._announce(conn, look.reached, 5.0)
    conn.execute(unfinished._FENCE, {"announced": announced})
    fenced = "SELECT fence < pg_snapshot_xmin(pg_current_snapshot()) FROM unfinished_floor"
    eventually(lambda: conn.execute(text(fenced)).scalar_one(), what="the fence is passed")
    return {"reached": look.reached, "announced": announced}


def test_several_relays_count_beside_each_other_and_nothing_counts_twice(
    database_url: str, engine: Engine, conn: Connection
) -> None:
    jobs, stop = 300, threading.Event()
    faults: list[Exception] = []

    def relay() -> None:
        own = create_engine(url, application_name="relay", pool_size=1)
        try:
            with own.connect() as mine:
                while not stop.is_set():
                    unfinished.advance_floor(mine, list_after_s=0)
                    unfinished.prune(mine)
        except SQLAlchemyError as error:
            faults.append(error)
        finally:
            own.dispose()

    url = service_urls(database_url)["relay"]
    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    chance = random.Random(1)
    waiting: list[UUID] = []
    for _ in range(jobs):
        waiting.append(a_job(conn, id=uuid7(), report_type=f"t{chance.randrange(5)}"))
        if chance.random() < 0.7:
            ended(conn, waiting.pop(chance.randrange(len(waiting))))
    for job_id in waiting:
        ended(conn, job_id)
    a_job(conn)  # the floor stands on a job
    eventually(lambda: faults or total(conn) >= jobs, within_s=60, what="all are counted")
    stop.set()
    for thread in threads:
        thread.join(60)

    assert not faults
    assert total(conn) == jobs
    assert broken(conn, at_rest=False) == {}


def test_minutes_become_hours_and_nothing_is_lost(engine: Engine, conn: Connection, database_url: str) -> None:
    for n in range(3):
        succeeded(conn, a_job(conn, id=made(n), formats=[]))
    a_job(conn, id=made(4))
    risen(conn)
    conn.execute(text("UPDATE job_minutes SET minute = date_trunc('hour', minute, 'UTC') - interval '9 days'"))
    conn.execute(
        text(
            "INSERT INTO job_minutes SELECT tenant, report_type, outcome, minute + interval '7 min', 5, 2.5, buckets "
            "FROM job_minutes"
        )
    )
    relay = create_engine(service_urls(database_url)["relay"], application_name="relay")

    for _ in range(2):
        Tidying(relay).run_once()

    assert counted(conn) == {}
    row = conn.execute(text("SELECT jobs, seconds, buckets FROM job_hours")).one()
    assert (row.jobs, sum(row.buckets)) == (8, 6)
    conn.execute(text("UPDATE job_hours SET hour = hour - interval '1 year'"))
    Tidying(relay).run_once()
    assert counted(conn, "job_hours") == {}
    relay.dispose()


def test_the_latest_successes_tell_what_is_usual(conn: Connection) -> None:
    for n in range(9):
        succeeded(conn, a_job(conn, id=made(n), formats=[]), after_s=7)
    fail(conn, [Failure(started(conn, a_job(conn, id=made(10))).lease, "x", "y", retryable=False, delay_s=0)])
    risen(conn)

    found = rollups.recent(conn, [Kind("acme", "calendar"), Kind("other", "calendar")])

    assert list(found) == [Kind("acme", "calendar")]
    assert quantile(found[Kind("acme", "calendar")], 0.5) == pytest.approx(7.5)


@pytest.mark.parametrize(
    ("buckets", "q", "seconds"),
    [
        ({}, 0.5, None),
        ({0: 10}, 0.5, 0.05),
        ({4: 10}, 0.5, 1.5),
        ({0: 1, 9: 99}, 0.95, 30 + 30 * 94 / 99),
        ({15: 1}, 0.5, 3600),
    ],
)
def test_quantiles_lie_within_their_bucket(buckets: dict[int, int], q: float, seconds: float | None) -> None:
    given = [buckets.get(n, 0) for n in range(len(BOUNDS_S) + 1)]

    assert quantile(given, q) == (None if seconds is None else pytest.approx(seconds))
