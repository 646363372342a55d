"""The floor under the unfinished jobs: whatever is late or dies, the sweeper sees each of them once."""

import random
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from shared.database.engine import create_engine, transactional
from shared.ids import uuid7
from shared.jobs import unfinished
from shared.jobs.finish import Failure, fail
from shared.jobs.submit import submit
from shared.jobs.walk import START
from tests.support.eventually import eventually
from tests.support.jobs import a_job, a_submission, count, started
from tests.support.promises import ALWAYS, SEEN

_HOUR_AGO_MS = int((time.time() - 3600) * 1000)


def made(second: int) -> UUID:
    """An id of that second of the last hour."""
    return UUID(int=(_HOUR_AGO_MS + second * 1000) << 80 | 7 << 76 | 2 << 62)


def risen(conn: Connection) -> None:
    """Rise until the floor is higher. The server itself may have a transaction under way."""
    eventually(lambda: unfinished.advance_floor(conn), what="the floor rises")


def seen(conn: Connection) -> list[UUID]:
    """As the sweeper finds them."""
    return list(conn.execute(text(f"SELECT id FROM ({SEEN}) AS seen ORDER BY id")).scalars())


def listed(conn: Connection) -> list[UUID]:
    return list(conn.execute(text("SELECT job_id FROM stragglers ORDER BY job_id")).scalars())


def reached(conn: Connection) -> UUID:
    found: UUID = conn.execute(text("SELECT reached FROM unfinished_floor")).scalar_one()
    return found


def ended(conn: Connection, job_id: UUID) -> None:
    fail(conn, [Failure(started(conn, job_id).lease, "boom", "it broke", retryable=False, delay_s=0)])


@pytest.fixture
def late(database_url: str) -> Iterator[Connection]:
    """A transaction that has begun and has not ended."""
    engine = create_engine(database_url, application_name="late")
    with transactional(engine).connect() as connection:
        yield connection
    engine.dispose()


def test_a_young_job_is_seen_and_not_listed(conn: Connection) -> None:
    job_id = a_job(conn)

    assert not unfinished.advance_floor(conn)
    assert (seen(conn), listed(conn)) == ([job_id], [])


def test_a_job_that_lives_long_is_listed_until_it_ends(conn: Connection) -> None:
    short, long, longer = (a_job(conn, id=made(n)) for n in range(3))
    young = a_job(conn)
    ended(conn, short)

    risen(conn)
    assert (seen(conn), listed(conn)) == ([long, longer, young], [long, longer])
    assert not unfinished.advance_floor(conn)

    ended(conn, long)
    assert (seen(conn), listed(conn)) == ([longer, young], [long, longer])
    unfinished.prune(conn)
    assert (seen(conn), listed(conn)) == ([longer, young], [longer])


def test_the_floor_rises_by_as_much_as_one_statement_can_carry(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "_MOST_PASSED", 2)
    jobs = [a_job(conn, id=made(n)) for n in range(5)]

    for floor in (jobs[1], jobs[3], jobs[4]):
        risen(conn)
        assert reached(conn) == floor
        assert seen(conn) == jobs


def test_jobs_that_are_gone_leave_the_list_slice_by_slice(conn: Connection) -> None:
    jobs = [a_job(conn, id=made(n)) for n in range(5)]
    risen(conn)
    for job_id in jobs:
        ended(conn, job_id)
    conn.execute(text("UPDATE jobs SET keep_s = 0, keep_artifacts_s = 0"))
    conn.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": jobs[0]})

    after, slices = START, 0
    while slices == 0 or after != START:
        after = unfinished.prune(conn, after=after, slice_size=2)
        slices += 1

    assert (slices, listed(conn)) == (3, [])


def test_a_birth_that_is_under_way_holds_the_floor_back(conn: Connection, late: Connection) -> None:
    submit(late, [a_submission(id=made(1))])
    a_job(conn, id=made(2))

    assert not unfinished.advance_floor(conn)
    assert not unfinished.advance_floor(conn)
    late.commit()

    risen(conn)
    assert seen(conn) == listed(conn) == [made(1), made(2)]


def test_a_birth_below_the_floor_lists_itself(conn: Connection) -> None:
    """Its API's clock is behind."""
    a_job(conn, id=made(2))
    risen(conn)

    a_job(conn, id=made(1))

    assert seen(conn) == listed(conn) == [made(1), made(2)]


def test_a_birth_between_the_announcement_and_the_floor_lists_itself(conn: Connection, late: Connection) -> None:
    submit(late, [a_submission(id=made(1))])
    a_job(conn, id=made(3))
    unfinished.advance_floor(conn)
    a_job(conn, id=made(2))
    assert (seen(conn), listed(conn)) == ([made(2), made(3)], [made(2)])

    late.commit()
    risen(conn)

    assert seen(conn) == listed(conn) == [made(1), made(2), made(3)]


