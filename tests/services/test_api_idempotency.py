"""`Idempotency-Key`: what counts as the same request, and how a repetition is answered, across deployments, too."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from services.api.actions import idempotency
from services.api.http.error_problems import problem_of
from shared.catalog.parameters import Violation
from shared.jobs.cancel import cancel
from shared.jobs.submission import IdempotencyKeyInFlight
from shared.jobs.viewer import Viewer
from tests.support.api_app import an_app, problem
from tests.support.jobs import count

_JSON = {"Content-Type": "application/json"}
_TYPE = """
title = "A report"
formats = ["csv", "jsonl"]
[parameters.n]
type = "integer"
default = {default}
[parameters.d]
type = "decimal"
default = "1.0"
[parameters.at]
type = "datetime"
required = false
[parameters.words]
type = "list"
items = "string"
required = false
[parameters.text]
type = "string"
required = false
"""
_QUERY = "SELECT :n::bigint AS n, :d::numeric AS d, :at::timestamptz AS at, :words::text[] AS words, :text::text AS t"


class Deployments:
    """The API over one database and the catalogs of several releases."""

    def __init__(self, database_url: str, folder: Path, stack: ExitStack) -> None:
        self._url, self._folder, self._stack = database_url, folder, stack

    def release(self, name: str = "one", *, default: int = 1, **settings: str) -> TestClient:
        catalog = self._folder / name
        for report in ("typed", "other"):
            (catalog / report).mkdir(parents=True)
            (catalog / report / "report.toml").write_text(_TYPE.format(default=default))
            (catalog / report / "query.sql").write_text(_QUERY)
        return self._serve(CATALOG_PATH=str(catalog), **settings)

    def built_in(self) -> TestClient:
        """A release whose catalog has none of them."""
        return self._serve()

    def _serve(self, **settings: str) -> TestClient:
        app = an_app(self._url, self._folder, **settings)
        return self._stack.enter_context(TestClient(app, raise_server_exceptions=False))


@pytest.fixture
def deployments(database_url: str, scratch: Path) -> Iterator[Deployments]:
    with ExitStack() as stack:
        yield Deployments(database_url, scratch, stack)


def ask(client: TestClient, body: str, key: str = "k", path: str = "/v1/jobs") -> httpx.Response:
    answer: httpx.Response = client.post(path, content=body, headers={**_JSON, "Idempotency-Key": key})
    return answer


def replayed(answer: httpx.Response, first: httpx.Response) -> None:
    assert first.status_code == 202, first.text
    assert answer.status_code == 202, answer.text
    assert answer.json()["jobId"] == first.json()["jobId"]
    assert answer.headers["idempotent-replayed"] == "true"


def _typed(parameters: str = "{}", more: str = "") -> str:
    return f'{{"reportType": "typed", "parameters": {parameters}{more}}}'


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("{}", ""),
        (_typed(), '{"reportType":"typed"}'),
        (_typed('{"n": 3, "d": "2.50"}'), _typed('{"d": 2.5, "n": 3}')),
        (_typed('{"d": "100"}'), _typed('{"d": 1e2}')),
        (_typed('{"d": 1}'), _typed('{"d": "1.00"}')),
        (_typed('{"n": null}'), _typed()),
        (_typed('{"at": "2026-01-01T09:00:00+09:00"}'), _typed('{"at": "2026-01-01T00:00:00.000Z"}')),
        (_typed('{"text": "\\u0041"}'), _typed('{"text": "A"}')),
        (_typed(more=', "formats": ["csv", "jsonl"]'), _typed(more=', "formats": ["jsonl", "csv", "csv"]')),
        (_typed('{"words": ["a", "b"]}'), _typed('{ "words" : [ "a","b" ] }')),
    ],
)
def test_the_same_meaning_is_the_same_request(first: str, again: str, deployments: Deployments) -> None:
    client = deployments.release()
    made = ask(client, first)
    replayed(ask(client, again), made)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (_typed('{"text": "1.5"}'), _typed('{"text": "1.50"}')),
        (_typed('{"words": ["a", "b"]}'), _typed('{"words": ["b", "a"]}')),
        (_typed('{"n": 1}'), _typed('{"n": 2}')),
        (_typed(), '{"reportType": "other"}'),
        (_typed(), _typed(more=', "formats": ["jsonl"]')),
        (_typed('{"d": "0.1234567890123456789012345678901"}'), _typed('{"d": "0.1234567890123456789012345678902"}')),
        (_typed(), _typed('{"n": "wrong"}')),
        (_typed(), '{"reportType": "nowhere"}'),
    ],
)
def test_another_meaning_is_another_request(first: str, again: str, deployments: Deployments, conn: Connection) -> None:
    client = deployments.release()
    assert ask(client, first).status_code == 202
    problem(ask(client, again), 422, "idempotency_key_reused")
    assert count(conn, "jobs") == 1


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        '{"reportType": "typed"}',
        '{"reportType": "typed", "formats": ["csv"]}',
        _typed('{"d": "1.50"}'),  # only the bytes tell: a catalog without the type knows no decimals
    ],
)
def test_a_deployment_between_two_tries_changes_nothing(body: str, deployments: Deployments) -> None:
    before = deployments.release(DEFAULT_REPORT_TYPE="typed")
    first = ask(before, body)
    # Defaults, the default report type, and whether the report type is there at all.
    replayed(ask(deployments.release("two", default=2, DEFAULT_REPORT_TYPE="other"), body), first)
    again = ask(deployments.built_in(), body)
    replayed(again, first)
    assert again.json()["reportType"] == "typed"


def test_a_key_that_is_new_does_not_make_a_wrong_request_right(deployments: Deployments, conn: Connection) -> None:
    client = deployments.release()
    problem(ask(client, '{"reportType": "nowhere"}'), 404, "unknown_report_type")
    problem(ask(client, _typed('{"n": "x"}')), 422, "invalid_request")
    assert count(conn, "idempotency_keys") == 0
    assert ask(client, _typed()).status_code == 202


def test_a_quoted_and_a_bare_key_are_one_and_so_are_all_paths(deployments: Deployments) -> None:
    client = deployments.release()
    first = ask(client, _typed(), "abc")
    for key in ('"abc"', " abc ", '  "abc"'):
        for path in ("/v1/jobs", "/generate-report"):
            replayed(ask(client, _typed(), key, path), first)
    spaced = ask(client, _typed(), r'"a \"b\" \\"')
    assert spaced.json()["jobId"] != first.json()["jobId"]
    replayed(ask(client, _typed(), r'"a \"b\" \\"'), spaced)


@pytest.mark.parametrize(
    "key", ["", '""', '"', '"a', "a b", "é", '"a";b=1', '"a\\b"', "k" * 256, '"' + "k" * 256 + '"']
)
def test_what_is_no_key_is_told_with_everything_else(key: str, deployments: Deployments, conn: Connection) -> None:
    headers = {name.encode(): value.encode() for name, value in {**_JSON, "Idempotency-Key": key}.items()}
    answer = deployments.release().post("/v1/jobs", content='{"reportTyp": 1}', headers=headers)
    told = problem(answer, 422, "invalid_request")
    assert [v["field"] for v in told["violations"]] == ["reportTyp", "Idempotency-Key"]
    assert count(conn, "jobs") == 0


def test_the_description_tells_what_a_key_is() -> None:
    for key in ("k", "k" * 255, 'a"b', '"order 7"', r'"a \"b\" \\"', '"' + "k" * 255 + '"'):
        assert isinstance(idempotency.read_key([key]), str), key
        assert re.search(idempotency.PATTERN, key), key
    for key in ("", '""', '"', '"a', "a b", "é", '"a";b=1', '"a\\b"', "k" * 256, '"' + "k" * 256 + '"'):
        assert isinstance(idempotency.read_key([key]), Violation), key
        assert not re.search(idempotency.PATTERN, key), key


def test_a_key_that_is_at_work_elsewhere_may_be_sent_again() -> None:
    told = problem_of(IdempotencyKeyInFlight())
    assert told is not None
    assert (told.status, told.code, told.retryable) == (409, "idempotency_in_flight", True)


def test_two_lines_with_two_keys_are_refused(deployments: Deployments) -> None:
    client = deployments.release()

    def lines(*keys: str) -> Any:
        return client.post("/v1/jobs", headers=[("Idempotency-Key", key) for key in keys])

    assert problem(lines("a", "b"), 422, "invalid_request")["violations"][0]["code"] == "repeated"
    assert lines("a", '"a"').status_code == 202


def test_a_replay_tells_what_has_become_of_the_job(deployments: Deployments, conn: Connection) -> None:
    client = deployments.release()
    first = ask(client, _typed())
    assert (first.json()["status"], first.headers["retry-after"]) == ("PENDING", "1")
    cancel(conn, first.json()["jobId"], Viewer("default"))
    again = ask(client, _typed())
    replayed(again, first)
    assert again.json()["status"] == "CANCELLED"
    assert "retry-after" not in again.headers


def test_keys_belong_to_an_operation(deployments: Deployments, conn: Connection) -> None:
    client = deployments.release()
    conn.execute(text("INSERT INTO idempotency_keys VALUES ('default', 'retry', 'k', 'b', 'm', gen_random_uuid())"))
    assert "idempotent-replayed" not in ask(client, _typed()).headers


def test_a_new_key_costs_no_statement_more(deployments: Deployments) -> None:
    client = deployments.release()
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        name = arguments[2].split("*/")[0].strip(" /*\n")
        # Read once a minute for each kind of jobs, key or not, and no request waits for it (test_retry_after.py).
        if name != "rollups.recent":
            statements.append(name)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        ask(client, _typed())
        assert statements == ["jobs.submit"]
        ask(client, _typed())
        assert statements == ["jobs.submit", "jobs.submit", "jobs.replay"]
    finally:
        event.remove(Engine, "before_cursor_execute", note)
