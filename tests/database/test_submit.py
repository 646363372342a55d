"""Promises 1, 2 and 6: a submission is one statement, all or nothing, and one key is one job."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from shared.jobs.submission import Accepted, IdempotencyKeyReused
from shared.jobs.submit import submit
from tests.support.jobs import a_submission, count, row


def test_a_batch_is_one_statement_and_each_job_has_its_doorbell(engine: Engine, conn: Connection) -> None:
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(sql))

    answers = submit(conn, [a_submission() for _ in range(50)])

    assert len(statements) == 1
    assert all(isinstance(a, Accepted) and a.created for a in answers)
    rung = conn.execute(text("SELECT (payload::json ->> 'jobId')::uuid FROM outbox")).scalars().all()
    assert {a.job_id for a in answers if isinstance(a, Accepted)} == set(rung)
    assert count(conn, "job_events") == 50


def test_sending_the_same_ids_again_after_a_lost_reply_changes_nothing(conn: Connection) -> None:
    batch = [a_submission(), a_submission(idempotency_key="k")]
    first = submit(conn, batch)

    assert submit(conn, batch) == first
    assert count(conn, "jobs") == 2
    assert count(conn, "outbox") == 2


def test_one_bad_row_leaves_nothing_of_its_batch(conn: Connection) -> None:
    with pytest.raises(DBAPIError):
        submit(conn, [a_submission(), a_submission(tenant="not a tenant", idempotency_key="k")])

    assert [count(conn, table) for table in ("jobs", "outbox", "idempotency_keys", "job_events")] == [0, 0, 0, 0]


def test_the_same_key_with_the_same_request_is_one_job(conn: Connection) -> None:
    (first,) = submit(conn, [a_submission(idempotency_key="k")])
    (again,) = submit(conn, [a_submission(idempotency_key="k")])

    assert isinstance(first, Accepted)
    assert again == first._replace(created=False)
    assert count(conn, "jobs") == 1


def test_the_same_key_with_another_request_is_an_error(conn: Connection) -> None:
    submit(conn, [a_submission(idempotency_key="k")])
    (again,) = submit(conn, [a_submission(idempotency_key="k", formats=["xlsx"])])

    assert isinstance(again, IdempotencyKeyReused)
    assert count(conn, "jobs") == 1


def test_a_key_belongs_to_its_tenant(conn: Connection) -> None:
    answers = submit(conn, [a_submission(idempotency_key="k"), a_submission(tenant="other", idempotency_key="k")])

    assert [isinstance(a, Accepted) and a.created for a in answers] == [True, True]


def test_the_same_key_twice_in_one_batch_is_one_job(conn: Connection) -> None:
    answers = submit(conn, [a_submission(idempotency_key="k"), a_submission(idempotency_key="k")])

    assert len({a.job_id for a in answers if isinstance(a, Accepted)}) == 1
    assert count(conn, "jobs") == 1


def test_concurrent_batches_with_the_same_keys_in_other_orders_neither_double_nor_deadlock(engine: Engine) -> None:
    keys = [f"k{n}" for n in range(30)]
    barrier = threading.Barrier(8)

    def send(worker: int) -> list[object]:
        order = keys if worker % 2 else keys[::-1]
        with engine.connect() as own:
            barrier.wait()
            return list(submit(own, [a_submission(idempotency_key=key) for key in order]))

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for batch in pool.map(send, range(8)) for answer in batch]

    assert all(isinstance(answer, Accepted) for answer in answers)
    with engine.connect() as conn:
        assert count(conn, "jobs") == 30
        assert count(conn, "outbox") == 30


def test_the_deadline_is_the_databases(conn: Connection) -> None:
    (answer,) = submit(conn, [a_submission(deadline_s=10)])

    assert isinstance(answer, Accepted)
    job = row(conn, answer.job_id)
    assert (job.deadline_at - job.run_at).total_seconds() == 10
