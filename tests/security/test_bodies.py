"""Bodies that are too large, too deep, or full of small errors: each gets an answer, and a small one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection

from services.api.actions.errors import MOST_VIOLATIONS
from services.api.v1.submission_body import MAX_BODY_BYTES
from tests.support.api_app import JSON, an_app
from tests.support.jobs import count

_FULL = MAX_BODY_BYTES - 200


@pytest.fixture
def client(database_url: str, scratch: Path) -> Iterator[TestClient]:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        yield client


def _nested(depth: int, opening: str, closing: str) -> str:
    return opening * depth + "1" + closing * depth


BODIES = {
    "unknown fields": json.dumps({f"x{n}": n for n in range(_FULL // 14)}),
    "formats nobody has": json.dumps({"formats": ["x"] * (_FULL // 5)}),
    "parameters nobody has": json.dumps({"parameters": {f"x{n}": n for n in range(_FULL // 14)}}),
    "one long name": json.dumps({"x" * _FULL: 1}),
    "one long report type": json.dumps({"reportType": "x" * _FULL}),
    "one long value": json.dumps({"parameters": {"from": "x" * _FULL}}),
    "a long number": '{"parameters": {"from": ' + "9" * _FULL + "}}",
    "a large exponent": '{"parameters": {"from": 1e999999}}',
    "the same name again and again": "{" + ",".join(['"reportType": "calendar"'] * (_FULL // 26)) + ', "x": 1}',
    "escapes": '{"' + "\\u0041" * (_FULL // 6) + '": 1}',
}


def test_many_small_violations_get_one_bounded_answer(client: TestClient, conn: Connection) -> None:
    for kind, body in BODIES.items():
        answer = client.post("/v1/jobs", content=body, headers=JSON)

        assert 400 <= answer.status_code < 500, f"{kind}: {answer.text[:1000]}"
        assert len(answer.content) < 40_000, kind
        assert len(answer.json().get("violations", [])) <= MOST_VIOLATIONS, kind
    assert count(conn, "jobs") == 0


def test_no_depth_of_nesting_breaks_the_service(client: TestClient) -> None:
    for depth in (*range(300, 1100, 20), 5_000, 40_000):
        for place in ("formats", "parameters", "reportType", "x"):
            for opening, closing in (("[", "]"), ('{"a":', "}")):
                body = f'{{"{place}": {_nested(depth, opening, closing)}}}'
                answer = client.post("/v1/jobs", content=body, headers=JSON)
                assert 400 <= answer.status_code < 500, f"{depth} {opening} in {place}: {answer.text[:1000]}"


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" " * 65_536

    answer = client.post("/v1/jobs", content=endless(), headers=JSON)

    assert answer.status_code == 413


@pytest.mark.parametrize("name", ["reportType", "requester", "errorCode"])
def test_a_query_that_is_too_long_gets_a_problem(name: str, client: TestClient) -> None:
    assert client.get("/v1/jobs", params={name: "x" * 100}).status_code == 200
    answer = client.get("/v1/jobs", params={name: "x" * 101})

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [violation["field"] for violation in answer.json()["violations"]] == [name]


def test_a_refused_method_names_all_that_the_path_takes(client: TestClient) -> None:
    expected = {
        "/v1/jobs": "GET, HEAD, OPTIONS, POST",
        "/generate-report": "OPTIONS, POST",
        "/jobs/x:cancel": "OPTIONS, POST",
        "/jobs/x": "GET, HEAD, OPTIONS",
    }
    for path, allowed in expected.items():
        answer = client.request("PUT", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), path
