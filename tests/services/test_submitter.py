"""The group commit below `POST /generate-report`: which requests share a statement, and what happens to those that
wait.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.actions.submitter import Submitter, TooBusy
from shared.database.async_engine import create_async_engine
from shared.database.engine import SESSION_BOUNDS, transactional
from shared.jobs.submission import IdempotencyKeyInFlight, Submission
from shared.jobs.submit import submit
from tests.support.faults.tcp_proxy import Proxy
from tests.support.jobs import a_submission, count


def submit_together(engine: AsyncEngine, submissions: Sequence[Submission], **bounds: int) -> list[Any]:
    """Each one's answer, or its error."""

    async def submit() -> list[Any]:
        submitter = Submitter(engine, **bounds)
        answers = await asyncio.gather(*(submitter.submit(one) for one in submissions), return_exceptions=True)
        await submitter.close()
        return answers

    return asyncio.run(submit())


@pytest.fixture
def submitting(database_url: str) -> AsyncEngine:
    return create_async_engine(database_url, application_name="submitting")


def test_what_arrives_together_shares_a_commit(submitting: AsyncEngine) -> None:
    statements: list[str] = []
    event.listen(submitting.sync_engine, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(sql))

    answers = submit_together(submitting, [a_submission() for _ in range(200)])

    assert len({answer.job_id for answer in answers}) == 200
    assert len(statements) == 2  # of at most 128


def test_under_load_the_database_has_one_half_while_the_other_is_read(submitting: AsyncEngine) -> None:
    """All in one statement, and the event loop would have nothing to do while it lasts."""
    carried: list[int] = []
    event.listen(
        submitting.sync_engine,
        "before_cursor_execute",
        lambda c, cur, sql, asked, *_: carried.append(len(json.loads(asked["requests"]))),
    )

    async def client(submitter: Submitter) -> None:
        for _ in range(10):
            await submitter.submit(a_submission())

    async def submit() -> None:
        submitter = Submitter(submitting)
        await asyncio.gather(*(client(submitter) for _ in range(32)))
        await submitter.close()

    asyncio.run(submit())

    assert carried == [16] * 20


def test_a_connection_is_kept_until_it_breaks(submitting: AsyncEngine, conn: Connection) -> None:
    taken: list[object] = []
    event.listen(submitting.sync_engine, "checkout", lambda *_: taken.append(1))
    ended = text("SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity WHERE application_name = 'submitting'")

    async def submit() -> None:
        submitter = Submitter(submitting)
        for _ in range(2):
            await submitter.submit(a_submission())
        assert len(taken) == 1
        assert conn.execute(ended).scalars().all() == [True]
        await submitter.submit(a_submission())
        await submitter.close()

    asyncio.run(submit())

    assert len(taken) == 2
    assert count(conn, "jobs") == 3


def test_one_bad_row_harms_no_other(submitting: AsyncEngine, conn: Connection) -> None:
    submissions = [a_submission() for _ in range(21)]
    submissions[10] = a_submission(tenant="not a tenant")

    answers = submit_together(submitting, submissions)

    assert isinstance(answers.pop(10), DBAPIError)
    assert [answer.job_id for answer in answers] == [s.id for s in submissions if s is not submissions[10]]
    assert count(conn, "jobs") == 20


def test_a_key_that_is_at_work_elsewhere_keeps_nobody_else_waiting(
    database_url: str, engine: Engine, conn: Connection
) -> None:
    """Its own requests are told so, and nothing of theirs is made. Once known, it is waited for briefly only."""
    submitting = create_async_engine(
        database_url, application_name="submitting", bounds={**SESSION_BOUNDS, "lock_timeout": "1s"}
    )
    statements: list[str] = []
    event.listen(submitting.sync_engine, "before_cursor_execute", lambda c, cur, sql, *_: statements.append(sql))
    stuck = [a_submission(idempotency_key="stuck") for _ in range(4)]
    others = [a_submission(), a_submission(idempotency_key="other"), a_submission()]

    async def submit_all(elsewhere: Connection) -> tuple[list[Any], list[str], Any]:
        submitter = Submitter(submitting)
        both = [stuck[0], others[0], others[1], stuck[1], others[2]]
        answers = await asyncio.gather(*(submitter.submit(one) for one in both), return_exceptions=True)
        statements.clear()
        with pytest.raises(IdempotencyKeyInFlight):
            await submitter.submit(stuck[2])
        again = list(statements)
        elsewhere.rollback()
        last = await submitter.submit(stuck[3])
        await submitter.close()
        return answers, again, last

    with transactional(engine).connect() as elsewhere:
        submit(elsewhere, [a_submission(idempotency_key="stuck")])
        answers, again, last = asyncio.run(submit_all(elsewhere))

    assert [type(answers[at]) for at in (0, 3)] == [IdempotencyKeyInFlight] * 2
    assert [answers[at].job_id for at in (1, 2, 4)] == [one.id for one in others]
    assert again[:2] == ["BEGIN", "SET LOCAL lock_timeout = '50ms'"]
    assert (len(again), again[-1]) == (4, "ROLLBACK")
    assert (last.job_id, last.created) == (stuck[3].id, True)
    assert count(conn, "jobs") == 4


