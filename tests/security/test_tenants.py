"""Promise 7 for every operation that the API describes: new operations are included automatically."""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.artifacts.disk import DiskStore
from shared.artifacts.interface import artifact_key
from shared.jobs.artifacts import Artifact
from shared.jobs.finish import Failure, fail
from shared.jobs.succeed import Success, succeed
from tests.security.hostile import PATHS, SQL
from tests.support.api_app import an_app
from tests.support.jobs import a_job, started

_CANARY = "2026-02-03"
"""A parameter that only the owner has used; a date, because the built-in report type takes nothing else."""
_FILE = b"day\nthe owner's own bytes\n"
SEED = 20261125


class _World:
    """An owner with jobs in every state, and a stranger."""

    def __init__(self, client: TestClient, conn: Connection, folder: Path) -> None:
        self.client = client
        self.owner, self.stranger = (api_keys.create_key(conn, tenant=name, name="t") for name in ("acme", "other"))
        jobs = [a_job(conn, parameters={"from": _CANARY, "to": _CANARY}, idempotency_key="the-owners-key") for _ in "1"]
        jobs += [a_job(conn, parameters={"from": _CANARY, "to": _CANARY}) for _ in range(3)]
        started(conn, jobs[1])
        fail(conn, [Failure(started(conn, jobs[2]).lease, "boom", f"about {_CANARY}", retryable=False, delay_s=0)])
        self._finish(conn, jobs[3], folder)
        self.jobs = jobs

    def _finish(self, conn: Connection, job_id: UUID, folder: Path) -> None:
        import hashlib

        lease = started(conn, job_id).lease
        made = folder / "made"
        made.write_bytes(_FILE)
        digest = hashlib.sha256(_FILE).hexdigest()
        key = artifact_key("acme", job_id, lease.token, "calendar.csv")
        DiskStore(folder).put(key, made, media_type="text/csv", sha256=digest, metadata={})
        succeed(conn, [Success(lease, [Artifact("calendar.csv", "csv", "text/csv", len(_FILE), digest, 1)], 0.5)])

    def operations(self) -> list[tuple[str, str]]:
        paths: Mapping[str, Mapping[str, Any]] = self.client.get("/openapi.json").json()["paths"]
        return [(method.upper(), path) for path, methods in paths.items() for method in methods]

    def ask(self, key: str, method: str, path: str, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {key}", **more.pop("headers", {})}
        with self.client.stream(method, path, headers=headers, **more) as answer:
            if answer.headers.get("content-type") == "text/event-stream":
                return Response(answer.status_code, headers=answer.headers, content=_beginning(answer))
            answer.read()
            told: Response = answer
            return told


def _beginning(stream: Response) -> bytes:
    """What a stream says at once: it tells what happens later for as long as somebody listens."""
    said = b""
    for chunk in stream.iter_bytes():
        said += chunk
        if b"event: snapshot" in said:
            return said
    return said


@pytest.fixture
def world(database_url: str, conn: Connection, scratch: Path) -> Iterator[_World]:
    app = an_app(database_url, scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield _World(client, conn, scratch)


def _state(conn: Connection) -> list[Any]:
    return list(conn.execute(text("SELECT j::text FROM jobs j WHERE tenant = 'acme' ORDER BY id")).scalars())


def test_a_stranger_neither_sees_nor_changes_anything_through_any_operation(world: _World, conn: Connection) -> None:
    before = _state(conn)
    operations = world.operations()
    asked = 0
    for method, template in operations:
        for job_id in [*world.jobs, uuid4()]:
            path = template.replace("{job_id}", str(job_id)).replace("{name}", "calendar.csv")
            answer = world.ask(world.stranger, method, path, json={} if method in {"POST", "PUT", "PATCH"} else None)
            asked += 1
            assert answer.status_code < 500, f"{method} {path}: {answer.text}"
            assert not _leaks(answer), f"{method} {path}"
            if "{job_id}" in template:
                unknown = world.ask(world.stranger, method, path.replace(str(job_id), str(uuid4())))
                assert answer.status_code == unknown.status_code == 404, f"{method} {path}"
                assert _but_ids(answer) == _but_ids(unknown), "another tenant's job looks like none"
            else:
                assert not any(str(own) in answer.text for own in world.jobs), f"{method} {path}"

    assert len(operations) >= 13
    assert asked == len(operations) * 5
    assert _state(conn) == before


def _leaks(answer: Response) -> bool:
    return any(secret in answer.text for secret in (_CANARY, "the owner's own", "root:"))


def _but_ids(answer: Response) -> dict[str, Any]:
    """The problem without what names this very request or repeats its path."""
    body: dict[str, Any] = answer.json()
    assert body["instance"] == f"/requests/{body['requestId']}"
    return {name: value for name, value in body.items() if name not in {"requestId", "instance", "detail"}}


def test_the_owner_does_see_it(world: _World) -> None:
    """Or the test above would pass on an API that shows nobody anything."""
    assert _CANARY in world.ask(world.owner, "GET", "/v1/jobs").text
    assert world.ask(world.owner, "GET", f"/v1/jobs/{world.jobs[3]}/artifacts/calendar.csv").content == _FILE
    assert _CANARY in world.ask(world.owner, "GET", f"/jobs/{world.jobs[2]}").text


def test_an_idempotency_key_is_a_tenants_own(world: _World) -> None:
    headers = {"Idempotency-Key": "the-owners-key"}
    answer = world.ask(world.stranger, "POST", "/v1/jobs", headers=headers)

    assert answer.status_code == 202
    assert "idempotent-replayed" not in answer.headers
    assert answer.json()["jobId"] not in {str(job) for job in world.jobs}


def test_page_tokens_and_filters_reach_no_further_than_the_tenant(world: _World) -> None:
    token = world.ask(world.owner, "GET", "/v1/jobs", params={"pageSize": 1}).json()["nextPageToken"]
    assert len(world.ask(world.owner, "GET", "/v1/jobs", params={"pageToken": token}).json()["jobs"]) == 3
    stolen = world.ask(world.stranger, "GET", "/v1/jobs", params={"pageToken": token})
    assert (stolen.status_code, stolen.json()["code"]) == (400, "page_token_invalid")
    filters = ("requester=owner", "errorCode=boom", "status=FAILED", "status=FAILED&status=PENDING", "status=PENDING",
               "label=team:finance", "createdAfter=-1d", "reportType=calendar&status=SUCCESS")  # fmt: skip
    for query in (*filters, *(f"retryOf={job}" for job in world.jobs)):
        assert world.ask(world.stranger, "GET", f"/v1/jobs?{query}").json()["jobs"] == [], query


def test_hostile_values_in_every_place_get_an_answer_and_change_nothing(world: _World, conn: Connection) -> None:
    """SQL and paths in path, query, headers and body of every operation: never a 5xx, never a change, never a leak."""
    chance = random.Random(SEED)
    before = _state(conn)
    values = [*SQL, *PATHS]
    asked = 0
    for method, template in world.operations() * 40:
        value, other = chance.choice(values), chance.choice(values)
        job_id = chance.choice([value, str(chance.choice(world.jobs)), f"{world.jobs[3]}{value}"])
        path = template.replace("{job_id}", job_id).replace("{name}", value)
        names = ("X-Request-Id", "If-None-Match", "Range", "Prefer", "traceparent", "Idempotency-Key")
        answer = world.ask(
            world.stranger,
            method,
            "/" + path.lstrip("/").replace("?", "%3f").replace("#", "%23"),
            params={name: chance.choice(values) for name in ("status", "reportType", "pageSize", "pageToken", value)},
            headers={"Content-Type": "application/json", **{n: _latin(chance.choice(values)) for n in names}},
            content=json.dumps({chance.choice(["reportType", value]): other, "parameters": {"from": value, value: 1}}),
        )
        asked += 1
        assert answer.status_code < 500, f"{method} {path}: {answer.text}"
        assert not _leaks(answer), f"{method} {path}"
        assert len(answer.content) < 100_000

    print(f"{asked} requests, seed {SEED}")
    assert _state(conn) == before
    assert conn.execute(text("SELECT count(*) FROM api_keys")).scalar_one() == 2


def _latin(value: str) -> str:
    return value.encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "") or "x"


def test_no_name_leads_out_of_a_jobs_files(world: _World) -> None:
    for name in PATHS:
        for path in (name, name.replace("/", "%2f"), name.replace(".", "%2e")):
            answer = world.ask(world.owner, "GET", f"/v1/jobs/{world.jobs[3]}/artifacts/{path}")
            assert answer.status_code in {404, 405} or answer.content == _FILE, f"{path}: {answer.status_code}"
            assert "root:" not in answer.text
