"""A tenant has at most its allowed number of unfinished jobs, exactly, under concurrent requests;
others pay nothing.
"""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from services.api import metrics
from services.api.actions import within_caps
from services.api.actions.submitter import TooBusy
from services.api.actions.within_caps import WithinCaps
from shared.access import api_keys
from shared.access.scopes import OWN
from shared.database.engine import transactional
from shared.database.statements import statement_name
from shared.jobs import queue_caps, unfinished
from shared.jobs.finish import Failure, fail
from shared.jobs.submission import Accepted, Capped, CapReached
from shared.jobs.submit import submit
from tests.support.api_app import an_app, problem
from tests.support.jobs import a_job, a_submission, count, started
from tests.support.promises import broken

ROOM = 3


class Tenant:
    """Asks one API for the tenant `acme`, which may have ROOM unfinished jobs, or for `globex`, which is not capped."""

    def __init__(self, client: TestClient, conn: Connection) -> None:
        self.client, self.conn = client, conn
        self.keys = {
            tenant: api_keys.create_key(conn, tenant=tenant, name="ci", scopes=OWN) for tenant in ("acme", "globex")
        }
        queue_caps.set_queue_cap(conn, "acme", ROOM)

    def __call__(self, method: str, path: str, *, tenant: str = "acme", **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.keys[tenant]}", **more.pop("headers", {})}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        return answer

    def submit(self, *, tenant: str = "acme", body: Any = None, **headers: str) -> Response:
        return self("POST", "/v1/jobs", tenant=tenant, json=body or {"reportType": "calendar"}, headers=headers)

    def fill(self) -> list[UUID]:
        answers = [self.submit() for _ in range(ROOM)]
        assert [answer.status_code for answer in answers] == [202] * ROOM
        return [UUID(answer.json()["jobId"]) for answer in answers]


