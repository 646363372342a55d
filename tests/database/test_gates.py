"""Paused jobs do not start, capped ones start as far as allowed, and none ends by a deadline meanwhile."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import transactional
from shared.database.statements import statement_name
from shared.jobs import caps, pauses, sweep
from shared.jobs.admission import Admission, Waiting, admit, places_for
from shared.jobs.caps import Slot
from shared.jobs.finish import Failure, GivenBack, fail, give_back
from shared.jobs.gates import Gate, Kind, tell_sources
from shared.jobs.lease import StartedJob, start
from shared.jobs.states import JobStatus
from shared.jobs.succeed import Success, succeed
from tests.support.eventually import eventually
from tests.support.jobs import a_job, count, expire_lease, pass_time, row
from tests.support.promises import broken

ACME = Gate(Kind.TENANT, "acme")
CALENDAR = Gate(Kind.REPORT_TYPE, "calendar")
WAREHOUSE = Gate(Kind.SOURCE, "warehouse")
GATES = pytest.mark.parametrize("gate", [ACME, CALENDAR, WAREHOUSE], ids=str)


def try_to_start(engine: Engine, ids: Sequence[UUID]) -> tuple[list[StartedJob], frozenset[UUID]]:
    """As a worker's intake does. Returns what runs, and whose doorbells are held."""
    with engine.connect() as conn:
        result = start(conn, ids, worker="w", lease_s=60)
    admitted = Admission([], frozenset())
    if result.gated:
        with transactional(engine).begin() as conn:
            admitted = admit(conn, result.gated, worker="w", lease_s=60)
    return [*result.started, *admitted.started], admitted.held


