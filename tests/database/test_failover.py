"""The database returns at another address: DATABASE_URL names both, and nothing is restarted."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

import migrations
from deploy.local.postgres import EmbeddedPostgres
from services.relay.publisher import Publisher
from shared.database.engine import create_engine
from shared.database.health import check_database
from shared.database.unavailable import DatabaseUnavailable
from shared.outbox import messages
from shared.outbox.floor import Floor
from tests.support.eventually import eventually
from tests.support.jobs import a_job
from tests.support.postgres import power
from tests.support.relay import a_publisher
from tests.support.sqs.double import InMemoryQueue

_ROLE, _PASSWORD = "todoke", "canary"


@pytest.fixture
def servers() -> Iterator[tuple[EmbeddedPostgres, EmbeddedPostgres]]:
    """The second knows nothing of what the first did, as a standby that was far behind."""
    with (
        tempfile.TemporaryDirectory(prefix="todoke-failover-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder) / "first", settings={"fsync": "off"}) as first,
        EmbeddedPostgres(Path(folder) / "second", settings={"fsync": "off"}) as second,
    ):
        for server in (first, second):
            with psycopg.connect(server.dsn(), autocommit=True) as conn:
                conn.execute(f"CREATE ROLE {_ROLE} SUPERUSER LOGIN PASSWORD '{_PASSWORD}'")
            server.create_database("todoke")
            migrations.upgrade(url(server))
        yield first, second


def url(*servers: EmbeddedPostgres) -> str:
    hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
    return f"postgresql://{_ROLE}:{_PASSWORD}@{hosts}/todoke"


def an_engine(database_url: str) -> Engine:
    return create_engine(database_url, application_name="test", pool_size=2)


def test_the_pool_recovers_and_the_floor_starts_anew_at_the_other_address(
    servers: tuple[EmbeddedPostgres, EmbeddedPostgres],
) -> None:
    first, second = servers
    engine = an_engine(f"{url(first, second)}?target_session_attrs=read-write")
    queue = InMemoryQueue()
    publisher = a_publisher(engine, queue)
    publish(engine, publisher, 20)
    eventually(lambda: (publisher.run_once(), publisher.settled_floor)[1] == 20, what="the floor has risen")

    power.cut(first)
    eventually(lambda: answers(engine), what="the pool has found the other address")
    publish(engine, publisher, 3)  # whose ids are 1 to 3, far below the old floor

    assert len(queue.bodies()) == 23
    engine.dispose()


def test_the_floor_starts_anew_when_a_pooler_hides_the_other_server(
    servers: tuple[EmbeddedPostgres, EmbeddedPostgres],
) -> None:
    floor = Floor()
    for server, rows in zip(servers, (20, 3), strict=True):
        engine = an_engine(url(server))
        with engine.connect() as conn:
            for _ in range(rows):
                a_job(conn)
            floor.advance(conn)
            claimed = messages.claim(conn, floor=floor.settled, limit=100)
            floor.advance(conn)
            assert (len(claimed), floor.settled) == (rows, rows)
        engine.dispose()


def test_a_standby_is_passed_by(servers: tuple[EmbeddedPostgres, EmbeddedPostgres]) -> None:
    """Whoever refuses to write is no place for a transition, however early it stands in the URL."""
    first, second = servers
    with psycopg.connect(url(first), autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        conn.execute("SELECT pg_reload_conf()")
        eventually(lambda: read_only(first), what="the first refuses to write")
    engine = an_engine(f"{url(first, second)}?target_session_attrs=read-write")

    with engine.connect() as found:
        assert found.execute(text("SHOW port")).scalar_one() == str(second.port)
    engine.dispose()


def publish(engine: Engine, publisher: Publisher, count: int) -> None:
    with engine.connect() as conn:
        for _ in range(count):
            a_job(conn)
    sent = 0
    while sent < count:
        sent += eventually(publisher.run_once, what="rows are published")


def answers(engine: Engine) -> bool:
    try:
        check_database(engine)
    except DatabaseUnavailable:
        return False
    return True


def read_only(server: EmbeddedPostgres) -> bool:
    with psycopg.connect(url(server)) as conn:
        row = conn.execute("SHOW default_transaction_read_only").fetchone()
    return row == ("on",)