@pytest.fixture
def ask(database_url: str, conn: Connection, scratch: Path) -> Iterator[Tenant]:
    app = an_app(database_url, scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Tenant(client, conn)


def failed(conn: Connection, job_id: UUID) -> None:
    fail(conn, [Failure(started(conn, job_id).lease, "boom", "it broke", retryable=False, delay_s=0)])


def test_what_is_too_much_is_refused_and_leaves_nothing(ask: Tenant, conn: Connection) -> None:
    before = metrics.SUBMITTED.labels("capped", "calendar")._value.get()
    ask.fill()
    refused = ask.submit(**{"Idempotency-Key": "once-more"})

    told = problem(refused, 429, "too_many_unfinished_jobs")
    assert told["violated-policies"] == ["unfinished-jobs"]
    assert told["retryable"] is True
    assert f"The tenant has {ROOM} waiting" in told["detail"]
    assert int(refused.headers["retry-after"]) >= 1
    assert metrics.SUBMITTED.labels("capped", "calendar")._value.get() == before + 1
    assert [count(conn, table) for table in ("jobs", "outbox", "idempotency_keys", "audit")] == [ROOM, ROOM, 0, 0]
    assert [ask.submit(tenant="globex").status_code for _ in range(ROOM + 2)] == [202] * (ROOM + 2)
    assert broken(conn, at_rest=False) == {}


def test_a_job_that_ends_makes_room_and_one_that_starts_does_not(ask: Tenant, conn: Connection) -> None:
    first, second, _ = ask.fill()
    started(conn, first)
    problem(ask.submit(), 429, "too_many_unfinished_jobs")
    assert ask("POST", f"/v1/jobs/{second}:cancel").status_code == 200
    assert ask.submit().status_code == 202
    problem(ask.submit(), 429, "too_many_unfinished_jobs")


def test_each_of_a_batch_is_answered_for_itself(ask: Tenant, conn: Connection) -> None:
    asked = [{"reportType": "calendar"}] * (ROOM + 4)
    results = ask("POST", "/v1/jobs:batch", json={"jobs": asked}).json()["results"]
    assert sorted(one["status"] for one in results) == [202] * ROOM + [429] * 4
    codes = {one["problem"]["code"] for one in results if one["problem"]}
    assert codes == {"too_many_unfinished_jobs"}
    assert count(conn, "jobs") == ROOM


def test_what_was_accepted_before_needs_no_room(ask: Tenant, conn: Connection) -> None:
    named = {"Idempotency-Key": "monday"}
    first = ask.submit(**named).json()["jobId"]
    shared = {"reportType": "calendar", "reuse": {"maxAgeSeconds": 600}}
    second = ask.submit(body=shared).json()["jobId"]
    ask.submit()
    problem(ask.submit(), 429, "too_many_unfinished_jobs")

    again = ask.submit(**named)
    assert (again.status_code, again.json()["jobId"]) == (202, first)
    assert again.headers["idempotent-replayed"] == "true"
    assert ask.submit(body=shared).json() | {"reused": True, "jobId": second} == ask.submit(body=shared).json()
    other = {**shared, "parameters": {"from": "2020-01-01"}}
    problem(ask.submit(body=other), 429, "too_many_unfinished_jobs")
    mixed = [{"reportType": "calendar", "idempotencyKey": name} for name in ("monday", "tuesday")]
    results = ask("POST", "/v1/jobs:batch", json={"jobs": mixed}).json()["results"]
    assert [one["status"] for one in results] == [202, 429]
    assert count(conn, "jobs") == ROOM


def test_a_retry_is_a_job_like_any_other(ask: Tenant, conn: Connection) -> None:
    first, *_ = ask.fill()
    failed(conn, first)
    assert ask("POST", f"/v1/jobs/{first}:retry").status_code == 202
    problem(ask("POST", f"/v1/jobs/{first}:retry"), 429, "too_many_unfinished_jobs")


def test_several_apis_together_accept_exactly_as_many(ask: Tenant, database_url: str, scratch: Path) -> None:
    other = an_app(database_url, scratch, API_AUTH="keys")
    queue_caps.set_queue_cap(ask.conn, "acme", 15)
    with TestClient(other, raise_server_exceptions=False) as second:
        answers, met = [], threading.Barrier(8)

        def flood(client: TestClient, n: int) -> None:
            asker = Tenant.__new__(Tenant)
            asker.client, asker.keys = client, ask.keys
            met.wait(30)
            for k in range(5):
                answers.append(asker.submit(**{"Idempotency-Key": f"{n}-{k}"}).status_code)  # noqa: PERF401

        threads = [threading.Thread(target=flood, args=((ask.client, second)[n % 2], n)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
    assert sorted(answers) == [202] * 15 + [429] * 25
    assert count(ask.conn, "jobs") == 15
    assert broken(ask.conn, at_rest=False) == {}


def test_a_tenant_without_a_cap_pays_no_statement(engine: Engine, conn: Connection) -> None:
    queue_caps.set_queue_cap(conn, "acme", 1)
    seen: list[str | None] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_: seen.append(statement_name(statement)))
    with engine.connect() as own:
        answers = submit(own, [a_submission(tenant="globex"), a_submission(tenant="acme")])
    assert [type(answer) for answer in answers] == [Accepted, Capped]
    assert seen == ["jobs.submit"]
    assert count(conn, "jobs") == 1


def test_jobs_that_live_long_count_too(conn: Connection, engine: Engine) -> None:
    old, _ = a_job(conn, tenant="acme"), a_job(conn, tenant="globex")
    while unfinished.advance_floor(conn, list_after_s=-60):
        pass
    a_job(conn, tenant="acme")
    assert count(conn, "stragglers") == 2
    assert queue_caps.count_unfinished(conn, "acme", most=10) == 2
    assert queue_caps.count_unfinished(conn, "acme", most=1) == 1
    assert queue_caps.count_unfinished(conn, "acme", most=10, slice_size=1) == 2
    failed(conn, old)
    assert queue_caps.count_unfinished(conn, "acme", most=10) == 1


def test_the_same_ids_again_are_the_same_jobs(engine: Engine, conn: Connection) -> None:
    """The reply to a commit was lost, and the API sends the same rows again."""
    queue_caps.set_queue_cap(conn, "acme", 2)
    asked = [a_submission(tenant="acme"), a_submission(tenant="acme", idempotency_key="k"), a_submission(tenant="acme")]
    told = []
    for _ in range(2):
        with transactional(engine).begin() as own:
            told.append(queue_caps.submit_within(own, "acme", asked))
    assert [(type(one), type(two)) for one, two in zip(*told, strict=True)] == [
        (Accepted, Accepted), (Accepted, Accepted), (CapReached, CapReached),
    ]  # fmt: skip
    assert repr(told[0][:2]) == repr(told[1][:2])
    assert count(conn, "jobs") == 2


def test_a_lost_connection_is_tried_once_more_and_a_bad_row_harms_no_other(
    engine: Engine, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_caps.set_queue_cap(conn, "acme", 5)
    tries: list[int] = []

    def breaks_first(*given: Any, **named: Any) -> Any:
        tries.append(len(given[2]))
        if len(tries) == 1:
            raise OperationalError("", {}, Exception())
        if any(s.trace_context == "bad" for s in given[2]):
            raise ValueError("a bug")
        return queue_caps.submit_within(*given, **named)

    monkeypatch.setattr(within_caps, "submit_within", breaks_first)

    async def play() -> list[Any]:
        caps = WithinCaps(engine, ring_after_s=60)
        asked = [a_submission(tenant="acme"), a_submission(tenant="acme", trace_context="bad")]
        answers = await asyncio.gather(*map(caps.submit, asked), return_exceptions=True)
        monkeypatch.setattr(within_caps, "_MOST_WAITING", 0)
        with pytest.raises(TooBusy):
            await caps.submit(asked[0])
        await caps.close()
        return answers

    good, bad = asyncio.run(play())
    assert isinstance(good, Accepted)
    assert isinstance(bad, ValueError)
    assert tries == [2, 2, 1, 1]
    assert count(conn, "jobs") == 1


def test_an_operator_sets_sees_and_removes_it(ask: Tenant) -> None:
    ask.fill()
    seen = ask("GET", "/v1/gates/tenant/acme").json()
    assert seen["queueCap"] == {"mostUnfinished": ROOM, "unfinished": ROOM}
    assert ask("GET", "/v1/gates").json()["gates"][0]["queueCap"] == {"mostUnfinished": ROOM, "unfinished": None}
    place, wider = "/v1/gates/tenant/acme/queue-cap", {"mostUnfinished": 100}
    changed = ask("PUT", place, json=wider, headers={"If-Match": seen["etag"]})
    assert changed.json()["queueCap"] == {**wider, "unfinished": ROOM}
    assert changed.headers["etag"] != seen["etag"]
    problem(ask("DELETE", place, headers={"If-Match": seen["etag"]}), 412, "precondition_failed")
    assert ask.submit().status_code == 202
    for wrong in ({}, {"mostUnfinished": 0}, {"mostUnfinished": 100_001}, {"mostRunning": 5}):
        problem(ask("PUT", place, json=wrong), 422, "invalid_request")
    assert [ask("DELETE", place).status_code for _ in range(2)] == [204, 204]
    assert ask("GET", "/v1/gates").json()["gates"] == []
    trail = ask.conn.execute(text("SELECT action, before, after FROM audit ORDER BY id")).all()
    assert [tuple(row) for row in trail] == [
        ("gates.cap", {"mostUnfinished": ROOM}, wider), ("gates.uncap", wider, None),
    ]  # fmt: skip
    problem(ask("PUT", "/v1/gates/source/default/queue-cap", json=wider), 404, "unknown_path")