def test_who_waits_for_a_table_waits_for_no_key(database_url: str, engine: Engine) -> None:
    submitting = create_async_engine(
        database_url, application_name="submitting", bounds={**SESSION_BOUNDS, "lock_timeout": "100ms"}
    )
    with transactional(engine).connect() as blocking:
        blocking.execute(text("LOCK TABLE idempotency_keys"))
        [answer] = submit_together(submitting, [a_submission(idempotency_key="k")])
        blocking.rollback()
    assert isinstance(answer, DBAPIError)


def test_more_than_may_wait_are_told_to_come_back(submitting: AsyncEngine, conn: Connection) -> None:
    answers = submit_together(submitting, [a_submission() for _ in range(5)], waiting=3)

    assert [isinstance(answer, TooBusy) for answer in answers] == [False, False, False, True, True]
    assert count(conn, "jobs") == 3


def test_a_caller_that_goes_away_takes_nobody_with_it(submitting: AsyncEngine, conn: Connection) -> None:
    """Its own job is made, too: the row may be in the statement already."""

    async def submit() -> Any:
        submitter = Submitter(submitting)
        impatient, patient = (asyncio.create_task(submitter.submit(a_submission())) for _ in range(2))
        await asyncio.sleep(0)  # both wait now
        impatient.cancel()
        answer = await patient
        await submitter.close()
        return answer

    assert asyncio.run(submit()).created
    assert count(conn, "jobs") == 2


def test_a_database_that_is_too_slow_is_waited_for_no_longer_than_that(
    submitting: AsyncEngine, engine: Engine, conn: Connection
) -> None:
    """And the job is made in the end: nobody could tell the statement to stop."""

    async def submit(blocking: Connection) -> None:
        submitter = Submitter(submitting, timeout_s=0.1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(submitter.submit(a_submission()), 60)
        blocking.rollback()
        await submitter.close()

    with transactional(engine).connect() as blocking:
        blocking.execute(text("LOCK TABLE jobs"))
        asyncio.run(submit(blocking))
    assert count(conn, "jobs") == 1


def test_a_database_that_is_frozen_is_given_up_and_another_one_asked(database_url: str, conn: Connection) -> None:
    """As after a fail-over whose old primary still holds its connections, and answers nothing."""
    parts = urlsplit(database_url.replace("+psycopg", ""))
    with Proxy(str(parts.hostname), int(parts.port or 5432)) as old:
        leads_to = [old.url(database_url)]
        engine = create_async_engine(lambda: leads_to[0], application_name="submitting", answer_s=0.5)

        async def submit() -> Any:
            submitter = Submitter(engine)
            await submitter.submit(a_submission())
            old.freeze()
            leads_to[0] = database_url
            answer = await asyncio.wait_for(submitter.submit(a_submission()), 60)
            await submitter.close()
            return answer

        assert asyncio.run(submit()).created
    assert count(conn, "jobs") == 2


def test_the_end_waits_for_what_was_asked(submitting: AsyncEngine, conn: Connection) -> None:
    async def submit() -> Any:
        submitter = Submitter(submitting)
        asked = asyncio.create_task(submitter.submit(a_submission()))
        await asyncio.sleep(0)
        await submitter.close()
        return asked.done() and asked.result()

    assert asyncio.run(submit()).created
    assert count(conn, "jobs") == 1
