"""The relay with a real outbox and a queue with faults."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from services.api.actions.submitter import Submitter
from services.relay import metrics
from services.relay.breaker import Breaker
from services.relay.publisher import Publisher
from shared.database.async_engine import create_async_engine
from shared.database.engine import create_engine
from shared.database.statements import statement_name
from shared.ids import uuid7
from shared.jobs.submission import Accepted
from shared.jobs.walk import START
from shared.outbox import messages
from shared.outbox.messages import Unsent
from shared.queues.interface import QueueUnavailable, SendFailure, SendResult
from tests.support.eventually import eventually
from tests.support.jobs import a_job, a_submission, count, expire_lease, pass_time, row, started
from tests.support.postgres import fill
from tests.support.relay import a_publisher, a_sweeper
from tests.support.sqs.double import InMemoryQueue


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
    return a_publisher(publishing, queue)


def test_what_was_committed_is_published_and_gone(conn: Connection, publisher: Publisher, queue: InMemoryQueue) -> None:
    jobs = {str(a_job(conn)) for _ in range(25)}

    assert publisher.run_once() == 25
    assert all(any(job in body for body in queue.bodies()) for job in jobs)
    assert count(conn, "outbox") == 0
    assert queue.requests["SendMessageBatch"] == 3


def test_an_idle_pass_claims_nothing_and_asks_nothing_of_the_queue(publisher: Publisher, queue: InMemoryQueue) -> None:
    assert publisher.run_once() == 0
    assert not queue.requests


def test_an_idle_relay_looks_without_a_transaction(
    conn: Connection, publisher: Publisher, publishing: Engine, queue: InMemoryQueue
) -> None:
    publisher.run_once()
    asked: list[str] = []
    event.listen(publishing, "before_cursor_execute", lambda c, cur, sql, *_: asked.append(statement_name(sql)))
    alone: list[bool] = []
    event.listen(publishing, "begin", lambda c: alone.append(c.connection.driver_connection.autocommit))

    assert [publisher.run_once() for _ in range(5)] == [0] * 5
    assert asked.count("outbox.waiting") == 5
    assert "outbox.claim" not in asked
    assert set(alone) == {True}

    a_job(conn)
    assert publisher.run_once() == 1


def test_an_idle_relay_sees_what_has_become_due(conn: Connection, publisher: Publisher, queue: InMemoryQueue) -> None:
    for _ in range(2):
        publisher.run_once()
    messages.keep(conn, [Unsent(messages.OutboxRow(1, "jobs", "t", "m", None), "later", 60, parked=False)])
    assert publisher.run_once() == 0

    conn.execute(text("UPDATE outbox_retry SET due_at = clock_timestamp()"))
    eventually(lambda: publisher.run_once() == 1, what="the message leaves")


def test_a_queue_that_is_away_costs_no_writes_and_opens_the_breaker(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue, publishing: Engine
) -> None:
    a_job(conn)
    queue.faults.away = True
    statements: list[str] = []
    event.listen(publishing, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(sql))

    publisher.run_once()
    tried = len(statements)
    publisher.run_once()

    assert len(statements) == tried  # the breaker keeps it from claiming
    assert count(conn, "outbox") == 1
    assert count(conn, "outbox_retry") == 0
    assert metrics.BREAKER_OPEN._value.get() == 1


def test_a_relay_that_may_not_send_is_not_ready(conn: Connection, publisher: Publisher, queue: InMemoryQueue) -> None:
    """The queue answers everything else: only the sends are refused."""
    a_job(conn)
    queue.faults.refuse = lambda m: SendFailure(m.key, "AccessDenied", "sqs:SendMessage", permanent=False)
    publisher.check()
    publisher.run_once()

    with pytest.raises(QueueUnavailable, match="AccessDenied: sqs:SendMessage"):
        publisher.check()
    queue.faults.refuse = lambda _: None
    publisher._breaker._closed_again_at = 0
    publisher.run_once()
    publisher.check()


def test_when_the_queue_comes_back_everything_leaves(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    for _ in range(30):
        a_job(conn)
    queue.faults.away = True
    publisher.run_once()
    queue.faults.away = False
    publisher._breaker._closed_again_at = 0  # the wait is over
    sent = [publisher.run_once(), publisher.run_once(), publisher.run_once()]

    assert sent == [10, 20, 0]  # a small probe first


def test_one_refused_entry_waits_and_the_others_leave(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    unlucky = str(a_job(conn))
    lucky = str(a_job(conn))
    queue.faults.refuse = lambda m: SendFailure(m.key, "Throttled", "", permanent=False) if unlucky in m.body else None

    assert publisher.run_once() == 1
    assert lucky in queue.bodies()[0]
    kept = conn.execute(text("SELECT payload, attempts, last_error, parked_at FROM outbox_retry")).one()
    assert unlucky in kept.payload
    assert (kept.attempts, kept.last_error, kept.parked_at) == (1, "Throttled: ", None)

    queue.faults.refuse = lambda _: None
    conn.execute(text("UPDATE outbox_retry SET due_at = clock_timestamp()"))
    publisher._due_at = 0
    assert publisher.run_once() == 1


def test_what_can_never_be_sent_is_parked_and_not_tried_again(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    a_job(conn)
    queue.faults.refuse = lambda m: SendFailure(m.key, "InvalidMessageContents", "", permanent=True)
    publisher.run_once()
    queue.faults.refuse = lambda _: None
    conn.execute(text("UPDATE outbox_retry SET due_at = clock_timestamp()"))
    publisher._due_at = 0

    assert publisher.run_once() == 0
    assert conn.execute(text("SELECT parked_at IS NOT NULL FROM outbox_retry")).scalar_one()


def a_stray(conn: Connection) -> None:
    """A message of a topic that this relay does not know."""
    conn.execute(text("INSERT INTO outbox (topic, group_key, payload) VALUES ('telegrams', 't', '{}')"))


def parked(conn: Connection) -> list[str]:
    """The topics of what was put aside for good."""
    return list(conn.execute(text("SELECT topic FROM outbox_retry WHERE parked_at IS NOT NULL ORDER BY id")).scalars())


def test_a_topic_that_nobody_knows_is_parked_and_never_sent(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue, caplog: pytest.LogCaptureFixture
) -> None:
    a_stray(conn)
    job_id = str(a_job(conn))
    a_stray(conn)
    counted = metrics.PARKED.labels("unknown_topic")._value.get()

    assert publisher.run_once() == 3
    assert [job_id in body for body in queue.bodies()] == [True]
    assert (count(conn, "outbox"), parked(conn)) == (0, ["telegrams", "telegrams"])
    assert metrics.PARKED.labels("unknown_topic")._value.get() == counted + 2
    assert [r.__dict__["reason"] for r in caplog.records if r.message == "outbox.parked"] == [
        "this relay does not know the topic 'telegrams'"
    ] * 2
    assert publisher.run_once() == 0


def test_unknown_topics_alone_do_not_ask_the_queue_and_do_not_open_the_breaker(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    queue.faults.away = True
    a_stray(conn)

    assert publisher.run_once() == 1
    assert (count(conn, "outbox"), parked(conn)) == (0, ["telegrams"])
    assert not queue.requests
    assert not publisher._breaker.probing


def test_while_the_queue_is_away_a_mixed_batch_costs_no_writes_and_its_strays_are_parked_afterwards(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    a_stray(conn)
    a_job(conn)
    queue.faults.away = True

    assert publisher.run_once() == 0
    assert (count(conn, "outbox"), count(conn, "outbox_retry")) == (2, 0)
    assert publisher._breaker.open

    queue.faults.away = False
    publisher._breaker._closed_again_at = 0
    assert publisher.run_once() == 2
    assert (count(conn, "outbox"), parked(conn), len(queue.bodies())) == (0, ["telegrams"], 1)


def test_strays_before_everything_else_do_not_keep_a_probe_from_the_queue(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    """A probe is small: strays that fill it are parked while the queue is away, and the next one has others."""
    queue.faults.away = True
    a_job(conn)
    publisher.run_once()
    conn.execute(text("DELETE FROM outbox"))
    for _ in range(15):
        a_stray(conn)
    a_job(conn)
    publisher._breaker._closed_again_at = 0

    assert publisher.run_once() == 10
    assert publisher.run_once() == 0  # five strays, and a doorbell that the queue refuses
    assert len(parked(conn)) == 10
    queue.faults.away = False
    publisher._breaker._closed_again_at = 0
    assert publisher.run_once() == 6
    assert len(parked(conn)) == 15


def test_a_relay_that_dies_before_it_commits_parks_a_stray_once(
    conn: Connection, publisher: Publisher, publishing: Engine, queue: InMemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_stray(conn)
    job_id = str(a_job(conn))

    def die(_: Connection) -> None:
        raise ConnectionError("died at the commit")

    with monkeypatch.context() as dying:
        dying.setattr(messages, "commit_may_be_lost", die)
        with pytest.raises(ConnectionError):
            publisher.run_once()
    assert (count(conn, "outbox"), parked(conn)) == (2, [])

    assert publisher.run_once() == 2
    assert parked(conn) == ["telegrams"]
    assert [job_id in body for body in queue.bodies()] == [True, True]  # the copy is the worker's to absorb


class _Rows:
    """A sink that writes rows of its own, as deliveries to a table would be."""

    def send(self, conn: Connection, rows: Sequence[messages.OutboxRow]) -> SendResult:
        for one in rows:
            conn.execute(text("INSERT INTO stragglers SELECT CAST(:id AS uuid), 'acme'"), {"id": one.payload})
        return SendResult(frozenset(range(len(rows))), ())


def test_a_second_sink_needs_nothing_of_the_publisher_and_shares_its_transaction(
    conn: Connection, publishing: Engine, queue: InMemoryQueue
) -> None:
    publisher = a_publisher(publishing, queue, telegrams=_Rows())
    own = text("INSERT INTO outbox (topic, group_key, payload) VALUES ('telegrams', 't', :id)")
    conn.execute(own, {"id": str(uuid7())})
    a_job(conn)

    assert publisher.run_once() == 2
    assert (count(conn, "outbox"), count(conn, "outbox_retry"), count(conn, "stragglers")) == (0, 0, 1)
    assert len(queue.bodies()) == 1


def test_an_applied_send_whose_reply_was_lost_is_sent_again(
    conn: Connection, publisher: Publisher, queue: InMemoryQueue
) -> None:
    a_job(conn)
    queue.faults.lose_reply = True
    publisher.run_once()
    queue.faults.lose_reply = False
    publisher._breaker._closed_again_at = 0
    publisher.run_once()

    assert len(queue.bodies()) == 2  # the copy is the worker's to absorb
    assert count(conn, "outbox") == 0


def test_the_claims_commit_may_be_lost_and_nothing_else(
    conn: Connection, publisher: Publisher, publishing: Engine
) -> None:
    a_job(conn)
    statements: list[str] = []
    event.listen(publishing, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(sql))
    publisher.run_once()

    assert any("SET LOCAL synchronous_commit = off" in sql for sql in statements)
    with publishing.connect() as after:
        assert after.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_the_sweeper_frees_a_job_whose_worker_fell_silent(
    engine: Engine, conn: Connection, queue: InMemoryQueue
) -> None:
    job_id = a_job(conn)
    started(conn, job_id)
    expire_lease(conn, job_id)
    before = metrics.SWEPT.labels("requeued")._value.get()

    a_sweeper(engine, queue).run_once()

    assert row(conn, job_id).status == "PENDING"
    assert metrics.SWEPT.labels("requeued")._value.get() == before + 1


def test_the_list_of_long_lived_jobs_is_left_alone_while_it_needs_nothing(
    engine: Engine, conn: Connection, queue: InMemoryQueue
) -> None:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(statement_name(sql)))
    sweeper = a_sweeper(engine, queue, RELAY_LIST_AFTER_S=0, tidy_rest_s=1000)
    a_job(conn)
    statements.clear()

    for _ in range(3):
        sweeper.run_once()

    assert statements.count("jobs.expire") == 3
    # The floor rises over the job; then nothing is left to pass.
    assert statements.count("unfinished.look") == 2
    assert statements.count("unfinished.prune") == 2


def test_doorbells_ring_again_after_a_purge(
    engine: Engine, conn: Connection, queue: InMemoryQueue, publisher: Publisher
) -> None:
    jobs = [a_job(conn) for _ in range(20)]
    publisher.run_once()
    queue.purge()
    for job_id in jobs:
        pass_time(conn, job_id, "next_ring_at")

    a_sweeper(engine, queue).run_once()
    publisher.run_once()

    assert len(queue.bodies()) == 20


def test_the_first_ring_follows_the_setting(
    engine: Engine, conn: Connection, database_url: str, queue: InMemoryQueue
) -> None:
    """A submission's own message may take as long as JOB_RING_AFTER_S says, and not 30 seconds."""

    async def submit() -> UUID:
        submitter = Submitter(create_async_engine(database_url, application_name="api"), ring_after_s=300)
        answer = await submitter.submit(a_submission())
        await submitter.close()
        assert isinstance(answer, Accepted)
        return answer.job_id

    job_id = asyncio.run(submit())
    conn.execute(text("DELETE FROM outbox"))  # its message is lost
    first = row(conn, job_id)
    assert (first.next_ring_at - first.run_at).total_seconds() == 300

    grow_older(conn, job_id, seconds=40)
    a_sweeper(engine, queue, JOB_RING_AFTER_S=300).run_once()
    assert row(conn, job_id).rings == 0

    grow_older(conn, job_id, seconds=261)
    a_sweeper(engine, queue, JOB_RING_AFTER_S=300).run_once()
    assert row(conn, job_id).rings == 1


