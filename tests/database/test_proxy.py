"""The fault proxies: what a client and the database see of each fault."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.pq import TransactionStatus
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from shared.database.engine import create_engine, transactional
from shared.database.unavailable import is_unavailable
from shared.jobs.submit import submit
from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.jobs import a_submission, count
from tests.support.postgres.proxy import PostgresProxy


@pytest.fixture
def proxy(database_url: str) -> Iterator[PostgresProxy]:
    parts = urlsplit(database_url)
    with PostgresProxy(str(parts.hostname), int(parts.port or 5432), late_s=0.1) as running:
        yield running


@pytest.fixture
def through(proxy: PostgresProxy, database_url: str) -> Iterator[Engine]:
    engine = create_engine(proxy.url(database_url), application_name="proxied", pool_size=2)
    yield engine
    engine.dispose()


def submit_through(engine: Engine) -> None:
    with engine.connect() as conn:
        submit(conn, [a_submission()])


def test_without_faults_everything_passes_and_is_named(proxy: PostgresProxy, through: Engine, conn: Connection) -> None:
    proxy.faults = plan = Plan()
    for _ in range(10):  # beyond psycopg's threshold for prepared statements
        submit_through(through)
    with transactional(through).begin() as one:
        one.execute(text("/* test.forget */ DELETE FROM outbox"))

    assert plan.seen == ["sql jobs.submit"] * 10 + ["sql test.forget", "COMMIT"]
    assert (count(conn, "jobs"), count(conn, "outbox")) == (10, 0)


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.NOT_APPLIED, Fault.ERROR, Fault.READ_ONLY])
def test_a_broken_statement_was_applied_or_not_and_looks_the_same(
    proxy: PostgresProxy, through: Engine, conn: Connection, fault: Fault
) -> None:
    proxy.faults = plan = Plan({Hit("sql jobs.submit", 1): fault})

    with pytest.raises(DBAPIError) as caught:
        submit_through(through)

    assert is_unavailable(caught.value)
    assert count(conn, "jobs") == (1 if fault is Fault.REPLY_LOST else 0)
    assert plan.carried_out == [(Hit("sql jobs.submit", 1), fault)]


@pytest.mark.parametrize("fault", [Fault.REPLY_LOST, Fault.NOT_APPLIED])
def test_a_commit_whose_reply_is_lost(proxy: PostgresProxy, through: Engine, conn: Connection, fault: Fault) -> None:
    submit_through(through)
    proxy.faults = Plan({Hit("COMMIT", 1): fault})

    with pytest.raises(DBAPIError), transactional(through).begin() as one:
        one.execute(text("/* test.forget */ DELETE FROM outbox"))

    assert count(conn, "outbox") == (0 if fault is Fault.REPLY_LOST else 1)


def test_a_session_that_may_not_write_may_read_on(proxy: PostgresProxy, database_url: str) -> None:
    proxy.faults = Plan({Hit("sql test.forget", n): Fault.READ_ONLY for n in (1, 2)})
    forget = "/* test.forget */ DELETE FROM outbox"
    with psycopg.connect(proxy.url(database_url)) as session:
        with pytest.raises(ReadOnlySqlTransaction), session.transaction():
            session.execute(forget)
        assert session.info.transaction_status is TransactionStatus.IDLE
        session.autocommit = True
        with pytest.raises(ReadOnlySqlTransaction):
            session.execute(forget)
        assert session.execute("SELECT 1").fetchone() == (1,)
        session.execute(forget)


def test_late_replies_arrive(proxy: PostgresProxy, through: Engine, conn: Connection) -> None:
    proxy.faults = Plan({Hit("sql jobs.submit", 1): Fault.LATE})
    submit_through(through)

    assert count(conn, "jobs") == 1


def test_connections_can_be_cut_refused_and_frozen(proxy: PostgresProxy, through: Engine) -> None:
    submit_through(through)
    assert proxy.cut() == 1
    with pytest.raises(DBAPIError):
        submit_through(through)

    proxy.refusing = True
    with pytest.raises(DBAPIError):
        submit_through(through)
    proxy.refusing = False

    proxy.freeze()
    proxy.thaw()
    submit_through(through)
