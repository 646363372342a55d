"""Promises 3 and 5: only the holder of the current lease token ends an attempt, and budgets are kept."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import transactional
from shared.jobs import cancel, lease, listing, read, sweep
from shared.jobs.artifacts import Artifact, artifacts_of
from shared.jobs.cancel import CancelOutcome
from shared.jobs.events import events_of
from shared.jobs.finish import Failure, GivenBack, cancel_held, fail, give_back
from shared.jobs.lease import Beat, Lease
from shared.jobs.states import JobStatus
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from shared.jobs.walk import START
from shared.json_text import MOST_LEVELS
from tests.support.jobs import a_job, count, expire_lease, pass_time, row, started, verbs
from tests.support.promises import broken

FILE = Artifact("calendar.csv", "csv", "text/csv", 10, "0" * 64, 3)


def a_success(held: Lease) -> Success:
    return Success(held, [FILE], seconds=1.5)


def a_failure(held: Lease, *, retryable: bool = True, delay_s: float = 0) -> Failure:
    return Failure(held, "boom", "it broke", retryable=retryable, delay_s=delay_s)


def test_a_worker_that_outslept_its_lease_cannot_overwrite_its_successor(conn: Connection) -> None:
    job_id = a_job(conn)
    sleeper = started(conn, job_id).lease
    expire_lease(conn, job_id)
    successor = started(conn, job_id, worker="w2").lease

    assert succeed(conn, [a_success(sleeper)]) == {}
    assert fail(conn, [a_failure(sleeper)]) == {}
    assert give_back(conn, [GivenBack(sleeper)]) == {}
    assert succeed(conn, [a_success(successor)]) == {successor.token: JobStatus.SUCCESS}
    job = read.get(conn, job_id, Viewer("acme"))
    assert job is not None
    assert [a.name for a in artifacts_of(conn, [job], tenant="acme")[job_id]] == ["calendar.csv"]
    assert row(conn, job_id).crashes == 1
    assert broken(conn, at_rest=False) == {}


def test_a_second_success_changes_nothing(conn: Connection) -> None:
    held = started(conn, a_job(conn)).lease
    succeed(conn, [a_success(held)])

    assert succeed(conn, [a_success(held)]) == {}
    assert count(conn, "artifacts") == 1


def test_a_live_lease_cannot_be_taken(conn: Connection) -> None:
    job_id = a_job(conn)
    started(conn, job_id)

    result = lease.start(conn, [job_id], worker="w2", lease_s=60)

    assert result.busy == {job_id}
    assert not result.started


def test_start_tells_every_fate_apart(engine: Engine, conn: Connection) -> None:
    due, final, busy, waiting, locked = (a_job(conn) for _ in range(5))
    succeed(conn, [a_success(started(conn, final).lease)])
    started(conn, busy)
    fail(conn, [a_failure(started(conn, waiting).lease, delay_s=600)])
    unknown = uuid4()
    with transactional(engine).connect() as other:
        other.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": locked})
        result = lease.start(conn, [due, final, busy, waiting, locked, unknown], worker="w", lease_s=60)
        other.rollback()

    assert [job.lease.job_id for job in result.started] == [due]
    assert result.final == {final}
    assert result.busy == {busy}
    assert result.not_due == {waiting}
    assert result.contended == {locked}
    assert result.unknown == {unknown}


def test_a_retry_waits_for_its_time_and_its_own_doorbell(conn: Connection) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id).lease

    assert fail(conn, [a_failure(held, delay_s=600)]) == {held.token: JobStatus.PENDING}

    due = conn.execute(text("SELECT due_at FROM outbox_retry")).scalar_one()
    job = row(conn, job_id)
    assert due == job.run_at
    assert job.lease_token is None
    assert job.error["code"] == "boom"


def test_the_attempt_budget_ends_in_failed(conn: Connection) -> None:
    job_id = a_job(conn, max_attempts=2)
    first = fail(conn, [a_failure(started(conn, job_id).lease)])
    second = fail(conn, [a_failure(started(conn, job_id).lease)])

    assert [*first.values(), *second.values()] == [JobStatus.PENDING, JobStatus.FAILED]
    assert verbs(conn, job_id) == ["submit", "start", "retry", "start", "fail"]


def test_a_permanent_failure_spends_no_further_attempt(conn: Connection) -> None:
    held = started(conn, a_job(conn)).lease

    assert fail(conn, [a_failure(held, retryable=False)]) == {held.token: JobStatus.FAILED}
    assert count(conn, "outbox_retry") == 0


def test_a_graceful_stop_costs_no_attempt_and_rings_again(conn: Connection) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id).lease

    assert give_back(conn, [GivenBack(held)]) == {held.token: JobStatus.PENDING}
    assert row(conn, job_id).attempt == 0
    assert count(conn, "outbox") == 2


def test_a_crash_is_counted_apart_from_a_failure(conn: Connection) -> None:
    job_id = a_job(conn, max_crashes=1)
    started(conn, job_id)
    expire_lease(conn, job_id)
    sweep.expire(conn)
    requeued = row(conn, job_id)
    started(conn, job_id)
    expire_lease(conn, job_id)
    sweep.expire(conn)
    ended = row(conn, job_id)

    assert (requeued.status, requeued.attempt, requeued.crashes) == ("PENDING", 0, 1)
    assert (ended.status, ended.crashes, ended.error["code"]) == ("FAILED", 2, "worker_lost")
    assert broken(conn, at_rest=False) == {}


def test_a_spent_crash_budget_is_left_to_the_sweeper(conn: Connection) -> None:
    job_id = a_job(conn, max_crashes=0)
    started(conn, job_id)
    expire_lease(conn, job_id)

    assert lease.start(conn, [job_id], worker="w2", lease_s=60).busy == {job_id}


def test_the_sweeper_leaves_live_leases_alone(conn: Connection) -> None:
    job_id = a_job(conn)
    started(conn, job_id)

    assert sweep.expire(conn).swept == {}


def test_the_deadline_ends_a_waiting_job(conn: Connection) -> None:
    job_id = a_job(conn)
    pass_time(conn, job_id, "deadline_at")

    assert sweep.expire(conn).swept == {job_id: JobStatus.FAILED}
    assert row(conn, job_id).error["code"] == "deadline_exceeded"


def test_no_attempt_starts_after_the_deadline(conn: Connection) -> None:
    job_id = a_job(conn)
    pass_time(conn, job_id, "deadline_at")

    assert lease.start(conn, [job_id], worker="w", lease_s=60).not_due == {job_id}


def test_the_sweep_walks_in_slices(conn: Connection) -> None:
    jobs = [a_job(conn) for _ in range(5)]
    for job_id in jobs:
        pass_time(conn, job_id, "deadline_at")
    swept: list[UUID] = []
    after = START
    for _ in range(3):
        one = sweep.expire(conn, after=after, slice_size=2)
        swept += one.swept
        after = one.next_after

    assert sorted(swept) == sorted(jobs)
    assert after == START


def test_a_lost_doorbell_is_rung_again_and_backs_off(conn: Connection) -> None:
    job_id = a_job(conn)
    conn.execute(text("DELETE FROM outbox"))
    look = sweep.overdue(conn)
    assert not look.late
    assert sweep.ring(conn, heard_until=look.at).swept == {}
    pass_time(conn, job_id, "next_ring_at")

    look = sweep.overdue(conn)
    assert look.late
    assert sweep.ring(conn, heard_until=look.at, ring_after_s=30).swept == {job_id: JobStatus.PENDING}
    assert count(conn, "outbox") == 1
    assert sweep.ring(conn, heard_until=sweep.overdue(conn).at, ring_after_s=30).swept == {}
    pass_time(conn, job_id, "next_ring_at")
    sweep.ring(conn, heard_until=look.at, ring_after_s=30)
    job = row(conn, job_id)
    assert job.rings == 2
    assert 50 < (job.next_ring_at - job.updated_at).total_seconds() < 200


def test_a_doorbell_that_may_still_come_is_not_rung_again(conn: Connection) -> None:
    job_id = a_job(conn)
    pass_time(conn, job_id, "next_ring_at")
    look = sweep.overdue(conn)
    assert look.late
    assert look.heard_until is None

    assert sweep.ring(conn, heard_until=look.at - timedelta(minutes=2)).swept == {}


def test_a_running_job_tells_which_doorbells_have_come_through(conn: Connection) -> None:
    held = started(conn, a_job(conn))

    assert sweep.overdue(conn).heard_until == row(conn, held.lease.job_id).run_at


def test_cancelling_a_waiting_job_ends_it(conn: Connection) -> None:
    job_id = a_job(conn)

    assert cancel.cancel(conn, job_id, Viewer("acme")) is CancelOutcome.CANCELLED
    assert cancel.cancel(conn, job_id, Viewer("acme")) is CancelOutcome.CANCELLED_BEFORE
    assert lease.start(conn, [job_id], worker="w", lease_s=60).final == {job_id}


def test_the_holder_learns_of_a_cancellation_and_carries_it_out(conn: Connection) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id).lease

    assert cancel.cancel(conn, job_id, Viewer("acme")) is CancelOutcome.REQUESTED
    assert lease.renew(conn, [Beat(held)], lease_s=60).cancel_requested == {held}
    assert cancel_held(conn, [held]) == {held.token: JobStatus.CANCELLED}


def test_completion_beats_a_cancellation_that_came_too_late_to_be_learned(conn: Connection) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id).lease
    cancel.cancel(conn, job_id, Viewer("acme"))

    assert succeed(conn, [a_success(held)]) == {held.token: JobStatus.SUCCESS}
    assert cancel_held(conn, [held]) == {}
    assert cancel.cancel(conn, job_id, Viewer("acme")) is CancelOutcome.TOO_LATE


def test_nobody_cancels_without_a_wish(conn: Connection) -> None:
    held = started(conn, a_job(conn)).lease

    assert cancel_held(conn, [held]) == {}


@pytest.mark.parametrize("how", ["retry", "give_back", "expire"])
def test_a_wish_to_cancel_survives_every_way_back_to_the_queue(conn: Connection, how: str) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id).lease
    cancel.cancel(conn, job_id, Viewer("acme"))

    if how == "retry":
        fail(conn, [a_failure(held)])
    elif how == "give_back":
        give_back(conn, [GivenBack(held)])
    else:
        expire_lease(conn, job_id)
        sweep.expire(conn)

    assert row(conn, job_id).status == "CANCELLED"
    assert broken(conn, at_rest=False) == {}


def test_an_expired_lease_of_a_cancelled_job_is_not_taken_over(conn: Connection) -> None:
    job_id = a_job(conn)
    started(conn, job_id)
    cancel.cancel(conn, job_id, Viewer("acme"))
    expire_lease(conn, job_id)

    assert not lease.start(conn, [job_id], worker="w2", lease_s=60).started


def test_the_heartbeat_extends_and_shows_progress(conn: Connection) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id).lease
    before = row(conn, job_id)

    renewal = lease.renew(conn, [Beat(held, {"phase": "writing csv", "rows": 5})], lease_s=600)

    after = row(conn, job_id)
    assert not renewal.lost
    assert after.lease_until > before.lease_until
    assert after.progress == {"phase": "writing csv", "rows": 5}
    assert after.version > before.version


def test_the_heartbeat_tells_a_lost_lease(conn: Connection) -> None:
    job_id = a_job(conn)
    sleeper = started(conn, job_id).lease
    expire_lease(conn, job_id)
    successor = started(conn, job_id, worker="w2").lease

    assert lease.renew(conn, [Beat(sleeper), Beat(successor)], lease_s=60).lost == {sleeper}


def test_hostile_text_in_an_error_does_not_stop_the_write(conn: Connection) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id).lease
    failure = Failure(held, "boom", "nul \0 and half \ud800", retryable=False, delay_s=0)

    assert fail(conn, [failure]) == {held.token: JobStatus.FAILED}
    assert row(conn, job_id).error["message"] == "nul ? and half ?"


def test_another_tenant_sees_nothing(conn: Connection) -> None:
    job_id = a_job(conn)
    succeed(conn, [a_success(started(conn, job_id).lease)])

    job = read.get(conn, job_id, Viewer("acme"))
    assert job is not None
    assert read.get(conn, job_id, Viewer("other")) is None
    assert artifacts_of(conn, [job], tenant="other") == {job_id: []}
    assert events_of(conn, job_id, Viewer("other")).events == []
    assert listing.list_jobs(conn, Viewer("other"), size=10).jobs == []
    assert cancel.cancel(conn, job_id, Viewer("other")) is CancelOutcome.UNKNOWN


def test_a_list_is_newest_first_and_pages_without_gaps(conn: Connection) -> None:
    jobs = [a_job(conn) for _ in range(5)]

    first = listing.list_jobs(conn, Viewer("acme"), size=2)
    second = listing.list_jobs(conn, Viewer("acme"), size=10, before=first.next_before)

    assert [j.id for j in [*first.jobs, *second.jobs]] == sorted(jobs, reverse=True)
    assert second.next_before is None


def test_renewing_is_heap_only(conn: Connection) -> None:
    """No index holds a column that start or renew changes, so neither adds an index entry."""
    job_id = a_job(conn)
    held = started(conn, job_id).lease
    for _ in range(10):
        lease.renew(conn, [Beat(held)], lease_s=60)
    conn.execute(text("SELECT pg_stat_force_next_flush()"))

    stats = conn.execute(text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'jobs'")).one()
    assert stats.n_tup_upd == stats.n_tup_hot_upd == 11


def test_a_failure_that_quotes_hostile_data_is_told_all_the_same(conn: Connection) -> None:
    job_id = a_job(conn)
    held = started(conn, job_id)

    fail(conn, [Failure(held.lease, "boom", "half \ud800, nul \0", False, 0, hint="half \udfff, nul \0")])

    assert row(conn, job_id).error == {
        "code": "boom", "message": "half ?, nul ?", "retryable": False, "hint": "half ?, nul ?",
    }  # fmt: skip


def test_a_worker_can_read_what_is_nested_as_deeply_as_a_request_may_be(conn: Connection) -> None:
    deep: list[object] = []
    for _ in range(MOST_LEVELS - 2):
        deep = [deep]
    job_id = a_job(conn, parameters={"deep": deep})

    assert started(conn, job_id).parameters == {"deep": deep}