def grow_older(conn: Connection, job_id: UUID, *, seconds: int) -> None:
    """So many seconds pass for this job."""
    passed = "make_interval(secs => :seconds)"
    conn.execute(
        text(f"UPDATE jobs SET run_at = run_at - {passed}, next_ring_at = next_ring_at - {passed} WHERE id = :id"),
        {"seconds": seconds, "id": job_id},
    )


def test_a_deep_backlog_is_never_rung_again(
    engine: Engine, conn: Connection, queue: InMemoryQueue, publisher: Publisher
) -> None:
    job_id = a_job(conn)
    publisher.run_once()  # the message waits in the queue: late, not lost
    pass_time(conn, job_id, "next_ring_at")

    a_sweeper(engine, queue).run_once()

    assert count(conn, "outbox") == 0
    assert row(conn, job_id).rings == 0


def test_a_lost_doorbell_rings_again_although_the_queue_is_never_empty(
    engine: Engine, conn: Connection, queue: InMemoryQueue, publisher: Publisher
) -> None:
    """Under steady load there is always a message: what tells is that younger doorbells have led to a start."""
    lost = a_job(conn)
    conn.execute(text("DELETE FROM outbox"))
    pass_time(conn, lost, "next_ring_at")
    started(conn, a_job(conn))
    waiting = a_job(conn)
    publisher.run_once()
    a_job(conn)

    a_sweeper(engine, queue).run_once()

    assert (row(conn, lost).rings, row(conn, waiting).rings) == (1, 0)


