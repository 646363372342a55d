"""Many submissions in one request: each is answered separately, in order, and affects no other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from services.api.auth.rate_limit import RateLimit
from shared.jobs import submit
from tests.support.api_app import an_app, problem
from tests.support.jobs import count
from tests.support.promises import broken


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def batch(client: TestClient, *asked: object) -> list[dict[str, Any]]:
    answer = client.post("/v1/jobs:batch", json={"jobs": list(asked)})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert len(results) == len(asked)
    return results


def test_each_is_answered_for_itself_in_order(client: TestClient, conn: Connection) -> None:
    asked: list[object] = [
        {"reportType": "calendar", "parameters": {"from": "2026-01-01", "to": "2026-01-02"}},
        {"reportType": "nothing"}, {},
        {"reportType": "calendar", "formats": ["docx"], "maxAttempts": 99}, 5, {"reportType": "calendar", "runAt": "x"},
        {"reportType": "calendar", "idempotencyKey": 7}, {"reportType": "calendar", "idempotencyKey": ""},
    ]  # fmt: skip
    found = batch(client, *asked)

    assert [one["status"] for one in found] == [202, 404, 202, 422, 422, 422, 422, 422]
    assert [one["job"] is not None for one in found] == [one["problem"] is None for one in found]
    assert found[1]["problem"]["code"] == "unknown_report_type"
    assert {v["field"] for v in found[3]["problem"]["violations"]} == {"formats[0]", "maxAttempts"}
    assert [v["field"] for one in found[6:] for v in one["problem"]["violations"]] == ["idempotencyKey"] * 2
    for one in (found[0], found[2]):
        assert client.get(one["job"]["links"]["self"]).json()["status"] == "PENDING"
    assert count(conn, "jobs") == count(conn, "outbox") == 2
    assert broken(conn, at_rest=False) == {}


def test_a_batch_of_mistakes_keeps_nobody_else_waiting(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    hints = mock.Mock(return_value="")
    monkeypatch.setattr("services.api.actions.checks.did_you_mean", hints)
    wrong = {**{f"field{n}": 1 for n in range(200)}, "formats": [f"csv{n}" for n in range(200)]}
    found = batch(client, *[wrong] * 30)
    assert {one["status"] for one in found} == {422}
    assert hints.call_count <= 30 * 20, "each takes its time, and there may be a thousand submissions"


def test_the_same_batch_again_makes_nothing_twice(client: TestClient, conn: Connection) -> None:
    asked = [{"reportType": "calendar", "idempotencyKey": f"k-{n % 3}"} for n in range(6)]
    first = batch(client, *asked)
    again = batch(client, *asked)

    assert [one["job"]["jobId"] for one in first] == [one["job"]["jobId"] for one in again]
    assert [one["replayed"] for one in again] == [True] * 6
    assert count(conn, "jobs") == 3
    alone = client.post("/v1/jobs", json={"reportType": "calendar"}, headers={"Idempotency-Key": "k-0"})
    assert alone.json()["jobId"] == first[0]["job"]["jobId"]
    [other] = batch(client, {"reportType": "calendar", "formats": ["xlsx"], "idempotencyKey": "k-0"})
    assert (other["status"], other["problem"]["code"]) == (422, "idempotency_key_reused")


def test_a_thousand_share_a_few_commits(client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[int] = []
    insert = submit._insert

    def counted(conn: Connection, asked: Any, **more: Any) -> Any:
        born = insert(conn, asked, **more)
        batches.append(len(born))
        return born

    monkeypatch.setattr(submit, "_insert", counted)
    found = batch(client, *[{"reportType": "calendar"}] * 1000)

    assert {one["status"] for one in found} == {202}
    assert count(conn, "jobs") == sum(batches) == 1000
    assert len(batches) <= 24


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "jobs"), ({"jobs": []}, "jobs"), ({"jobs": {}}, "jobs"), ({"jobs": [{}] * 1001}, "jobs"),
     ({"jobs": [{}], "jbos": 1}, "jbos")],
    ids=["nothing", "none", "no list", "too many", "unknown"],
)  # fmt: skip
def test_what_is_no_batch_writes_nothing(client: TestClient, conn: Connection, body: object, field: str) -> None:
    told = problem(client.post("/v1/jobs:batch", json=body), 422, "invalid_request")
    assert [v["field"] for v in told["violations"]] == [field]
    assert count(conn, "jobs") == 0


def test_a_batch_and_each_of_it_are_bounded_in_bytes(client: TestClient, conn: Connection) -> None:
    large = {"reportType": "calendar", "parameters": {"from": "x" * 300_000}}
    [found] = batch(client, large)
    assert "262144 bytes" in found["problem"]["detail"]
    problem(client.post("/v1/jobs:batch", json={"jobs": [large] * 15}), 413, "body_too_large")
    assert count(conn, "jobs") == 0


def test_a_bug_in_one_harms_no_other(client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.api.actions import batches

    submit_one = batches._submit

    async def broken_for_one(parts: Any, principal: Any, asked: Any, trace: Any) -> Any:
        if asked.get("maxAttempts") == 2:
            raise ZeroDivisionError
        return await submit_one(parts, principal, asked, trace)

    monkeypatch.setattr(batches, "_submit", broken_for_one)
    found = batch(client, {"reportType": "calendar"}, {"reportType": "calendar", "maxAttempts": 2})
    assert [one["status"] for one in found] == [202, 500]
    assert found[1]["problem"]["code"] == "internal_error"


def test_each_of_a_batch_counts_as_a_request() -> None:
    now = 1000.0
    limit = RateLimit(10, 5, lambda: now)
    assert limit.take("acme").wait_s == 0
    limit.charge("acme", 99)
    assert 9 < limit.take("acme").wait_s < 10
    assert limit.take("other").wait_s == 0
    now += 10
    assert limit.take("acme").wait_s == 0


def test_a_batch_tells_what_it_has_left_of_the_quota(database_url: str, scratch: Path) -> None:
    app = an_app(database_url, scratch, API_RATE_LIMIT="1", API_RATE_BURST="100")
    with TestClient(app) as client:
        answer = client.post("/v1/jobs:batch", json={"jobs": [{"reportType": "calendar"}] * 40})

    assert answer.headers["ratelimit"] == '"requests";r=60;t=40'
