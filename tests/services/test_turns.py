"""Tenants take turns: a quiet tenant's wait is limited, however much another has requested."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from services.relay import metrics
from services.relay.publisher import Publisher
from services.relay.turns import chosen_in_turns, in_turns
from shared.database.engine import create_engine, transactional
from shared.database.statements import statement_name
from shared.ids import uuid7
from shared.jobs import cancel, caps, held, pauses
from shared.jobs.admission import admit
from shared.jobs.doorbell import read_doorbell
from shared.jobs.finish import Failure, fail
from shared.jobs.gates import Gate, Kind
from shared.jobs.held import Waiting
from shared.jobs.lease import start
from shared.jobs.submit import submit
from shared.jobs.viewer import Viewer
from tests.support.jobs import a_job, a_submission, count, row
from tests.support.promises import broken
from tests.support.relay import a_publisher, a_sweeper, the_gauges
from tests.support.sqs.double import InMemoryQueue

AHEAD = 10


@pytest.fixture
def queue() -> InMemoryQueue:
    return InMemoryQueue()


@pytest.fixture
def publishing(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, application_name="relay", pool_size=1)
    yield engine
    engine.dispose()


@pytest.fixture
def publisher(publishing: Engine, queue: InMemoryQueue) -> Publisher:
    return a_publisher(publishing, queue, ahead=AHEAD)


def flood(conn: Connection, tenant: str, jobs: int, **changes: Any) -> list[UUID]:
    """So many jobs of one tenant, in the order of their ids."""
    asked = [a_submission(tenant=tenant, **changes) for _ in range(jobs)]
    submit(conn, asked)
    return sorted(s.id for s in asked)


def publish(publisher: Publisher) -> None:
    """Passes until nothing more leaves, without a pause between looks at what is held."""
    while True:
        publisher._turns._look_at = publisher._turns._probe_at = 0
        if publisher.run_once() == 0:
            return


def work(conn: Connection, queue: InMemoryQueue, most: int) -> list[UUID]:
    """A worker starts the jobs of the next messages. Returns them in order."""
    begun: list[UUID] = []
    while len(begun) < most and (got := queue.receive(1, wait_s=0, visibility_s=30)):
        job_id = read_doorbell(got[0].body)[0]
        assert job_id is not None
        begun += [job.lease.job_id for job in start(conn, [job_id], worker="w", lease_s=600).started]
        queue.delete([got[0].receipt])
    return begun


def in_queue(queue: InMemoryQueue) -> list[UUID | None]:
    return [read_doorbell(body)[0] for body in queue.bodies()]


def test_the_surplus_of_a_tenant_is_held_and_leaves_as_its_jobs_are_started(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    jobs = flood(conn, "big", 35)
    before = metrics.PUT_BACK._value.get()
    publish(publisher)
    assert (len(queue.bodies()), count(conn, "held"), count(conn, "outbox")) == (AHEAD, 25, 0)
    assert metrics.PUT_BACK._value.get() == before + 25

    begun: list[UUID] = []
    while now := work(conn, queue, 4):
        begun += now
        publish(publisher)
        assert len(queue.bodies()) <= AHEAD

    assert sorted(begun) == jobs
    assert broken(conn, at_rest=False) == {}
    assert count(conn, "held") == 0


def test_while_one_tenant_floods_another_ones_job_starts_within_the_bound(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    """However many the first has: at most RELAY_AHEAD of its jobs start before (docs/explanation/fairness.md)."""
    flood(conn, "big", 2500)
    publish(publisher)
    work(conn, queue, 3)
    publish(publisher)
    flood(conn, "big", 300)
    [quiet] = flood(conn, "quiet", 1)
    flood(conn, "big", 300)
    publish(publisher)

    assert work(conn, queue, AHEAD + 1)[-1] == quiet or quiet not in in_queue(queue)


def test_tenants_that_flood_take_turns(conn: Connection, publisher: Publisher, queue: InMemoryQueue) -> None:
    flood(conn, "a", 40)
    publish(publisher)
    for tenant in ("b", "c"):
        flood(conn, tenant, 40)
        publish(publisher)
    work(conn, queue, 30)
    begun: list[str] = []
    for _ in range(6):
        publish(publisher)
        begun += [row(conn, job_id).tenant for job_id in work(conn, queue, 5)]

    assert all(begun.count(tenant) == 10 for tenant in "abc"), begun


def test_within_a_tenant_the_most_urgent_leaves_first(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    flood(conn, "big", AHEAD)
    usual = flood(conn, "big", 2)
    [low], [high] = flood(conn, "big", 1, priority=0), flood(conn, "big", 1, priority=9)
    publish(publisher)
    work(conn, queue, AHEAD)
    publish(publisher)

    assert work(conn, queue, 9) == [high, *usual, low]


def test_nothing_is_held_and_nothing_more_is_asked_while_nobody_floods(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue, publishing: Engine
) -> None:
    asked: list[str] = []
    event.listen(publishing, "before_cursor_execute", lambda c, cur, sql, *_: asked.append(statement_name(sql)))
    for tenant in "abcde":
        flood(conn, tenant, AHEAD)
    publisher.run_once()

    assert len(queue.bodies()) == 5 * AHEAD
    assert [name for name in asked if name.startswith("held.")] == ["held.any"]


def test_a_refused_send_leaves_what_is_held_where_it_was(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    flood(conn, "big", 30)
    publish(publisher)
    work(conn, queue, 5)
    queue.faults.away = True
    publish(publisher)
    assert (count(conn, "held"), len(queue.bodies())) == (20, 5)

    queue.faults.away = False
    publisher._breaker._closed_again_at = 0
    publish(publisher)
    assert (count(conn, "held"), len(queue.bodies())) == (15, 10)


def test_another_relay_lets_out_what_a_dead_one_held(
    conn: Connection, publisher: Publisher, publishing: Engine, queue: InMemoryQueue
) -> None:
    jobs = flood(conn, "big", 30)
    publish(publisher)
    begun = work(conn, queue, AHEAD)
    successor = a_publisher(publishing, queue, ahead=AHEAD)
    for _ in range(4):
        publish(successor)
        begun += work(conn, queue, AHEAD)

    assert sorted(begun) == jobs


def test_a_job_that_ends_while_it_is_held_is_not_rung_for(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    jobs = flood(conn, "big", AHEAD + 5)
    publish(publisher)
    for job_id in jobs:
        cancel.cancel(conn, job_id, Viewer("big"))
    publish(publisher)

    assert (len(queue.bodies()), count(conn, "held")) == (AHEAD, 0)


def test_the_sweeper_does_not_ring_for_what_is_held(
    conn: Connection, engine: Engine, publisher: Publisher, queue: InMemoryQueue
) -> None:
    flood(conn, "big", 30)
    publish(publisher)
    work(conn, queue, AHEAD)
    conn.execute(text("UPDATE jobs SET next_ring_at = clock_timestamp() - interval '1 h' WHERE status = 'PENDING'"))
    asked = queue.requests["GetQueueAttributes"]
    a_sweeper(engine, queue).run_once()
    assert (count(conn, "outbox"), queue.requests["GetQueueAttributes"]) == (0, asked)

    lost = a_job(conn, tenant="quiet")
    conn.execute(text("DELETE FROM outbox"))
    conn.execute(text("UPDATE jobs SET next_ring_at = clock_timestamp() - interval '1 h' WHERE status = 'PENDING'"))
    a_sweeper(engine, queue).run_once()
    assert [str(lost) in payload for payload in conn.execute(text("SELECT payload FROM outbox")).scalars()] == [True]


def test_doorbells_that_the_queue_lost_do_not_keep_their_tenant_from_its_turn(
    conn: Connection, engine: Engine, publisher: Publisher, queue: InMemoryQueue
) -> None:
    """All that the tenant may have in the queue is lost; the sweeper rings again, and all of it is heard."""
    jobs = flood(conn, "big", 30)
    publish(publisher)
    queue.purge()
    begun: list[UUID] = []
    sweeper = a_sweeper(engine, queue)
    for _ in range(6):
        conn.execute(text("UPDATE jobs SET next_ring_at = clock_timestamp() - interval '1 h' WHERE status = 'PENDING'"))
        sweeper._ring_at = 0
        sweeper.run_once()
        publish(publisher)
        begun += work(conn, queue, 30)

    assert sorted(begun) == sorted(jobs)


def test_lost_doorbells_that_another_relay_rings_for_do_not_fill_the_window_for_ever(
    conn: Connection, engine: Engine, publisher: Publisher, publishing: Engine, queue: InMemoryQueue
) -> None:
    jobs = flood(conn, "big", 15)
    publish(publisher)
    queue.purge()
    conn.execute(text("UPDATE jobs SET next_ring_at = clock_timestamp() - interval '1 h' WHERE status = 'PENDING'"))
    a_sweeper(engine, queue).run_once()
    other = a_publisher(publishing, queue, ahead=AHEAD)
    other._turns._look_at = other._turns._probe_at = float("inf")  # it holds, and lets nothing out
    other.run_once()
    begun: list[UUID] = []
    for _ in range(3):
        publish(publisher)
        begun += work(conn, queue, 30)

    assert sorted(begun) == jobs


def test_what_is_held_is_measured(conn: Connection, engine: Engine, publisher: Publisher, queue: InMemoryQueue) -> None:
    big, _ = flood(conn, "big", 15), flood(conn, "large", 15)
    publish(publisher)
    the_gauges(engine, queue).run_once()

    assert (metrics.HELD._value.get(), metrics.HELD_TENANTS._value.get()) == (10, 2)
    assert 0 < metrics.HELD_OLDEST_S._value.get() < 60
    assert metrics.PAUSED._value.get() == 0
    assert metrics.HELD_READY._value.get() == 2

    caps.set_cap(conn, Gate(Kind.TENANT, "big"), 1)
    with transactional(conn.engine).begin() as starting:
        assert len(admit(starting, big[:1], worker="w", lease_s=60).started) == 1
    pauses.pause(conn, Gate(Kind.TENANT, "large"), reason="", by="ann")
    the_gauges(engine, queue).run_once()
    assert metrics.HELD_READY._value.get() == 0


def test_only_doorbells_that_have_left_count_as_let_out(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    before = metrics.LET_OUT._value.get()
    flood(conn, "big", AHEAD + 3)
    publish(publisher)
    assert metrics.LET_OUT._value.get() == before
    work(conn, queue, 2)
    publish(publisher)

    assert metrics.LET_OUT._value.get() == before + 2


def test_a_doorbell_is_held_once(conn: Connection) -> None:
    job_id = a_job(conn)
    held.hold(conn, {job_id: "first"})
    held.hold(conn, {job_id: "second", uuid7(): None})

    assert conn.execute(text("SELECT job_id, headers FROM held")).all() == [(job_id, "first")]


def test_what_is_paused_stays_held_and_everything_else_of_its_tenant_goes_on(
    conn: Connection, engine: Engine, publisher: Publisher, queue: InMemoryQueue
) -> None:
    [held_back] = flood(conn, "acme", 1)
    held.hold(conn, {held_back: None})
    pauses.pause(conn, Gate(Kind.REPORT_TYPE, "calendar"), reason="", by="ann")
    [other] = flood(conn, "acme", 1, report_type="other")
    publish(publisher)
    assert in_queue(queue) == [other]

    pauses.resume(conn, Gate(Kind.REPORT_TYPE, "calendar"))
    publish(publisher)
    assert count(conn, "held") == 1
    a_sweeper(engine, queue).run_once()
    publish(publisher)
    assert held_back in in_queue(queue)


def test_doorbells_that_workers_put_back_do_not_fill_the_window_for_ever(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    """A worker meets a pause behind the doorbells, and holds them: they are in the queue no more."""
    jobs = flood(conn, "big", AHEAD)
    publish(publisher)
    gate = Gate(Kind.TENANT, "big")
    pauses.pause(conn, gate, reason="a test", by="a test")
    for message in queue.receive(10, wait_s=0, visibility_s=30):
        held.hold(conn, {UUID(str(read_doorbell(message.body)[0])): None})
        queue.delete([message.receipt])
    assert (count(conn, "held"), queue.bodies()) == (AHEAD, [])

    pauses.resume(conn, gate)
    with transactional(conn.engine).begin() as settling:
        while pauses.settle_slice(settling):
            pass
    conn.execute(text("DELETE FROM pauses"))
    publish(publisher)

    assert in_queue(queue) == jobs
    assert count(conn, "held") == 0


def test_no_more_leave_than_there_is_room_for_under_their_caps(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    """What is capped does not go round through the queue."""
    caps.set_cap(conn, Gate(Kind.REPORT_TYPE, "calendar"), 3)
    jobs = [*flood(conn, "a", 6), *flood(conn, "b", 6)]
    held.hold(conn, dict.fromkeys(jobs))
    conn.execute(text("DELETE FROM outbox"))
    for _ in range(3):
        publish(publisher)
    assert len(queue.bodies()) == 3

    with transactional(conn.engine).begin() as starting:
        started = admit(starting, [j for j in in_queue(queue) if j], worker="w", lease_s=60).started
    publish(publisher)
    assert (len(started), len(queue.bodies())) == (3, 3)
    fail(conn, [Failure(started[0].lease, "x", "", retryable=False, delay_s=0)])
    publish(publisher)
    assert (len(queue.bodies()), count(conn, "held")) == (4, 8)


def test_what_another_tenant_has_started_leaves_its_room_under_a_common_cap(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    gate = Gate(Kind.REPORT_TYPE, "calendar")
    caps.set_cap(conn, gate, 1)
    [first], [second] = flood(conn, "a", 1), flood(conn, "b", 1)
    held.hold(conn, dict.fromkeys([first, second]))
    conn.execute(text("DELETE FROM outbox"))
    publish(publisher)
    assert in_queue(queue) == [first]
    with transactional(conn.engine).begin() as starting:
        [started] = admit(starting, [first], worker="w", lease_s=60).started
    fail(conn, [Failure(started.lease, "x", "", retryable=False, delay_s=0)])

    publish(publisher)

    assert in_queue(queue) == [first, second]
    assert count(conn, "held") == 0


def test_owners_take_turns_and_keep_their_own_order() -> None:
    assert "".join(in_turns(["a1", "a2", "a3", "a4", "b1", "c1", "c2"], lambda m: m[0])) == "a1b1c1a2c2a3a4"
    assert in_turns([], str) == []
    assert in_turns([3, 1, 2], lambda _: "one") == [3, 1, 2]


def test_the_round_goes_on_behind_whoever_had_the_last_turn() -> None:
    waiting = [Waiting(uuid7(), tenant, "x", 4) for tenant in "aabbccdd"]

    def tenants(most: int, after: str) -> str:
        return "".join(w.tenant for w in chosen_in_turns(waiting, most=most, after=after))

    assert (tenants(3, ""), tenants(3, "c"), tenants(6, "b"), tenants(-1, "")) == ("abc", "dab", "cdabcd", "")
