"""A job and its files can be kept longer: within the operator's limits, and never for less time than before."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs import retention
from shared.jobs.artifacts import Artifact
from shared.jobs.finish import Failure, fail
from shared.jobs.succeed import Success, succeed
from tests.support.api_app import an_app, problem
from tests.support.jobs import row, started
from tests.support.promises import broken

DAY_S = 86_400


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def submitted(client: TestClient) -> UUID:
    return UUID(client.post("/v1/jobs", json={"reportType": "calendar"}).json()["jobId"])


@pytest.fixture
def done(client: TestClient, conn: Connection) -> UUID:
    job_id = submitted(client)
    file = Artifact("calendar.csv", "csv", "text/csv", 4, "0" * 64, 1)
    succeed(conn, [Success(started(conn, job_id).lease, [file], 0.1)])
    return job_id


def keep(client: TestClient, job_id: UUID, **fields: str) -> dict[str, Any]:
    answer = client.post(f"/v1/jobs/{job_id}:keep", **({"json": fields} if fields else {}))  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    assert answer.headers["etag"] == client.get(f"/v1/jobs/{job_id}").headers["etag"]
    job: dict[str, Any] = answer.json()
    return job


def after(conn: Connection, job_id: UUID, days: float) -> str:
    moment: datetime = row(conn, job_id).finished_at + timedelta(days=days)
    return moment.isoformat()


def test_without_a_body_it_is_kept_as_long_as_is_allowed(client: TestClient, conn: Connection, done: UUID) -> None:
    job = keep(client, done)
    assert (job["keepFilesSeconds"], job["keepSeconds"]) == (365 * DAY_S, 365 * DAY_S)
    version = row(conn, done).version
    assert keep(client, done) == job
    assert row(conn, done).version == version
    [entry] = conn.execute(text("SELECT action, object, before, after FROM audit")).all()
    assert (entry.action, entry.object) == ("jobs.keep", f"jobs/{done}")
    assert entry.before == {"keepFilesSeconds": 30 * DAY_S, "keepSeconds": 90 * DAY_S}
    assert broken(conn, at_rest=False) == {}


def test_what_is_asked_for_is_moved_and_nothing_is_shortened(client: TestClient, conn: Connection, done: UUID) -> None:
    job = keep(client, done, expiresAt=after(conn, done, 100))
    assert (job["keepFilesSeconds"], job["keepSeconds"]) == (100 * DAY_S, 100 * DAY_S)
    assert job["expiresAt"] == job["keptUntil"] == after(conn, done, 100)
    job = keep(client, done, keptUntil=after(conn, done, 200))
    assert (job["keepFilesSeconds"], job["keepSeconds"]) == (100 * DAY_S, 200 * DAY_S)
    assert keep(client, done, expiresAt=after(conn, done, 1), keptUntil="2001-01-01T00:00:00Z") == job


def test_beyond_the_bound_is_refused_with_the_bound(client: TestClient, conn: Connection, done: UUID) -> None:
    before = row(conn, done)
    given = {"expiresAt": after(conn, done, 366), "keptUntil": after(conn, done, 366)}
    told = problem(client.post(f"/v1/jobs/{done}:keep", json=given), 422, "invalid_request")
    assert [(v["field"], "_KEEP_MAX_DAYS" in v["message"]) for v in told["violations"]] == [
        ("expiresAt", True), ("keptUntil", True),
    ]  # fmt: skip
    told = problem(client.post(f"/v1/jobs/{done}:keep", json={"expireAt": "x", "keptUntil": 5}), 422, "invalid_request")
    assert {v["field"] for v in told["violations"]} == {"expireAt", "keptUntil"}
    assert row(conn, done) == before


def test_what_goes_on_or_is_unknown_cannot_be_kept(client: TestClient, conn: Connection) -> None:
    job_id = submitted(client)
    told = problem(client.post(f"/v1/jobs/{job_id}:keep"), 409, "not_ended")
    assert "keepFilesSeconds" in told["detail"]
    problem(client.post(f"/v1/jobs/{uuid4()}:keep"), 404, "unknown_job")
    client.delete(f"/v1/jobs/{job_id}?cancel=true")
    problem(client.post(f"/v1/jobs/{job_id}:keep"), 410, "job_deleted")


@pytest.mark.parametrize("left_s", [-10, 30])
def test_files_that_are_gone_or_as_good_as_gone_cannot_be_kept(
    client: TestClient, conn: Connection, done: UUID, left_s: int
) -> None:
    conn.execute(text("UPDATE jobs SET keep_artifacts_s = 100"))
    conn.execute(text("ALTER TABLE jobs DISABLE TRIGGER USER"))
    conn.execute(text(f"UPDATE jobs SET finished_at = clock_timestamp() - interval '{100 - left_s} s'"))
    conn.execute(text("ALTER TABLE jobs ENABLE TRIGGER USER"))
    for body in ({}, {"expiresAt": after(conn, done, 5)}):
        problem(client.post(f"/v1/jobs/{done}:keep", json=body), 409, "nothing_to_keep")
    assert keep(client, done, keptUntil=after(conn, done, 200))["keepSeconds"] == 200 * DAY_S


def test_a_job_without_files_is_kept_alone(client: TestClient, conn: Connection) -> None:
    job_id = submitted(client)
    fail(conn, [Failure(started(conn, job_id).lease, "boom", "", retryable=False, delay_s=0)])
    assert keep(client, job_id)["keepSeconds"] == 365 * DAY_S
    problem(client.post(f"/v1/jobs/{job_id}:keep", json={"expiresAt": after(conn, job_id, 5)}), 409, "nothing_to_keep")


def test_what_is_kept_for_longer_is_not_removed(client: TestClient, conn: Connection, done: UUID) -> None:
    keep(client, done, expiresAt=after(conn, done, 100))
    conn.execute(text("ALTER TABLE jobs DISABLE TRIGGER USER"))
    conn.execute(text("UPDATE jobs SET finished_at = finished_at - interval '99 days'"))
    conn.execute(text("ALTER TABLE jobs ENABLE TRIGGER USER"))
    assert retention.expired(conn).files == []
    assert retention.forget_jobs(conn).rows == 0


def test_the_version_that_was_seen_is_the_one_that_is_kept(client: TestClient, conn: Connection, done: UUID) -> None:
    problem(client.post(f"/v1/jobs/{done}:keep", headers={"If-Match": '"1"'}), 412, "precondition_failed")
    seen = client.get(f"/v1/jobs/{done}").headers["etag"]
    assert client.post(f"/v1/jobs/{done}:keep", headers={"If-Match": seen}).status_code == 200
