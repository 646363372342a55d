"""Retries: a new job with the request of an ended one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.engine import Connection

from shared.jobs import cancel
from shared.jobs.finish import Failure, fail
from shared.jobs.viewer import Viewer
from tests.support.api_app import an_app, problem
from tests.support.jobs import row, started
from tests.support.promises import broken

ASKED = {"reportType": "calendar", "parameters": {"from": "2026-02-01", "to": "2026-02-03"}, "formats": ["csv", "zip"]}


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def failed(client: TestClient, conn: Connection) -> UUID:
    """A job that was asked for and failed."""
    job_id = UUID(client.post("/v1/jobs", json=ASKED).json()["jobId"])
    fail(conn, [Failure(started(conn, job_id).lease, "boom", "it broke", retryable=False, delay_s=0)])
    return job_id


def again(client: TestClient, job_id: object, **more: Any) -> Response:
    answer: Response = client.post(f"/v1/jobs/{job_id}:retry", **more)
    return answer


def test_without_a_body_it_is_the_same_once_more(client: TestClient, conn: Connection, failed: UUID) -> None:
    before = row(conn, failed)
    answer = again(client, failed)

    assert answer.status_code == 202
    told = answer.json()
    assert (told["retryOf"], told["reportVersionChanged"], told["status"]) == (str(failed), False, "PENDING")
    assert answer.headers["location"] == told["links"]["self"] == f"/v1/jobs/{told['jobId']}"
    new = client.get(told["links"]["self"]).json()
    assert {name: new[name] for name in ASKED} == ASKED
    assert (new["retryOf"], new["attempt"]) == (str(failed), 0)
    assert row(conn, failed) == before
    assert client.get(f"/v1/jobs/{failed}").json()["retryOf"] is None
    assert broken(conn, at_rest=False) == {}


def test_what_is_given_takes_the_place_of_what_was(client: TestClient, failed: UUID) -> None:
    given = {"parameters": {"to": "2026-02-28"}, "formats": ["xlsx"]}
    new = client.get(again(client, failed, json=given).json()["links"]["self"]).json()
    assert new["parameters"] == {"from": "2026-02-01", "to": "2026-02-28"}
    assert new["formats"] == ["xlsx"]

    plain = client.get(client.post("/v1/jobs", json={"reportType": "calendar"}).json()["links"]["self"]).json()
    reset = client.get(again(client, failed, json={"parameters": {"from": None, "to": None}}).json()["links"]["self"])
    assert reset.json()["parameters"] == plain["parameters"]


def test_a_job_of_another_version_says_so(client: TestClient, conn: Connection, failed: UUID) -> None:
    conn.exec_driver_sql("UPDATE jobs SET report_version = 'older'")
    assert again(client, failed).json()["reportVersionChanged"] is True


def test_only_what_has_ended_is_asked_for_again(client: TestClient, conn: Connection) -> None:
    job_id = UUID(client.post("/v1/jobs", json=ASKED).json()["jobId"])
    told = problem(again(client, job_id), 409, "not_ended")
    assert told["retryable"] is True
    assert "Wait for its end, or cancel it" in told["detail"]
    started(conn, job_id)
    problem(again(client, job_id), 409, "not_ended")
    other = UUID(client.post("/v1/jobs", json=ASKED).json()["jobId"])
    cancel.cancel(conn, other, Viewer("default"))
    assert again(client, other).status_code == 202
    problem(again(client, uuid4()), 404, "unknown_job")


def test_mistakes_are_named_all_at_once(client: TestClient, conn: Connection, failed: UUID) -> None:
    given = {"reportType": "calendar", "parameters": {"from": "never", "form": 1}, "formats": ["docx"]}
    told = problem(again(client, failed, json=given), 422, "invalid_request")
    assert {v["field"] for v in told["violations"]} == {
        "reportType", "parameters.from", "parameters.form", "formats[0]",
    }  # fmt: skip
    problem(again(client, failed, json={"parameters": 5}), 422, "invalid_request")
    assert conn.exec_driver_sql("SELECT count(*) FROM jobs").scalar_one() == 1


def test_a_key_makes_one_job_and_is_not_that_of_a_submission(client: TestClient, failed: UUID) -> None:
    headers = {"Idempotency-Key": "again-1"}
    first = again(client, failed, headers=headers)
    replayed = again(client, failed, json={"parameters": {}}, headers=headers)
    assert first.json()["jobId"] == replayed.json()["jobId"]
    assert replayed.headers["idempotent-replayed"] == "true"
    problem(again(client, failed, json={"formats": ["csv"]}, headers=headers), 422, "idempotency_key_reused")

    submitted = client.post("/v1/jobs", json=ASKED, headers=headers)
    assert submitted.status_code == 202
    assert submitted.json()["jobId"] != first.json()["jobId"]
    assert "idempotent-replayed" not in submitted.headers


def test_a_key_of_one_job_is_not_that_of_another(client: TestClient, conn: Connection, failed: UUID) -> None:
    headers = {"Idempotency-Key": "again-1"}
    new = UUID(again(client, failed, headers=headers).json()["jobId"])
    fail(conn, [Failure(started(conn, new).lease, "boom", "it broke", retryable=False, delay_s=0)])
    problem(again(client, new, headers=headers), 422, "idempotency_key_reused")
