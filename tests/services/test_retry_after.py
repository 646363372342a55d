"""`Retry-After` of an unfinished job is based on the recent durations of such jobs."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from shared.database.statements import statement_name
from tests.support.api_app import an_app
from tests.support.eventually import eventually
from tests.support.postgres.roles import service_urls


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(service_urls(database_url)["api"], scratch), raise_server_exceptions=False) as client:
        yield client


def took(conn: Connection, bucket: int, tenant: str = "default") -> None:
    """A minute ago, a hundred jobs ended within that bucket."""
    conn.execute(
        text(
            "INSERT INTO job_minutes (tenant, report_type, outcome, minute, jobs, seconds, buckets) VALUES "
            "(:tenant, 'calendar', 'SUCCESS', date_trunc('minute', clock_timestamp(), 'UTC'), 100, 1, "
            "array_fill(0, ARRAY[CAST(:bucket AS int)]) || 100 || array_fill(0, ARRAY[15 - CAST(:bucket AS int)]))"
        ),
        {"tenant": tenant, "bucket": bucket},
    )


def learned(client: TestClient) -> int:
    """What a submission says, once the API has read what is known."""
    eventually(lambda: client.post("/v1/jobs").headers["retry-after"] != "1", what="the history is read")
    return int(client.post("/v1/jobs").headers["retry-after"])


def test_without_a_history_it_is_one_second(client: TestClient) -> None:
    for _ in range(3):
        accepted = client.post("/v1/jobs")
        assert accepted.headers["retry-after"] == "1"
        assert client.get(accepted.headers["location"]).headers["retry-after"] == "1"


def test_the_median_of_the_kind_less_what_has_passed(client: TestClient, conn: Connection) -> None:
    took(conn, 7)  # 10 to 20 s

    assert learned(client) == 15
    job = client.post("/v1/jobs").headers["location"]
    assert 10 <= int(client.get(job).headers["retry-after"]) <= 15
    job_id = UUID(job.rsplit("/", 1)[1])
    conn.execute(text("UPDATE jobs SET run_at = run_at - interval '1 h' WHERE id = :id"), {"id": job_id})
    assert client.get(job).headers["retry-after"] == "1"
    conn.execute(text("UPDATE jobs SET run_at = run_at + interval '2 h' WHERE id = :id"), {"id": job_id})
    assert client.get(job).headers["retry-after"] == "30"


def test_it_is_half_a_minute_at_most_and_never_another_tenants(client: TestClient, conn: Connection) -> None:
    took(conn, 15, tenant="other")
    assert client.post("/v1/jobs").headers["retry-after"] == "1"
    took(conn, 15)
    client.app.state.parts.history._known.clear()  # type: ignore[attr-defined] # a minute passes

    assert learned(client) == 30


def test_no_request_asks_for_it(client: TestClient, conn: Connection) -> None:
    took(conn, 7)
    learned(client)
    seen: list[str] = []
    watching = client.app.state.parts.watcher._engine.sync_engine  # type: ignore[attr-defined]
    event.listen(watching, "after_cursor_execute", lambda _c, _cur, sql, *_: seen.append(sql))

    for _ in range(20):
        client.get(client.post("/v1/jobs").headers["location"])

    assert {statement_name(sql) for sql in seen} == {"jobs.seen"}  # the GETs themselves
