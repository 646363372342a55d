"""The whole system behind PgBouncer in transaction mode."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local.emulator import Emulator
from shared.database.engine import SESSION_BOUNDS, create_engine
from shared.database.health import check_database
from shared.database.unavailable import DatabaseUnavailable
from shared.reports.sources import look
from tests.support.eventually import eventually
from tests.support.postgres.pgbouncer import PgBouncer
from tests.support.postgres.roles import service_urls
from tests.support.processes.services import Services
from tests.support.processes.zygote import Zygote
from tests.support.promises import broken, broken_files


@pytest.fixture
def pooler(database_url: str) -> Iterator[PgBouncer]:
    # Fewer server connections than the services have clients: they do share.
    with PgBouncer(service_urls(database_url), server_connections=3) as running:
        yield running


@pytest.fixture
def pooled(pooler: PgBouncer, queue_url: str, emulator: Emulator, tmp_path: Path, zygote: Zygote) -> Iterator[Services]:
    with Services(
        tmp_path, database_urls=pooler.urls, queue_url=queue_url, aws=emulator.environment(),
        zygote=zygote, REPORT_SOURCE_URL=pooler.urls["worker"], DATABASE_POOLER="transaction",
    ) as running:  # fmt: skip
        yield running


def test_the_system_works_and_keeps_its_promises_behind_pgbouncer(pooled: Services, conn: Connection) -> None:
    for name in ("api", "relay", "worker", "worker"):
        pooled.start(name)
    body = {"parameters": {"seconds": 0.1}, "formats": ["csv"]}
    # More than five times each statement: by then a driver prepares it, if it does so at all.
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda n: pooled.submit(f"k{n}", body), range(40)))
    doomed = pooled.submit("long", {"parameters": {"seconds": 60}, "formats": ["csv"]})
    pooled.until(doomed, "PROCESSING")
    pooled.cancel(doomed)

    assert {pooled.until_final(job_id)["status"] for job_id in jobs} == {"SUCCESS"}
    assert pooled.until_final(doomed)["status"] == "CANCELLED"
    eventually(lambda: broken(conn) == {}, what="the system comes to rest")
    assert broken_files(conn, pooled.artifacts) == []
    through = conn.execute(text("SELECT count(*) FROM pg_stat_activity WHERE usename = 'test_api'")).scalar_one()
    assert 1 <= through <= 3


def test_a_role_keeps_the_bounds_that_a_pooler_would_lose(pooler: PgBouncer) -> None:
    engine = create_engine(pooler.urls["relay"], application_name="test", through_pooler=True)
    with engine.connect() as conn:
        seen = {name: conn.execute(text(f"SHOW {name}")).scalar_one() for name in SESSION_BOUNDS}
    engine.dispose()

    assert seen == {
        "idle_in_transaction_session_timeout": "30s", "statement_timeout": "30s", "lock_timeout": "10s",
        "timezone": "UTC",
    }  # fmt: skip


def test_a_role_without_bounds_is_refused_with_the_remedy(pooler: PgBouncer, database_url: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f'ALTER ROLE test_api IN DATABASE "{name}" RESET ALL')
        # PgBouncer keeps its connections, which have the bounds of when they were made.
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'test_api'")
    engine = create_engine(pooler.urls["api"], application_name="test", through_pooler=True)

    def refusal() -> str:
        with pytest.raises(DatabaseUnavailable) as error:
            check_database(engine)
        return str(error.value)

    # At first PgBouncer may pass on that its connection was ended under it.
    eventually(lambda: "todoke-server migrate grant" in refusal(), what="the remedy")
    engine.dispose()


@pytest.mark.parametrize(
    ("ignored", "told"), [("", "unsupported startup parameter"), ("options", "a pooler drops the options")]
)
def test_without_the_setting_a_service_does_not_work_behind_pgbouncer(
    ignored: str, told: str, database_url: str
) -> None:
    """What a driver prepares there is prepared for other clients, too: one would run the statement of another."""
    with PgBouncer(service_urls(database_url), server_connections=3, ignored=ignored) as pooler:
        unaware = create_engine(pooler.urls["api"], application_name="test")
        with pytest.raises(DatabaseUnavailable, match=f"{told}.*set DATABASE_POOLER=transaction"):
            check_database(unaware)
        aware = create_engine(pooler.urls["api"], application_name="test", through_pooler=True)
        check_database(aware)
        for engine in (unaware, aware):
            engine.dispose()


def test_a_source_behind_a_pooler_can_be_looked_at(pooler: PgBouncer) -> None:
    assert look.problem_of(pooler.urls["worker"]) is None
    assert look.rights_of(pooler.urls["worker"]) == "test_worker may write to tables"


def test_options_of_ones_own_are_no_pooler(database_url: str) -> None:
    url = f"{service_urls(database_url)['api']}?options=-csearch_path%3Dpublic"
    engine = create_engine(url, application_name="test")
    check_database(engine)
    engine.dispose()
