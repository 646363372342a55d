"""One run for many equal requests: never across requesters, and never a job that answers nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.api.actions.reuse import reuse_key
from shared.catalog.load import BUILTIN, load_catalog
from shared.database.engine import create_engine, transactional
from shared.jobs import cancel
from shared.jobs.artifacts import Artifact
from shared.jobs.finish import Failure, fail
from shared.jobs.reuse import submit_or_reuse
from shared.jobs.submission import Accepted
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from tests.support.api_app import an_app, problem
from tests.support.jobs import a_submission, count, row, started
from tests.support.promises import broken

ASKED = {"reportType": "calendar", "parameters": {"from": "2026-02-01", "to": "2026-02-03"}, "formats": ["csv"]}


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def ask(client: TestClient, *, age_s: int = 60, key: str | None = None, **more: Any) -> tuple[UUID, bool]:
    """The job that answers, and whether it was there."""
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = client.post("/v1/jobs", json={**ASKED, "reuse": {"maxAgeSeconds": age_s}, **more}, headers=headers)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert answer.headers["location"] == told["links"]["self"]
    return UUID(told["jobId"]), told["reused"]


def done(conn: Connection, job_id: UUID) -> None:
    file = Artifact("calendar.csv", "csv", "text/csv", 4, "0" * 64, 1)
    succeed(conn, [Success(started(conn, job_id).lease, [file], 0.1)])


def test_the_same_question_has_one_job(client: TestClient, conn: Connection) -> None:
    first, reused = ask(client)
    assert not reused
    assert ask(client) == (first, True)  # it waits
    assert ask(client, parameters={"to": "2026-02-03", "from": "2026-02-01"}, labels=None) == (first, True)
    done(conn, first)
    assert ask(client) == (first, True)
    assert count(conn, "jobs") == 1
    assert broken(conn, at_rest=False) == {}


@pytest.mark.parametrize(
    "more",
    [{"formats": ["xlsx"]}, {"parameters": {"from": "2026-02-01"}}, {"fileName": "mine"}, {"labels": {"a": "b"}},
     {"keepFilesSeconds": 600}],
    ids=str,
)  # fmt: skip
def test_another_question_has_another(client: TestClient, conn: Connection, more: dict[str, Any]) -> None:
    first, _ = ask(client)
    other, reused = ask(client, **more)
    assert (other != first, reused) == (True, False)
    assert ask(client, **more) == (other, True)


def test_what_was_asked_for_without_reuse_is_not_found(client: TestClient, conn: Connection) -> None:
    plain = UUID(client.post("/v1/jobs", json=ASKED).json()["jobId"])
    first, reused = ask(client)
    assert (first != plain, reused) == (True, False)
    assert client.post("/v1/jobs", json=ASKED).json()["reused"] is False
    assert row(conn, plain).reuse_key is None


@pytest.mark.parametrize("end", ["failed", "cancelled", "cancelling", "deleted", "expiring", "old", "late", "version"])
def test_a_job_that_answers_nothing_is_not_reused(client: TestClient, conn: Connection, end: str) -> None:
    first, _ = ask(client)
    match end:
        case "failed":
            fail(conn, [Failure(started(conn, first).lease, "boom", "", retryable=False, delay_s=0)])
        case "cancelled":
            cancel.cancel(conn, first, Viewer("default"))
        case "cancelling":
            started(conn, first)
            cancel.cancel(conn, first, Viewer("default"))
        case "deleted":
            done(conn, first)
            assert client.delete(f"/v1/jobs/{first}").status_code == 204
        case "expiring":
            done(conn, first)
            conn.execute(text("UPDATE jobs SET keep_artifacts_s = 30"))
        case "old":
            conn.execute(text("UPDATE jobs SET created_at = created_at - interval '61 s'"))
        case "late":
            conn.execute(text("UPDATE jobs SET deadline_at = clock_timestamp() - interval '1 s'"))
        case _:
            conn.execute(text("ALTER TABLE jobs DISABLE TRIGGER USER"))
            conn.execute(text("UPDATE jobs SET reuse_key = 'that of another version'"))
            conn.execute(text("ALTER TABLE jobs ENABLE TRIGGER USER"))
    second, reused = ask(client)
    assert (second != first, reused) == (True, False)
    assert ask(client) == (second, True)


def test_a_key_comes_first_and_stands_for_what_was_found(client: TestClient, conn: Connection) -> None:
    first, _ = ask(client)
    assert ask(client, key="k") == (first, True)
    answer = client.post("/v1/jobs", json={**ASKED, "reuse": {"maxAgeSeconds": 60}}, headers={"Idempotency-Key": "k"})
    assert (answer.json()["jobId"], answer.headers["idempotent-replayed"]) == (str(first), "true")
    fail(conn, [Failure(started(conn, first).lease, "boom", "", retryable=False, delay_s=0)])
    assert ask(client, key="k") == (first, False)  # its own, whatever became of it
    second, _ = ask(client, key="new")
    assert second != first
    other = {**ASKED, "formats": ["xlsx"], "reuse": {"maxAgeSeconds": 60}}
    told = client.post("/v1/jobs", json=other, headers={"Idempotency-Key": "k"})
    problem(told, 422, "idempotency_key_reused")
    assert broken(conn, at_rest=False) == {}


@pytest.mark.parametrize(
    ("given", "field"),
    [(5, "reuse"), ({}, "reuse.maxAgeSeconds"), ({"maxAgeSeconds": 0}, "reuse.maxAgeSeconds"),
     ({"maxAgeSeconds": 604_801}, "reuse.maxAgeSeconds"), ({"maxAgeSeconds": "1"}, "reuse.maxAgeSeconds"),
     ({"maxAgeSeconds": 5, "maxAge": 1}, "reuse.maxAge")],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused(client: TestClient, conn: Connection, given: object, field: str) -> None:
    told = problem(client.post("/v1/jobs", json={**ASKED, "reuse": given}), 422, "invalid_request")
    assert [v["field"] for v in told["violations"]] == [field]
    later = {**ASKED, "reuse": {"maxAgeSeconds": 5}, "runAt": "2026-12-01T00:00:00Z"}
    told = problem(client.post("/v1/jobs", json=later), 422, "invalid_request")
    assert "reuse" in {v["field"] for v in told["violations"]}
    assert count(conn, "jobs") == 0


def test_a_batch_asks_once(client: TestClient, conn: Connection) -> None:
    asked = {**ASKED, "reuse": {"maxAgeSeconds": 60}}
    found = client.post("/v1/jobs:batch", json={"jobs": [asked] * 20}).json()["results"]
    assert len({one["job"]["jobId"] for one in found}) == 1
    assert sorted(one["job"]["reused"] for one in found) == [False, *[True] * 19]
    assert count(conn, "jobs") == 1


def test_of_many_at_the_same_moment_one_makes_the_job(database_url: str, conn: Connection) -> None:
    engine: Engine = create_engine(database_url, application_name="test", pool_size=8)

    def one(n: int) -> Accepted:
        with transactional(engine).begin() as own:
            submission = a_submission(reuse_key="q", idempotency_key=f"k{n % 4}")
            answer = submit_or_reuse(own, submission, max_age_s=60)
            assert isinstance(answer, Accepted)
            return answer

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(40)))
    engine.dispose()
    assert len({answer.job_id for answer in found}) == 1
    assert sum(answer.created for answer in found) == 1
    assert (count(conn, "jobs"), count(conn, "outbox"), count(conn, "idempotency_keys")) == (1, 1, 4)
    assert broken(conn, at_rest=False) == {}


def test_the_question_of_another_requester_or_with_other_columns_is_another() -> None:
    calendar = load_catalog(BUILTIN).types["calendar"]

    def key(requester: str | None, *scopes: str) -> str:
        return reuse_key(calendar, {}, ["csv"], requester=requester, scopes=scopes or None, beside={})

    assert len({key(None), key("ann"), key("bob"), key("ann", "payroll:read")}) == 4
    assert key("ann") == key("ann")
