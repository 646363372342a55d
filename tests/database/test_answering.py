"""A frozen server with open connections is treated as unreachable."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.database.answering import ANSWER_S
from shared.database.engine import SESSION_BOUNDS, create_engine, transactional
from shared.database.unavailable import is_unavailable
from tests.support.faults.tcp_proxy import Proxy


def test_a_frozen_server_is_given_up_and_met_again(database_url: str) -> None:
    parts = urlsplit(database_url.replace("+psycopg", ""))
    with Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy:
        engine = create_engine(proxy.url(database_url), application_name="test-frozen", pool_size=1, answer_s=0.2)
        with transactional(engine).connect() as conn:
            assert conn.execute(text("SELECT 1")).scalar_one() == 1
            proxy.freeze()
            pool = ThreadPoolExecutor(1)
            asked = pool.submit(conn.execute, text("SELECT 2"))
            pool.shutdown(wait=False)
            try:
                with pytest.raises(OperationalError, match=r"no answer within 0\.2 seconds") as caught:
                    asked.result(20)
            finally:
                proxy.cut()  # or this test would wait with it, where it fails
            assert is_unavailable(caught.value)
            assert caught.value.connection_invalidated, "its answer may still come, and would be taken for another's"
        proxy.thaw()
        with engine.connect() as conn:
            assert conn.execute(text("SELECT 3")).scalar_one() == 3
        engine.dispose()


def test_an_answer_within_its_time_is_waited_for(database_url: str) -> None:
    engine = create_engine(database_url, application_name="test-slow", pool_size=1, answer_s=60)
    with engine.connect() as conn:
        assert conn.execute(text("SELECT 1 FROM pg_sleep(0.3)")).scalar_one() == 1
    engine.dispose()


def test_a_server_that_works_has_answered_by_then() -> None:
    bound_s = int(SESSION_BOUNDS["statement_timeout"].removesuffix("s"))

    assert bound_s < ANSWER_S <= bound_s + 10
