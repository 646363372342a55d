"""A page's connection is read-only, and times out; behind a pooler, too."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.api.actions.partial import looked_at
from shared.database.engine import transactional
from shared.database.reading import create_reading_engine


@pytest.fixture(params=[False, True], ids=["direct", "through a pooler"])
def reading(request: pytest.FixtureRequest, database_url: str) -> Iterator[Engine]:
    engine = create_reading_engine(
        database_url, application_name="test", pool_size=1, through_pooler=request.param, timeout_s=0.2
    )
    yield engine
    engine.dispose()


def test_it_writes_nothing(reading: Engine, engine: Engine) -> None:
    for each in (reading, transactional(reading)):
        with each.connect() as conn, pytest.raises(DBAPIError, match="read-only"):
            conn.execute(text("DELETE FROM audit"))


def test_what_takes_long_or_is_locked_is_given_up(reading: Engine, engine: Engine) -> None:
    assert looked_at(reading, "slow", lambda conn: conn.execute(text("SELECT pg_sleep(60)")).scalar()) is None
    with transactional(engine).connect() as other:
        other.execute(text("LOCK TABLE job_totals IN ACCESS EXCLUSIVE MODE"))
        assert looked_at(reading, "locked", lambda conn: conn.execute(text("SELECT * FROM job_totals")).all()) is None
        other.rollback()
    assert looked_at(reading, "free", lambda conn: conn.execute(text("SELECT 1")).scalar()) == 1, "the next look works"


def test_who_finds_no_connection_gives_up_and_what_is_wrong_is_not_hidden(reading: Engine) -> None:
    with reading.connect():
        assert looked_at(reading, "all taken", lambda conn: conn.execute(text("SELECT 1")).scalar()) is None
        with pytest.raises(PoolTimeout):
            reading.connect()
    with pytest.raises(DBAPIError, match="does not exist"):
        looked_at(reading, "wrong", lambda conn: conn.execute(text("SELECT * FROM nowhere")))