def test_a_fence_that_waited_is_no_fence_for_a_later_announcement(
    engine: Engine, conn: Connection, late: Connection, database_url: str
) -> None:
    """Its number may be older than a birth that has not seen the announcement."""
    first, second = a_job(conn, id=made(1)), a_job(conn, id=made(3))
    conn.execute(unfinished._ANNOUNCE, {"reached": START, "settled": first, "most": 9})
    other = create_engine(database_url, application_name="other relay")
    with transactional(other).connect() as blocking:
        blocking.execute(text("SELECT FROM unfinished_floor FOR UPDATE"))
        waiting = threading.Thread(target=_fence, args=(engine, first))
        waiting.start()
        eventually(lambda: _waits(conn), what="the fence waits for the row")
        # Another relay is two steps ahead, and a birth has not seen the second of them.
        blocking.execute(text("UPDATE unfinished_floor SET reached = announced"))
        blocking.execute(text("UPDATE unfinished_floor SET announced = :id"), {"id": second})
        submit(late, [a_submission(id=made(2))])
        blocking.commit()
        waiting.join(30)
    other.dispose()

    assert not conn.execute(unfinished._REACH, {"reached": first, "announced": second}).rowcount
    late.commit()
    risen(conn)
    assert made(2) in seen(conn)


def test_a_fence_that_comes_when_the_floor_is_reached_is_none(conn: Connection, late: Connection) -> None:
    """Two relays saw one announcement; the slower one's fence must not serve the next announcement."""
    first = a_job(conn, id=made(1))
    risen(conn)
    conn.execute(unfinished._FENCE, {"announced": first})
    submit(late, [a_submission(id=made(2))])
    a_job(conn, id=made(3))

    assert not unfinished.advance_floor(conn)
    late.commit()
    risen(conn)
    assert seen(conn) == [made(1), made(2), made(3)]


def test_a_fence_of_the_server_that_a_dump_is_of_is_taken_anew(conn: Connection) -> None:
    """Its ids were far ahead of ours: without a new one the floor would stand still until ours are there."""
    job_id = a_job(conn)
    conn.execute(text("UPDATE unfinished_floor SET announced = :id, fence = '900000000000'"), {"id": job_id})

    risen(conn)
    assert reached(conn) == job_id


def _fence(engine: Engine, announced: UUID) -> None:
    with engine.connect() as conn:
        conn.execute(unfinished._FENCE, {"announced": announced})


def _waits(conn: Connection) -> bool:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'unfinished.fence'"
    )
    return bool(conn.execute(waiting).scalar_one())


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_birth_that_could_not_see_an_announcement_is_refused(database_url: str, level: str) -> None:
    engine = create_engine(database_url, application_name="late")
    with (
        engine.execution_options(isolation_level=level).connect() as conn,
        pytest.raises(DBAPIError, match="READ COMMITTED only"),
    ):
        submit(conn, [a_submission()])
    engine.dispose()


@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_storm_every_unfinished_job_is_seen_at_every_moment(
    engine: Engine, conn: Connection, database_url: str, seed: int
) -> None:
    """Births that commit late or never and have old ids, ends, and relays that stop between any two steps."""
    over = threading.Event()
    broken: list[object] = []
    made = [threading.Thread(target=_bear, args=(database_url, random.Random(seed * 10 + n))) for n in range(3)]
    others = [
        *(threading.Thread(target=_rise, args=(engine, random.Random(seed * 100 + n), over)) for n in range(2)),
        threading.Thread(target=_end, args=(engine, over)),
        threading.Thread(target=_look, args=(engine, over, broken)),
    ]
    for thread in (*made, *others):
        thread.start()
    for thread in made:
        thread.join(120)
    over.set()
    for thread in others:
        thread.join(60)

    assert broken == []
    assert reached(conn) > START
    assert count(conn, "jobs") > 200
    _seen_once(conn, broken)
    assert broken == []


def _bear(url: str, chance: random.Random) -> None:
    engine = create_engine(url, application_name="bearing")
    with transactional(engine).connect() as conn:
        for _ in range(60):
            waiting = [a_submission() for _ in range(chance.randint(1, 4))]
            for submission in chance.sample(waiting, len(waiting)):
                submit(conn, [submission])
                conn.execute(text("SELECT pg_sleep(:s)"), {"s": chance.choice([0, 0, 0.02])})
            if chance.random() < 0.2:
                conn.rollback()
            else:
                conn.commit()
    engine.dispose()


def _rise(engine: Engine, chance: random.Random, over: threading.Event) -> None:
    with engine.connect() as conn:
        while not over.is_set():
            floor = conn.execute(unfinished._LOOK).one()
            asked = {"reached": floor.reached, "settled": uuid7(), "most": 20, "announced": floor.announced}
            steps = (unfinished._ANNOUNCE, unfinished._FENCE, unfinished._REACH, unfinished._PRUNE)
            for step in chance.sample(steps, chance.randint(1, 4)):
                used = {name: value for name, value in asked.items() if name in step._bindparams}
                conn.execute(step, {**used, "after": START, "slice": 50} if step is steps[3] else used)


def _end(engine: Engine, over: threading.Event) -> None:
    some = text("SELECT id FROM jobs WHERE status = 'PENDING' ORDER BY random() LIMIT 3")
    with engine.connect() as conn:
        while not over.is_set():
            for job_id in conn.execute(some).scalars().all():
                ended(conn, job_id)


def _look(engine: Engine, over: threading.Event, broken: list[object]) -> None:
    with engine.connect() as conn:
        while not over.is_set():
            _seen_once(conn, broken)


def _seen_once(conn: Connection, broken: list[object]) -> None:
    for name, query in ALWAYS.items():
        if name.startswith("1: "):
            broken += conn.execute(text(query)).all()
