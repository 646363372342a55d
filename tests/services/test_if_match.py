"""If-Match: a client changes only what it has seen."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from shared.jobs.finish import Failure, fail
from tests.support.api_app import an_app, problem
from tests.support.jobs import count, row, started


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("other", ['"7"', 'W/"1"', '"2", "3"', "nonsense", '"1-expired"'])
def test_a_job_that_is_not_the_one_that_was_seen_is_not_cancelled(
    client: TestClient, conn: Connection, other: str
) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    before = row(conn, UUID(job_id))

    problem(client.post(f"/v1/jobs/{job_id}:cancel", headers={"If-Match": other}), 412, "precondition_failed")
    assert row(conn, UUID(job_id)) == before
    assert count(conn, "audit") == 0


@pytest.mark.parametrize("same", ['"1"', "*", '"9", "1"'])
def test_the_one_that_was_seen_is_cancelled(client: TestClient, same: str) -> None:
    submitted = client.post("/v1/jobs")
    job = submitted.json()["links"]["self"]
    assert submitted.headers["etag"] == client.get(job).headers["etag"] == '"1"'

    answer = client.post(f"{job}:cancel", headers={"If-Match": same})
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert answer.headers["etag"] == client.get(job).headers["etag"] == '"2"'


def test_a_worker_that_has_begun_meanwhile_makes_it_another(client: TestClient, conn: Connection) -> None:
    submitted = client.post("/v1/jobs")
    job_id, seen = submitted.json()["jobId"], submitted.headers["etag"]
    started(conn, UUID(job_id))

    problem(client.post(f"/v1/jobs/{job_id}:cancel", headers={"If-Match": seen}), 412, "precondition_failed")
    now = client.get(f"/v1/jobs/{job_id}").headers["etag"]
    asked = client.post(f"/v1/jobs/{job_id}:cancel", headers={"If-Match": now})
    assert asked.status_code == 202
    assert asked.headers["etag"] == client.get(f"/v1/jobs/{job_id}").headers["etag"] != now


def test_a_retry_may_insist_on_what_failed(client: TestClient, conn: Connection) -> None:
    job_id = client.post("/v1/jobs").json()["jobId"]
    fail(conn, [Failure(started(conn, UUID(job_id)).lease, "boom", "it broke", retryable=False, delay_s=0)])
    seen = client.get(f"/v1/jobs/{job_id}").headers["etag"]

    problem(client.post(f"/v1/jobs/{job_id}:retry", headers={"If-Match": '"1"'}), 412, "precondition_failed")
    assert count(conn, "jobs") == 1
    again = client.post(f"/v1/jobs/{job_id}:retry", headers={"If-Match": seen})
    assert (again.status_code, again.headers["etag"]) == (202, '"1"')


def test_an_unknown_job_is_404_whatever_is_insisted_on(client: TestClient) -> None:
    for verb in ("cancel", "retry"):
        answer = client.post(f"/v1/jobs/{UUID(int=7)}:{verb}", headers={"If-Match": "*"})
        problem(answer, 404, "unknown_job")


def test_a_replay_names_no_revision(client: TestClient) -> None:
    key = {"Idempotency-Key": "k"}
    assert "etag" in client.post("/v1/jobs", headers=key).headers
    assert "etag" not in client.post("/v1/jobs", headers=key).headers
