"""`Prefer: wait` on a submission: still 202, with the job as it is at the end of the wait."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.app import create_app
from services.api.assembly import assemble
from services.api.settings import ApiSettings
from services.api.v1.views import AcceptedView, JobView
from shared.access import api_keys
from tests.support.api_app import all_places_taken, an_app, finished
from tests.support.eventually import eventually
from tests.support.faults.tcp_proxy import Proxy
from tests.support.jobs import count

PATHS = ("/v1/jobs", "/generate-report", "/jobs")


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def _new_job(conn: Connection) -> str:
    eventually(lambda: count(conn, "jobs") == 1, what="the job is accepted")
    return str(conn.execute(text("SELECT id FROM jobs")).scalar_one())


def _is_watched(conn: Connection) -> bool:
    looks = "query LIKE '%jobs.changed%' AND pid <> pg_backend_pid()"
    asked = f"SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND {looks}"
    return bool(conn.execute(text(asked)).scalar_one())


@pytest.mark.parametrize("path", PATHS)
def test_a_submission_that_waits_is_answered_202_with_the_job_that_has_ended(
    client: TestClient, conn: Connection, scratch: Path, path: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.post, path, headers=[("Prefer", "respond-async"), ("Prefer", "wait=30")])
        job_id = _new_job(conn)
        finished(conn, job_id, scratch)
        answer = asking.result(60)

    job: dict[str, Any] = answer.json()
    assert (answer.status_code, job["status"], job["jobId"]) == (202, "SUCCESS", job_id)
    assert job["result"]["artifacts"][0]["rows"] == 1
    assert answer.headers["preference-applied"] == "wait=30"
    assert answer.headers["location"] == job["links"]["self"] == f"/v1/jobs/{job_id}"
    assert answer.headers["etag"] == client.get(f"/v1/jobs/{job_id}").headers["etag"]
    assert "retry-after" not in answer.headers
    assert job == client.get(f"/v1/jobs/{job_id}").json()


def test_a_wait_that_ends_too_early_is_answered_with_the_job_as_it_is(client: TestClient) -> None:
    answer = client.post("/v1/jobs", headers={"Prefer": "wait=1"})

    JobView.model_validate(answer.json())
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert answer.headers["preference-applied"] == "wait=1"
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("prefer", ["", "wait", "wait=x", "wait=0", "respond-async", "wait=0, wait=30"])
def test_without_a_wait_the_answer_is_the_short_one(client: TestClient, prefer: str) -> None:
    answer = client.post("/v1/jobs", headers={"Prefer": prefer})

    AcceptedView.model_validate(answer.json())
    assert "preference-applied" not in answer.headers


def test_a_repetition_waits_for_the_first_job(client: TestClient, conn: Connection, scratch: Path) -> None:
    asked = {"Idempotency-Key": "k", "Prefer": "wait=30"}
    first = client.post("/v1/jobs", headers={"Idempotency-Key": "k"}).json()["jobId"]
    finished(conn, first, scratch)

    answer = client.post("/v1/jobs", headers=asked)

    assert (answer.json()["jobId"], answer.json()["status"]) == (first, "SUCCESS")
    assert answer.headers["idempotent-replayed"] == "true"


def test_a_retry_that_waits_is_answered_with_the_new_job_that_has_ended(
    client: TestClient, conn: Connection, scratch: Path
) -> None:
    old = client.post("/v1/jobs").json()["jobId"]
    finished(conn, old, scratch)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.post, f"/v1/jobs/{old}:retry", headers={"Prefer": "wait=30"})
        eventually(lambda: count(conn, "jobs") == 2, what="the new job is accepted")
        new = str(conn.execute(text("SELECT id FROM jobs WHERE retry_of IS NOT NULL")).scalar_one())
        finished(conn, new, scratch)
        answer = asking.result(60)

    job: dict[str, Any] = answer.json()
    assert (answer.status_code, job["status"], job["jobId"], job["retryOf"]) == (202, "SUCCESS", new, old)
    assert answer.headers["preference-applied"] == "wait=30"
    assert job == client.get(f"/v1/jobs/{new}").json()


def test_who_may_not_look_at_jobs_is_not_kept_waiting(database_url: str, scratch: Path, conn: Connection) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="writer", scopes=["jobs:create"])
    with TestClient(an_app(database_url, scratch, API_AUTH="keys")) as client:
        began = time.monotonic()
        answer = client.post("/v1/jobs", headers={"Prefer": "wait=30", "Authorization": f"Bearer {key}"})

    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert "preference-applied" not in answer.headers
    assert time.monotonic() - began < 20


def test_where_no_place_is_free_the_answer_comes_at_once(database_url: str, scratch: Path) -> None:
    settings = ApiSettings.from_environment({"DATABASE_URL": database_url, "ARTIFACT_URL": scratch.as_uri()})
    parts = assemble(settings)
    with TestClient(create_app(replace(parts, jobs=None))) as client, all_places_taken(parts.watcher):
        answer = client.post("/v1/jobs", headers={"Prefer": "wait=30"})

    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING")
    assert "preference-applied" not in answer.headers
    assert answer.headers["retry-after"]


def test_a_job_that_is_accepted_is_202_although_the_database_goes_away_while_it_is_waited_for(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    at = urlsplit(database_url)
    with (
        Proxy(str(at.hostname), int(at.port or 5432)) as proxy,
        TestClient(an_app(proxy.url(database_url), scratch), raise_server_exceptions=False) as client,
        ThreadPoolExecutor(1) as pool,
    ):
        asking = pool.submit(client.post, "/v1/jobs", headers={"Prefer": "wait=4"})
        job_id = _new_job(conn)
        eventually(lambda: _is_watched(conn), what="the API knows that it is accepted, and waits")
        proxy.refusing = True
        proxy.cut()
        answer = asking.result(60)

    assert (answer.status_code, answer.json()["jobId"]) == (202, job_id)
    assert "preference-applied" not in answer.headers
