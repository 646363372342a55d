"""A row locked by another session is skipped: it affects neither the other rows nor its own job."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from shared.database.engine import transactional
from shared.jobs import cancel, lease
from shared.jobs.artifacts import Artifact
from shared.jobs.finish import Failure, GivenBack, cancel_held, fail, give_back
from shared.jobs.lease import Beat, Lease
from shared.jobs.states import JobStatus
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from tests.support.jobs import a_job, expire_lease, row, started
from tests.support.promises import broken

End = Callable[[Connection, Sequence[Lease]], object]

FILE = Artifact("calendar.csv", "csv", "text/csv", 10, "0" * 64, 3)
ENDS: dict[str, tuple[End, JobStatus]] = {
    "succeed": (lambda conn, leases: succeed(conn, [Success(one, [FILE], 1) for one in leases]), JobStatus.SUCCESS),
    "fail": (
        lambda conn, leases: fail(conn, [Failure(o, "boom", "", retryable=False, delay_s=0) for o in leases]),
        JobStatus.FAILED,
    ),
    "retry": (
        lambda conn, leases: fail(conn, [Failure(o, "boom", "", retryable=True, delay_s=0) for o in leases]),
        JobStatus.PENDING,
    ),
    "give_back": (lambda conn, leases: give_back(conn, [GivenBack(one) for one in leases]), JobStatus.PENDING),
    "cancel_held": (cancel_held, JobStatus.CANCELLED),
}


@contextmanager
def locked(engine: Engine, job_id: UUID, how: str = "FOR UPDATE") -> Iterator[None]:
    """A session that a person forgot holds a lock on the job's row."""
    with transactional(engine).connect() as other:
        other.execute(text(f"SELECT FROM jobs WHERE id = :id {how}"), {"id": job_id})
        yield
        other.rollback()


@pytest.mark.parametrize("how", ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE"])
def test_a_locked_row_is_not_renewed_this_time_and_the_others_are(engine: Engine, conn: Connection, how: str) -> None:
    a, b, lost = (started(conn, a_job(conn), lease_s=5).lease for _ in range(3))
    expire_lease(conn, lost.job_id)
    successor = started(conn, lost.job_id, worker="w2", lease_s=5).lease
    conn.execute(text("SET lock_timeout = '1s'"))

    with locked(engine, a.job_id, how):
        renewal = lease.renew(conn, [Beat(a), Beat(b), Beat(lost), Beat(successor)], lease_s=600)

    assert renewal.skipped == {a}
    assert renewal.lost == {lost}
    assert row(conn, b.job_id).lease_until > row(conn, a.job_id).lease_until
    assert lease.renew(conn, [Beat(a)], lease_s=600) == lease.Renewal(frozenset(), frozenset(), frozenset())


def test_a_lease_that_was_lost_before_its_row_was_locked_is_lost(engine: Engine, conn: Connection) -> None:
    sleeper = started(conn, a_job(conn)).lease
    expire_lease(conn, sleeper.job_id)
    started(conn, sleeper.job_id, worker="w2")

    with locked(engine, sleeper.job_id):
        renewal = lease.renew(conn, [Beat(sleeper), Beat(Lease(uuid4(), uuid4()))], lease_s=60)

    assert sleeper in renewal.lost
    assert len(renewal.lost) == 2
    assert not renewal.skipped


@pytest.mark.parametrize("how", ENDS)
def test_an_outcome_of_a_locked_row_is_not_written_this_time_and_the_others_are(
    engine: Engine, conn: Connection, how: str
) -> None:
    end, status = ENDS[how]
    a, b, lost = (started(conn, a_job(conn)).lease for _ in range(3))
    expire_lease(conn, lost.job_id)
    started(conn, lost.job_id, worker="w2")
    if how == "cancel_held":
        for held in (a, b):
            cancel.cancel(conn, held.job_id, Viewer("acme"))
    conn.execute(text("SET lock_timeout = '1s'"))

    with locked(engine, a.job_id):
        assert end(conn, [a, b, lost]) == {a.token: JobStatus.PROCESSING, b.token: status}

    assert row(conn, a.job_id).status == "PROCESSING"
    assert end(conn, [a]) == {a.token: status}
    assert broken(conn, at_rest=False) == {}


def test_rows_that_were_locked_lately_are_not_waited_for(engine: Engine, conn: Connection) -> None:
    """Without it, every try would hold up all outcomes that were written together with the locked one."""
    a, b = (started(conn, a_job(conn)).lease for _ in range(2))
    conn.execute(text("SET lock_timeout = '1ms'"))  # whoever waits at all, fails

    with locked(engine, a.job_id):
        ended = succeed(conn, [Success(one, [FILE], 1) for one in (a, b)], some_locked=True)

    assert ended == {a.token: JobStatus.PROCESSING, b.token: JobStatus.SUCCESS}


def test_a_locked_row_whose_lease_was_lost_is_not_tried_for_ever(engine: Engine, conn: Connection) -> None:
    sleeper = started(conn, a_job(conn)).lease
    expire_lease(conn, sleeper.job_id)
    started(conn, sleeper.job_id, worker="w2")

    with locked(engine, sleeper.job_id):
        assert succeed(conn, [Success(sleeper, [], 1)]) == {}
