"""Transient faults that make sessions unusable: the next try works, without a restart."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from services.api import assembly as api
from services.api.settings import ApiSettings
from services.relay import assembly as relay
from services.relay.settings import RelaySettings
from services.worker import assembly as worker
from services.worker.settings import WorkerSettings
from shared.database.async_engine import create_async_engine
from shared.database.engine import create_engine
from shared.database.health import check_database
from shared.database.unavailable import DatabaseUnavailable, is_unavailable
from shared.jobs import read
from shared.jobs.viewer import Viewer
from tests.support.jobs import a_job

_PREPARED_AFTER = 12


@pytest.fixture
def service(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url, application_name="test-service", pool_size=3)
    yield engine
    engine.dispose()


def set_read_only(conn: Connection, on: bool) -> None:
    name = conn.execute(text("SELECT current_database()")).scalar_one()
    conn.execute(text(f'ALTER DATABASE "{name}" ' + ("SET default_transaction_read_only = on" if on
                                                     else "RESET default_transaction_read_only")))  # fmt: skip


def end_sessions(conn: Connection) -> None:
    conn.execute(
        text("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'test-service'")
    )


def fill_pool(engine: Engine) -> None:
    connections = [engine.connect() for _ in range(3)]
    for one in connections:
        one.execute(text("SELECT 1"))
    for one in connections:
        one.close()


def tries_until_a_job_is_written(engine: Engine) -> int:
    for tries in range(1, 10):
        try:
            with engine.connect() as conn:
                a_job(conn)
        except DBAPIError as error:
            if not is_unavailable(error):
                raise
        else:
            return tries
    raise AssertionError("sessions that cannot write stay in the pool")


def test_a_database_that_was_read_only_is_written_to_at_the_second_try(service: Engine, conn: Connection) -> None:
    set_read_only(conn, True)
    fill_pool(service)
    set_read_only(conn, False)

    assert tries_until_a_job_is_written(service) == 2


def test_a_read_only_database_is_not_ready_and_is_ready_as_soon_as_it_is_not(service: Engine, conn: Connection) -> None:
    check_database(service)
    set_read_only(conn, True)
    fill_pool(service)
    end_sessions(conn)
    with pytest.raises(DatabaseUnavailable):
        check_database(service)  # the session was ended
    with pytest.raises(DatabaseUnavailable, match="read-only"):
        check_database(service)
    fill_pool(service)
    set_read_only(conn, False)

    check_database(service)


def test_a_plan_that_a_migration_made_stale_fails_once(service: Engine, conn: Connection) -> None:
    job_id = a_job(conn)
    with service.connect() as own:
        for _ in range(_PREPARED_AFTER):
            read.get(own, job_id, Viewer("acme"))
    conn.execute(text("ALTER TABLE jobs ALTER COLUMN report_version TYPE varchar(300)"))

    with service.connect() as own, pytest.raises(DBAPIError, match="cached plan") as caught:
        read.get(own, job_id, Viewer("acme"))
    assert is_unavailable(caught.value)
    with service.connect() as own:
        assert read.get(own, job_id, Viewer("acme"))


def test_a_stale_plan_of_a_coroutine_fails_once(database_url: str, conn: Connection) -> None:
    asyncio.run(_ask_before_and_after(database_url, conn))


async def _ask_before_and_after(database_url: str, conn: Connection) -> None:
    engine = create_async_engine(database_url, application_name="test-service")
    question = text("SELECT * FROM jobs")
    async with engine.connect() as own:
        for _ in range(_PREPARED_AFTER):
            await own.execute(question)
    conn.execute(text("ALTER TABLE jobs ADD COLUMN more int"))
    async with engine.connect() as own:
        with pytest.raises(DBAPIError, match="cached plan"):
            await own.execute(question)
    async with engine.connect() as own:
        await own.execute(question)
    await engine.dispose()


def test_prepared_statements_that_are_gone_fail_once(service: Engine, conn: Connection) -> None:
    """As behind a pooler that gives a session to somebody else."""
    job_id = a_job(conn)
    with service.connect() as own:
        for _ in range(_PREPARED_AFTER):
            read.get(own, job_id, Viewer("acme"))
        # In a block, or psycopg would see it and prepare anew.
        own.execute(text("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$"))
        with pytest.raises(DBAPIError, match="does not exist") as caught:
            read.get(own, job_id, Viewer("acme"))
    assert is_unavailable(caught.value)
    with service.connect() as own:
        assert read.get(own, job_id, Viewer("acme"))


def test_another_feature_that_is_not_supported_is_a_mistake_and_ends_no_session(service: Engine) -> None:
    with service.connect() as own:
        before = own.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with pytest.raises(DBAPIError) as caught:
            own.execute(text("SELECT 1 UNION SELECT 2 FOR UPDATE"))
    assert (caught.value.orig.sqlstate, is_unavailable(caught.value)) == ("0A000", False)  # type: ignore[union-attr]
    with service.connect() as own:
        assert own.execute(text("SELECT pg_backend_pid()")).scalar_one() == before


def test_a_rotated_password_is_read_again(database_url: str, conn: Connection, tmp_path: Path) -> None:
    """The role's password changes, its file follows later, its sessions are ended."""
    about = conninfo_to_dict(database_url)
    role = f"rotated_{about['dbname']}"
    address = f"{about['host']}:{about['port']}/{about['dbname']}"
    file = tmp_path / "url"
    conn.execute(text(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'old'"))
    try:
        file.write_text(f"postgresql://{role}:old@{address}\n")
        settings = WorkerSettings.from_environment(
            {"DATABASE_URL_FILE": str(file), "SQS_QUEUE_URL": "http://unused", "AWS_REGION": "unused"}
        )
        engine = create_engine(settings.database_url_of_today, application_name="test-service", pool_size=2)
        check_database(engine)
        conn.execute(text(f"ALTER ROLE {role} PASSWORD 'new'"))
        end_sessions(conn)
        with pytest.raises(DatabaseUnavailable):
            check_database(engine)
        if _password_is_asked_for(role, address):
            with pytest.raises(DatabaseUnavailable, match="password"):
                check_database(engine)
        file.write_text(f"postgresql://{role}:new@{address}\n")

        check_database(engine)
        assert settings.sources["default"].startswith(f"postgresql://{role}:new@")
        file.unlink()
        assert settings.database_url_of_today() == f"postgresql://{role}:old@{address}", "what it was at the start"
        engine.dispose()
    finally:
        end_sessions(conn)
        conn.execute(text(f"DROP ROLE {role}"))


_SERVICES: Mapping[str, Callable[[Mapping[str, str]], Engine]] = {
    "api": lambda environment: api.assemble(ApiSettings.from_environment(environment)).engine,
    "relay": lambda environment: relay._engine(RelaySettings.from_environment(environment), "test"),
    "worker": lambda environment: worker._engine(WorkerSettings.from_environment(environment)),
}


@pytest.mark.parametrize("service", _SERVICES)
def test_each_service_reads_its_address_again(service: str, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("postgresql://nobody@127.0.0.1:9/none")
    engine = _SERVICES[service](
        {
            "DATABASE_URL_FILE": str(file), "ARTIFACT_URL": tmp_path.as_uri(), "WORKER_SCRATCH": str(tmp_path),
            "SQS_QUEUE_URL": "http://unused", "AWS_REGION": "unused",
        }
    )  # fmt: skip
    with pytest.raises(DatabaseUnavailable):
        check_database(engine)
    file.write_text(database_url)

    check_database(engine)
    engine.dispose()


def _password_is_asked_for(role: str, address: str) -> bool:
    try:
        psycopg.connect(f"postgresql://{role}:wrong@{address}").close()
    except psycopg.OperationalError:
        return True
    return False