def test_a_purge_of_ten_thousand_doorbells_is_mended_in_one_pass(
    engine: Engine, conn: Connection, queue: InMemoryQueue, publisher: Publisher
) -> None:
    fill.jobs(conn, 10_000, status="PENDING", age_s=60)

    a_sweeper(engine, queue).run_once()
    while publisher.run_once():
        pass

    assert len(set(queue.bodies())) == 10_000


def test_a_pass_looks_beyond_the_first_slice(engine: Engine, conn: Connection, queue: InMemoryQueue) -> None:
    """One job whose worker died stands behind a backlog deeper than a slice, and does not wait for many passes."""
    fill.jobs(conn, 20_500, status="PENDING", age_s=60)
    silent = a_job(conn)
    started(conn, silent)
    expire_lease(conn, silent)
    sweeper = a_sweeper(engine, queue)

    for _ in range(3):  # a pass is bounded in time, and this machine may be slow
        sweeper.run_once()

    assert row(conn, silent).status == "PENDING"


def test_nothing_is_rung_while_the_queue_does_not_answer(
    engine: Engine, conn: Connection, queue: InMemoryQueue
) -> None:
    job_id = a_job(conn)
    conn.execute(text("DELETE FROM outbox"))
    pass_time(conn, job_id, "next_ring_at")
    queue.faults.away = True

    a_sweeper(engine, queue).run_once()

    assert count(conn, "outbox") == 0