def waits(conn: Connection) -> bool:
    """True if a session of this database waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(conn.execute(text(waiting)).scalar_one())


def settle(engine: Engine, *, slice_size: int = 5000) -> None:
    """As the sweeper does, until no pause is over."""
    moved: int | None = 0
    while moved is not None:
        with transactional(engine).begin() as conn:
            moved = pauses.settle_slice(conn, slice_size=slice_size)


def ended(conn: Connection, started: Sequence[StartedJob]) -> None:
    """The jobs succeed."""
    succeed(conn, [Success(job.lease, [], 0.1, {"rows": 1}) for job in started])


@GATES
def test_what_is_paused_is_held_and_starts_once_it_is_resumed(conn: Connection, engine: Engine, gate: Gate) -> None:
    tell_sources(conn, {"calendar": "warehouse", "other": "default"})
    assert pauses.pause(conn, gate, reason="the warehouse moves", by="ann") is not None
    job_id = a_job(conn)
    other = a_job(conn, tenant="globex", report_type="other")

    started, held = try_to_start(engine, [job_id, other])
    assert [job.lease.job_id for job in started] == [other]
    assert (set(held), count(conn, "held")) == ({job_id}, 1)
    settle(engine)
    assert try_to_start(engine, [job_id])[0] == []

    assert pauses.resume(conn, gate) is True
    assert try_to_start(engine, [job_id])[0] == []  # not before every job has its time back
    settle(engine)
    assert [job.lease.job_id for job in try_to_start(engine, [job_id])[0]] == [job_id]
    assert pauses.resume(conn, gate) is False


def test_nothing_ends_by_its_deadline_while_it_is_paused_and_it_gets_the_time_back(
    conn: Connection, engine: Engine
) -> None:
    job_id, later = a_job(conn, deadline_s=600), a_job(conn, deadline_s=600)
    pauses.pause(conn, CALENDAR, reason="", by="ann")
    ago = "clock_timestamp() - interval '1 h'"
    conn.execute(text(f"UPDATE pauses SET began_at = {ago}"))
    conn.execute(text(f"UPDATE jobs SET created_at = {ago}, deadline_at = {ago} + interval '10 min'"))
    conn.execute(text("UPDATE jobs SET created_at = clock_timestamp() WHERE id = :id"), {"id": later})

    assert sweep.expire(conn).swept == {}
    assert sweep.expire(conn).pauses is True
    pauses.resume(conn, CALENDAR)
    assert sweep.expire(conn).swept == {}
    settle(engine)

    left = conn.execute(text("SELECT id, deadline_at - clock_timestamp() AS left_s FROM jobs")).all()
    assert {r.id: round(r.left_s / timedelta(minutes=1)) for r in left} == {job_id: 10, later: -50}
    assert sweep.expire(conn).swept == {later: JobStatus.FAILED}
    assert sweep.expire(conn).pauses is False
    assert str(job_id) in str(conn.execute(text("SELECT array_agg(payload) FROM outbox")).scalar_one())


def minutes_pass(conn: Connection, minutes: int) -> None:
    """Everything becomes so much older."""
    ago = f"interval '{minutes} min'"
    conn.execute(text(f"UPDATE pauses SET began_at = began_at - {ago}"))
    conn.execute(text(f"UPDATE jobs SET created_at = created_at - {ago}, deadline_at = deadline_at - {ago}"))


def minutes_left(conn: Connection) -> list[int]:
    """Until the deadline of each job, in their order."""
    rows = conn.execute(text("SELECT deadline_at - clock_timestamp() AS left_s FROM jobs ORDER BY id"))
    return [round(one.left_s / timedelta(minutes=1)) for one in rows]


@pytest.mark.parametrize(("first", "second"), [*permutations([ACME, CALENDAR, WAREHOUSE], 2)], ids=str)
@pytest.mark.parametrize("ends_first", [True, False], ids=["one ends, then the other", "the inner one ends first"])
def test_pauses_that_overlap_give_the_time_of_both_back_once(
    conn: Connection, engine: Engine, first: Gate, second: Gate, ends_first: bool
) -> None:
    tell_sources(conn, {"calendar": "warehouse"})
    a_job(conn, deadline_s=600)
    pauses.pause(conn, first, reason="", by="ann")
    minutes_pass(conn, 20)
    pauses.pause(conn, second, reason="", by="ann")
    minutes_pass(conn, 30)
    for one in (first, second) if ends_first else (second, first):
        pauses.resume(conn, one)
        settle(engine)
        minutes_pass(conn, 7)

    # It stood still for 57 minutes, and 7 have passed since.
    assert minutes_left(conn) == [10 - 7]


def test_both_of_two_pauses_are_over_and_one_of_them_has_dealt_with_some_jobs(conn: Connection, engine: Engine) -> None:
    for _ in range(3):
        a_job(conn, deadline_s=600)
    pauses.pause(conn, CALENDAR, reason="", by="ann")
    minutes_pass(conn, 20)
    pauses.pause(conn, ACME, reason="", by="ann")
    minutes_pass(conn, 30)
    pauses.resume(conn, ACME)
    with transactional(engine).begin() as one:
        assert pauses.settle_slice(one, slice_size=1) == 1
    minutes_pass(conn, 10)
    pauses.resume(conn, CALENDAR)
    settle(engine, slice_size=1)

    assert minutes_left(conn) == [10, 10, 10]


def test_one_relay_at_a_time_gives_time_back(conn: Connection, engine: Engine) -> None:
    """Two that settle pauses of the same job would each leave to the other what both pauses took."""
    a_job(conn)
    for gate in (CALENDAR, ACME):
        pauses.pause(conn, gate, reason="", by="ann")
        pauses.resume(conn, gate)
    with transactional(engine).begin() as one, transactional(engine).begin() as other:
        assert pauses.settle_slice(one) == 1
        assert pauses.settle_slice(other) is None
    settle(engine)
    assert pauses.pauses(conn) == []


def test_a_moment_that_the_client_named_does_not_stand_still(conn: Connection, engine: Engine) -> None:
    not_after = datetime.now(UTC) + timedelta(minutes=5)
    job_id = a_job(conn, not_after=not_after, options={"notAfter": not_after.isoformat()})
    pauses.pause(conn, CALENDAR, reason="", by="ann")
    conn.execute(text("UPDATE jobs SET created_at = clock_timestamp() - interval '1 h'"))
    conn.execute(text("UPDATE pauses SET began_at = clock_timestamp() - interval '1 h'"))
    pauses.resume(conn, CALENDAR)
    settle(engine)

    assert row(conn, job_id).deadline_at == not_after


def test_a_job_whose_worker_is_lost_while_it_is_paused_waits_and_does_not_fail(conn: Connection) -> None:
    job_id = a_job(conn)
    start(conn, [job_id], worker="w", lease_s=60)
    pauses.pause(conn, CALENDAR, reason="", by="ann")
    expire_lease(conn, job_id)
    pass_time(conn, job_id, "deadline_at")

    assert sweep.expire(conn).swept == {job_id: JobStatus.PENDING}


def test_a_try_that_fails_while_it_is_paused_waits_for_the_next_whatever_its_deadline(conn: Connection) -> None:
    job_id = a_job(conn)
    [job] = start(conn, [job_id], worker="w", lease_s=60).started
    pauses.pause(conn, CALENDAR, reason="", by="ann")
    pass_time(conn, job_id, "deadline_at")

    assert fail(conn, [Failure(job.lease, "x", "", retryable=True, delay_s=0)]) == {job.lease.token: JobStatus.PENDING}


def test_a_pause_with_an_end_ends_by_itself(conn: Connection, engine: Engine) -> None:
    job_id = a_job(conn)
    pauses.pause(conn, CALENDAR, reason="", by="ann", until=datetime.now(UTC) + timedelta(hours=1))
    assert try_to_start(engine, [job_id])[0] == []
    conn.execute(text("UPDATE pauses SET until = clock_timestamp()"))
    settle(engine)

    assert len(try_to_start(engine, [job_id])[0]) == 1


def test_a_pause_can_be_changed_until_it_is_over(conn: Connection, engine: Engine) -> None:
    began = pauses.pause(conn, CALENDAR, reason="first", by="ann")
    assert pauses.pause(conn, CALENDAR, reason="second", by="bob") == began
    [told] = pauses.pauses(conn)
    assert (told.gate, told.reason, told.by, told.ended_at) == (CALENDAR, "second", "ann", None)
    pauses.resume(conn, CALENDAR)
    assert pauses.pause(conn, CALENDAR, reason="third", by="bob") is None
    settle(engine)
    assert pauses.pause(conn, CALENDAR, reason="third", by="bob") is not None


def test_time_is_given_back_slice_by_slice_and_once_whoever_dies_in_between(conn: Connection, engine: Engine) -> None:
    ids = [a_job(conn, deadline_s=600) for _ in range(7)]
    pauses.pause(conn, ACME, reason="", by="ann")
    conn.execute(text("UPDATE jobs SET created_at = clock_timestamp() - interval '1 h'"))
    conn.execute(text("UPDATE pauses SET began_at = clock_timestamp() - interval '1 h'"))
    pauses.resume(conn, ACME)
    with transactional(engine).connect() as dies:
        assert pauses.settle_slice(dies, slice_size=3) == 3
        dies.rollback()
    with transactional(engine).begin() as one:
        assert pauses.settle_slice(one, slice_size=3) == 3
    assert try_to_start(engine, ids)[0] == []
    settle(engine, slice_size=3)

    left = conn.execute(text("SELECT deadline_at - clock_timestamp() FROM jobs")).scalars()
    assert {round(each / timedelta(minutes=1)) for each in left} == {70}


@GATES
def test_no_more_run_than_may_and_the_others_are_held(conn: Connection, engine: Engine, gate: Gate) -> None:
    tell_sources(conn, {"calendar": "warehouse"})
    caps.set_cap(conn, gate, 2)
    ids = [a_job(conn, formats=[]) for _ in range(5)]
    other = a_job(conn, tenant="globex", report_type="other")

    started, held = try_to_start(engine, [*ids, other])
    assert (len(started), len(held), count(conn, "held")) == (3, 3, 3)
    assert [(c.gate, c.running, c.taken) for c in caps.caps(conn)] == [(gate, 2, 2)]
    assert try_to_start(engine, sorted(held)) == ([], held)

    ended(conn, [job for job in started if job.tenant == "acme"][:1])
    assert caps.room(conn) == {gate: 1}
    again, _ = try_to_start(engine, sorted(held))
    assert len(again) == 1
    assert broken(conn, at_rest=False) == {}


def test_a_slot_is_free_again_however_its_job_left(conn: Connection, engine: Engine) -> None:
    caps.set_cap(conn, ACME, 1)
    ids = [a_job(conn, formats=[]) for _ in range(6)]
    for leave in ("succeed", "fail", "give back", "lost"):
        [job], _ = try_to_start(engine, ids)
        assert caps.room(conn) == {ACME: 0}
        if leave == "succeed":
            ended(conn, [job])
        elif leave == "fail":
            fail(conn, [Failure(job.lease, "x", "", retryable=False, delay_s=0)])
        elif leave == "give back":
            give_back(conn, [GivenBack(job.lease)])
        else:
            expire_lease(conn, job.lease.job_id)
            sweep.expire(conn)
        assert caps.room(conn) == {ACME: 1}, leave


def test_a_job_needs_a_slot_under_each_of_its_caps(conn: Connection, engine: Engine) -> None:
    caps.set_cap(conn, ACME, 3)
    caps.set_cap(conn, CALENDAR, 1)
    ids = [a_job(conn), a_job(conn), a_job(conn, report_type="other"), a_job(conn, tenant="globex")]

    started, held = try_to_start(engine, ids)
    assert sorted(job.report_type for job in started) == ["calendar", "other"]
    assert len(held) == 2


def test_the_most_urgent_gets_the_slot() -> None:
    slot = Slot(ACME, 1)
    waiting = [Waiting(uuid4(), "acme", "x", None, paused, in_time)
               for paused, in_time in ((True, True), (False, False), (False, True), (False, True))]  # fmt: skip

    assert places_for(waiting, {ACME: [slot]}) == {waiting[2].job_id: [slot]}


def test_a_cap_can_be_lowered_raised_and_removed(conn: Connection, engine: Engine) -> None:
    caps.set_cap(conn, ACME, 3)
    ids = [a_job(conn, formats=[]) for _ in range(8)]
    running, _ = try_to_start(engine, ids)
    caps.set_cap(conn, ACME, 1)
    assert (caps.caps(conn)[0].taken, caps.room(conn)) == (3, {ACME: 0})
    ended(conn, running[:2])
    assert try_to_start(engine, ids)[0] == []
    ended(conn, running[2:])
    assert len(try_to_start(engine, ids)[0]) == 1
    caps.set_cap(conn, ACME, 4)
    assert len(try_to_start(engine, ids)[0]) == 3
    assert (caps.remove_cap(conn, ACME), caps.remove_cap(conn, ACME)) == (True, False)
    assert len(try_to_start(engine, ids)[0]) == 1
    assert count(conn, "slots") == 0


def test_what_runs_when_a_cap_is_set_counts(conn: Connection, engine: Engine) -> None:
    ids = [a_job(conn, formats=[]) for _ in range(6)]
    running, _ = try_to_start(engine, ids[:3])
    caps.set_cap(conn, ACME, 2)
    for _ in range(2):
        with transactional(engine).begin() as own:
            caps.count_running(own, ACME)
    assert (caps.caps(conn)[0].taken, caps.room(conn)) == (3, {ACME: 0})
    ended(conn, running[:1])
    assert try_to_start(engine, ids)[0] == []
    ended(conn, running[1:2])
    assert len(try_to_start(engine, ids)[0]) == 1


def test_two_operators_at_the_same_moment_count_what_runs_once(conn: Connection, engine: Engine) -> None:
    running, _ = try_to_start(engine, [a_job(conn) for _ in range(3)])
    caps.set_cap(conn, ACME, 2)
    failed: list[Exception] = []

    def counted(own: Connection) -> None:
        try:
            caps.count_running(own, ACME)
        except Exception as error:  # noqa: BLE001 - the test tells which
            failed.append(error)

    second = threading.Thread(target=lambda: counted(other))
    with transactional(engine).connect() as one, transactional(engine).connect() as other:
        counted(one)
        second.start()
        eventually(lambda: waits(conn))
        one.commit()
        second.join(60)
        other.commit()

    assert (failed, caps.caps(conn)[0].taken, count(conn, "slots")) == ([], len(running), 2 + 3)


def test_a_cap_that_was_removed_before_what_runs_was_counted_stays_removed(conn: Connection, engine: Engine) -> None:
    try_to_start(engine, [a_job(conn)])
    with transactional(engine).begin() as own:
        caps.count_running(own, ACME)
    assert (caps.caps(conn), count(conn, "slots")) == ([], 0)


def test_workers_that_start_at_the_same_moment_keep_the_cap(conn: Connection, engine: Engine) -> None:
    caps.set_cap(conn, ACME, 3)
    ids = [a_job(conn) for _ in range(40)]
    meet = threading.Barrier(4)
    started: list[StartedJob] = []

    def worker(own: Sequence[UUID]) -> None:
        meet.wait(30)
        for job_id in own:
            started.extend(try_to_start(engine, [job_id])[0])

    threads = [threading.Thread(target=worker, args=(ids[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(started) == 3
    assert conn.execute(text("SELECT count(*) FROM jobs WHERE status = 'PROCESSING'")).scalar_one() == 3


def test_a_slot_that_was_taken_between_the_look_and_the_lock_is_not_taken_again(
    conn: Connection, engine: Engine
) -> None:
    """The statement that locks slots sees jobs as they were when it began."""
    running = start(conn, [a_job(conn, tenant="globex")], worker="w", lease_s=60).started[0].lease
    caps.set_cap(conn, ACME, 1)

    def just_taken(taking: Connection, _cursor: object, sql: str, *_: object) -> None:
        if statement_name(sql) == "slots.lock_free":
            caps.fill(taking, [(Slot(ACME, 1), running)])

    event.listen(engine, "after_cursor_execute", just_taken)
    try:
        started, held = try_to_start(engine, [job_id := a_job(conn)])
    finally:
        event.remove(engine, "after_cursor_execute", just_taken)

    assert (started, set(held)) == ([], {job_id})


def test_where_nothing_is_paused_or_capped_a_start_is_one_statement(conn: Connection, engine: Engine) -> None:
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, sql, *_: asked.append(statement_name(sql)))
    job_id = a_job(conn)
    asked.clear()

    assert len(try_to_start(engine, [job_id])[0]) == 1
    assert asked == ["jobs.start"]


def test_what_is_known_of_sources_is_not_written_again(conn: Connection) -> None:
    tell_sources(conn, {"a": "x", "b": "y"})
    before = conn.execute(text("SELECT report_type, xmin::text FROM report_sources")).all()
    tell_sources(conn, {"a": "x", "b": "z"})
    after = conn.execute(text("SELECT report_type, xmin::text FROM report_sources")).all()

    assert set(before) & set(after) == {r for r in before if r.report_type == "a"}
