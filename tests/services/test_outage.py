"""After an outage longer than a lease, live workers renew first: their jobs are not taken for abandoned."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from services.worker.cooldown import Cooldown
from services.worker.in_flight import InFlight
from services.worker.intake import Intake
from services.worker.worker import Worker
from shared.database.contact import Contact
from shared.database.engine import create_engine, transactional
from shared.jobs import lease
from shared.jobs.lease import Beat
from shared.queues.interface import Outgoing
from tests.support.eventually import eventually
from tests.support.jobs import a_job, expire_lease, pass_time, row, started, verbs
from tests.support.relay import a_sweeper
from tests.support.sqs.double import InMemoryQueue
from tests.support.worker import worker_parts


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def end_sessions(conn: Connection) -> None:
    conn.execute(text("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'cut'"))


def test_contact_begins_anew_after_a_failure_and_after_silence(database_url: str, conn: Connection) -> None:
    clock = Clock()
    engine = create_engine(database_url, application_name="cut", pool_size=1)
    contact = Contact(engine, gap_s=10, clock=clock)

    def ask() -> None:
        with engine.connect() as own:
            own.execute(text("SELECT 1"))

    assert contact.unbroken_s == 0
    ask()
    clock.now += 9
    ask()
    assert contact.unbroken_s == 9
    end_sessions(conn)
    with pytest.raises(DBAPIError):
        ask()
    assert contact.unbroken_s == 0
    ask()
    clock.now += 7
    assert contact.unbroken_s == 7
    with engine.connect() as own, pytest.raises(DBAPIError):
        own.execute(text("SELECT 1 / 0"))
    assert contact.unbroken_s == 7, "it has answered"
    clock.now += 11
    assert contact.unbroken_s == 0
    ask()
    assert contact.unbroken_s == 0
    engine.dispose()


def test_the_sweeper_spares_leases_after_its_start_and_after_an_outage(
    database_url: str, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    engine = create_engine(database_url, application_name="cut", pool_size=2)
    sweeper = a_sweeper(engine, InMemoryQueue(), RELAY_SPARE_S=10)
    sweeper._contact._clock = clock
    held = started(conn, a_job(conn)).lease
    late = a_job(conn)
    pass_time(conn, late, "deadline_at")

    def seconds_pass(many: int) -> None:
        for _ in range(many):
            clock.now += 1
            sweeper.run_once()

    expire_lease(conn, held.job_id)
    sweeper.run_once()
    seconds_pass(9)
    assert row(conn, held.job_id).status == "PROCESSING"
    assert row(conn, late).status == "FAILED", "nobody holds it"
    lease.renew(conn, [Beat(held)], lease_s=60)
    seconds_pass(30)
    assert row(conn, held.job_id).status == "PROCESSING"

    end_sessions(conn)
    expire_lease(conn, held.job_id)
    with pytest.raises(DBAPIError):
        sweeper.run_once()
    seconds_pass(9)
    assert row(conn, held.job_id).status == "PROCESSING"
    seconds_pass(2)
    assert row(conn, held.job_id).status == "PENDING"
    engine.dispose()


def test_the_sweeper_spares_leases_when_the_databases_clock_has_jumped(database_url: str, conn: Connection) -> None:
    """As after a stall of its host in the middle of a sweep, or a correction of its clock: all leases run out."""
    engine = create_engine(database_url, application_name="cut", pool_size=2)
    sweeper = a_sweeper(engine, InMemoryQueue(), RELAY_SPARE_S=10)
    clock = Clock()
    sweeper._contact._clock = clock
    held = started(conn, a_job(conn)).lease

    def seconds_pass(many: int) -> None:
        for _ in range(many):
            clock.now += 1
            sweeper.run_once()

    seconds_pass(30)
    expire_lease(conn, held.job_id)
    assert sweeper._clock_was is not None
    then, ours = sweeper._clock_was
    sweeper._clock_was = then - timedelta(seconds=100), ours  # until the next look that clock goes 100 s more than ours
    seconds_pass(10)
    assert row(conn, held.job_id).status == "PROCESSING", "its holder has time to renew it"
    seconds_pass(2)
    assert row(conn, held.job_id).status == "PENDING", "and has not"
    engine.dispose()


def test_the_holder_of_a_row_that_was_locked_renews_before_the_sweeper_takes_it(
    engine: Engine, conn: Connection
) -> None:
    sweepers = [a_sweeper(engine, InMemoryQueue(), RELAY_SPARE_S=spare_s) for spare_s in (0.001, 600)]
    for sweeper in sweepers:
        sweeper.run_once()
        sweeper._contact._since = -1000.0  # it has been there for long
    held = started(conn, a_job(conn)).lease
    with transactional(engine).connect() as forgotten:
        forgotten.execute(text("SELECT FROM jobs FOR UPDATE"))
        forgotten.execute(text("UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s'"))
        forgotten.commit()
        forgotten.execute(text("SELECT FROM jobs FOR UPDATE"))
        for sweeper in sweepers:
            sweeper.run_once()
        forgotten.rollback()

    sweepers[1].run_once()
    assert row(conn, held.job_id).status == "PROCESSING", "it is left to its holder"
    sweepers[0].run_once()
    assert row(conn, held.job_id).status == "PENDING", "its time is over"


def test_start_spares_leases_and_looks_again_shortly(conn: Connection) -> None:
    expired, live, spent, waiting = (a_job(conn, max_crashes=int(n != 2)) for n in range(4))
    for job_id in (expired, live, spent):
        started(conn, job_id)
    expire_lease(conn, expired)
    expire_lease(conn, spent)

    result = lease.start(conn, [expired, live, spent, waiting], worker="w2", lease_s=60, take_over=False)

    assert [job.lease.job_id for job in result.started] == [waiting]
    assert result.contended == {expired}
    assert result.busy == {live, spent}
    assert len(lease.start(conn, [expired], worker="w2", lease_s=60).started) == 1


def test_a_worker_spares_leases_after_its_start(engine: Engine, tmp_path: Path) -> None:
    worker = Worker(worker_parts(engine, InMemoryQueue(), tmp_path, WORKER_LEASE_S=30, WORKER_HEARTBEAT_S=0.05))
    assert not worker._intake._may_take_over()

    with engine.connect() as conn:
        conn.execute(text("SELECT 1"))
    eventually(worker._intake._may_take_over, what="the database has answered for two heartbeats")
    worker._scratch.close()


def test_an_intake_that_may_not_take_over_leaves_expired_leases(
    engine: Engine, conn: Connection, tmp_path: Path
) -> None:
    queue, held, may = InMemoryQueue(), list[Any](), [False]
    parts = worker_parts(engine, queue, tmp_path, WORKER_POLL_S=0)
    in_flight = InFlight(4)
    intake = Intake(parts, in_flight, held.extend, Cooldown(), stop=threading.Event(), may_take_over=lambda: may[0])
    job_id = a_job(conn)
    started(conn, job_id)
    expire_lease(conn, job_id)
    for may[0] in (False, True):
        queue.send([Outgoing(0, f'{{"jobId": "{job_id}"}}')], deadline_s=5)
        in_flight.reserve(1, timeout_s=1)
        intake.put(queue.receive(1, wait_s=0, visibility_s=60))
        intake.run_once()
        assert len(held) == may[0]


def test_a_worker_does_not_start_a_job_that_it_holds(engine: Engine, conn: Connection, tmp_path: Path) -> None:
    """Its message shows again after an outage, and the lease has run out."""
    queue, held = InMemoryQueue(), list[Any]()
    parts = worker_parts(engine, queue, tmp_path, WORKER_POLL_S=0)
    in_flight = InFlight(4)
    intake = Intake(parts, in_flight, held.extend, Cooldown(), stop=threading.Event())
    job_id = a_job(conn)

    def ring() -> None:
        queue.send([Outgoing(0, f'{{"jobId": "{job_id}"}}')], deadline_s=5)
        in_flight.reserve(1, timeout_s=1)
        intake.put(queue.receive(1, wait_s=0, visibility_s=60))
        intake.run_once()

    ring()
    expire_lease(conn, job_id)
    ring()
    assert verbs(conn, job_id) == ["submit", "start"]
    assert queue.depth().in_flight == 2, "the second message is hidden, not thrown away"

    in_flight.remove([held[0].lease])
    ring()
    assert verbs(conn, job_id) == ["submit", "start", "start"]
