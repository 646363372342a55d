"""The password of a job's files: encrypted while the job is unfinished, and deleted when it ends, in whatever way."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy.engine import Connection

from shared.ids import uuid7
from shared.jobs import cancel, erasure, passwords, sweep
from shared.jobs.finish import Failure, GivenBack, cancel_held, fail, give_back
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from tests.support.jobs import a_job, expire_lease, pass_time, started
from tests.support.promises import broken
from tests.support.webhooks import secret_keys

ACME = Viewer("acme")


def protected(conn: Connection, folder: Path, **changes: object) -> UUID:
    """A waiting job whose files have a password."""
    job_id = uuid7()
    sealed = secret_keys(folder).seal(b"hush", of=passwords.owner_of_password(job_id))
    return a_job(conn, id=job_id, password=sealed, options={passwords.ENCRYPTED: True}, **changes)


def succeeds(conn: Connection, job_id: UUID) -> None:
    answer = Success(started(conn, job_id).lease, (), seconds=1, answer={})
    assert succeed(conn, [answer])


def fails(conn: Connection, job_id: UUID) -> None:
    failure = Failure(started(conn, job_id).lease, code="x", message="", retryable=False, delay_s=0)
    assert fail(conn, [failure])


def is_cancelled_while_it_waits(conn: Connection, job_id: UUID) -> None:
    cancel.cancel(conn, job_id, ACME)


def is_cancelled_while_it_runs(conn: Connection, job_id: UUID) -> None:
    lease = started(conn, job_id).lease
    cancel.cancel(conn, job_id, ACME)
    assert cancel_held(conn, [lease])


def loses_its_worker_too_often(conn: Connection, job_id: UUID) -> None:
    started(conn, job_id)
    expire_lease(conn, job_id)
    sweep.expire(conn)


def passes_its_deadline(conn: Connection, job_id: UUID) -> None:
    pass_time(conn, job_id, "deadline_at")
    sweep.expire(conn)


def is_deleted_while_it_runs(conn: Connection, job_id: UUID) -> None:
    started(conn, job_id)
    cancel.cancel(conn, job_id, ACME)
    assert erasure.delete(conn, job_id, ACME, running=True) is erasure.DeleteOutcome.DELETED


def ends_after_its_deletion(conn: Connection, job_id: UUID) -> None:
    lease = started(conn, job_id).lease
    cancel.cancel(conn, job_id, ACME)
    erasure.delete(conn, job_id, ACME, running=True)
    assert cancel_held(conn, [lease])


@pytest.mark.parametrize(
    "end",
    [
        succeeds, fails, is_cancelled_while_it_waits, is_cancelled_while_it_runs, loses_its_worker_too_often,
        passes_its_deadline, is_deleted_while_it_runs, ends_after_its_deletion,
    ],
    ids=lambda end: end.__name__,
)  # fmt: skip
def test_a_job_that_ends_takes_its_password_with_it(
    conn: Connection, tmp_path: Path, end: Callable[[Connection, UUID], None]
) -> None:
    formats = [] if end is succeeds else ["pdf"]  # a success without files needs no artifacts here
    job_id, other = (protected(conn, tmp_path, max_crashes=0, formats=formats) for _ in range(2))
    sealed = passwords.read(conn, job_id)
    assert sealed is not None
    assert secret_keys(tmp_path).open(sealed, of=passwords.owner_of_password(job_id)) == b"hush"

    end(conn, job_id)

    assert passwords.read(conn, job_id) is None
    assert passwords.read(conn, other) is not None, "that of another job stays"
    assert broken(conn, at_rest=False) == {}


def test_a_job_that_is_tried_again_keeps_its_password(conn: Connection, tmp_path: Path) -> None:
    job_id = protected(conn, tmp_path)
    give_back(conn, [GivenBack(started(conn, job_id).lease)])
    retried = Failure(started(conn, job_id).lease, code="x", message="", retryable=True, delay_s=0)
    fail(conn, [retried])

    assert passwords.read(conn, job_id) is not None


def test_a_request_that_is_sent_twice_keeps_one_password(conn: Connection, tmp_path: Path) -> None:
    job_id = protected(conn, tmp_path)
    before = passwords.read(conn, job_id)

    sealed = secret_keys(tmp_path).seal(b"hush", of=passwords.owner_of_password(job_id))
    a_job(conn, id=job_id, password=sealed, options={passwords.ENCRYPTED: True})

    assert passwords.read(conn, job_id) == before