def test_the_breaker_opens_longer_each_time_and_closes_on_success() -> None:
    now = 0.0
    breaker = Breaker(base_s=1, cap_s=8, clock=lambda: now)
    waits = [breaker.refused() for _ in range(6)]

    assert all(step / 2 <= wait <= step for wait, step in zip(waits, [1, 2, 4, 8, 8, 8], strict=True))
    assert breaker.open
    now = 100.0
    assert not breaker.open
    assert breaker.probing
    assert breaker.accepted()
    assert not breaker.probing


def test_walks_begin_where_the_oldest_unfinished_job_is(engine: Engine, conn: Connection, queue: InMemoryQueue) -> None:
    """Under a long-held snapshot what lies before it is an index entry for every job that ever ended."""
    began: list[UUID] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, sql, values, *_: began.append(_after(sql, values)))
    sweeper = a_sweeper(engine, queue)
    sweeper.run_once()
    floor = sweeper.unfinished_floor
    sweeper.run_once()

    assert time.time() - 660 < (floor.int >> 80) / 1000 < time.time() - 590  # ten minutes for clocks and commits
    assert [at for at in began if at is not None][:1] == [START]
    assert [at for at in began if at is not None][-1:] == [floor]


def test_a_job_below_the_floor_is_found_by_an_audit(
    engine: Engine, conn: Connection, queue: InMemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.jobs.unfinished._MARGIN_S", -3600)  # a clock that is an hour behind
    sweeper = a_sweeper(engine, queue)
    sweeper.run_once()
    job_id = a_job(conn)
    started(conn, job_id)
    expire_lease(conn, job_id)
    sweeper.run_once()
    assert row(conn, job_id).status == "PROCESSING"

    sweeper._floor._audit_at = 0
    sweeper.run_once()
    assert row(conn, job_id).status == "PENDING"


def _after(sql: str, values: Any) -> Any:
    return values["after"] if statement_name(sql) == "jobs.expire" else None
