"""Every route of the API against those who have no key, too little right, no more requests, or another tenant."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.engine import Connection
from starlette.routing import Route

from shared.access import api_keys
from tests.support.api_app import an_app, problem
from tests.support.jobs import count


@pytest.fixture
def tenants(database_url: str, conn: Connection, scratch: Path) -> Iterator[tuple[TestClient, str, str]]:
    """An API that asks for keys, and the keys of two tenants."""
    keys = [api_keys.create_key(conn, tenant=name, name="test") for name in ("acme", "other")]
    with TestClient(an_app(database_url, scratch, API_AUTH="keys"), raise_server_exceptions=False) as client:
        yield client, keys[0], keys[1]


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every operation that the API describes, so that a new one joins by itself."""
    return [(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods]


def filled(path: str) -> str:
    """The path with something in each of its places."""
    return re.sub(r"\{\w+\}", lambda place: str(uuid4()) if "job" in place[0] else "x", path)


def test_no_route_answers_without_a_key(database_url: str, conn: Connection, scratch: Path) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="test")
    app = an_app(database_url, scratch, API_AUTH="keys", API_TRUSTED_PROXIES="127.0.0.1/32")
    operations = routes(app)
    assert len(operations) >= 12
    with TestClient(app, raise_server_exceptions=False, client=("127.0.0.1", 1)) as client:
        for number, (method, path) in enumerate(operations):
            for credential in (None, "Bearer wrong", f"Basic {key}"):
                # Each from an address of its own: one that guesses so often gets 429 before anything is looked at.
                headers = {"X-Forwarded-For": f"2001:db8::{number:x}"}
                headers |= {"Authorization": credential} if credential else {}
                answer = client.request(method, re.sub(r"{\w+}", str(uuid4()), path), headers=headers)
                problem(answer, 401, "unauthorized")
                assert answer.headers["www-authenticate"].startswith("Bearer")


OPEN = {
    "GET /openapi.json": "the description of the API, for those who write a client",
    "GET /docs": "the same, for people",
    "GET /problems": "every problem that there is: nothing of any tenant",
    "GET /problems/{code}": "where the `type` of a problem leads, that of a 401 too",
    "GET /healthz": "probes carry no key",
    "GET /readyz": "probes carry no key",
    "GET /metrics": "numbers by route and state: the proxy keeps it inside (docs/how-to/behind-a-proxy.md)",
    "GET /shared/{token}": "who has a link needs no key: that is what it is for",
    "GET /console/sign-in": "where a session begins",
    "POST /console/sign-in": "it takes the key itself",
    "GET /console/sign-in/with/{name}": "it leads to an issuer, or says that there is no such one",
    "GET /console/signed-in": "the issuer's answer is the credential",
    "POST /console/preferences": "language and theme, for the sign-in too",
}
"""Everything beside the described operations that answers whoever asks, and why."""


def undescribed(app: FastAPI) -> list[tuple[str, str]]:
    """Every route that the description leaves out. A mounted folder of files is none."""
    found = []
    for each in app.routes:
        prefix = each.include_context.prefix if hasattr(each, "include_context") else ""
        for route in each.original_router.routes if hasattr(each, "original_router") else [each]:
            if isinstance(route, Route) and not route.include_in_schema:
                found += [(method, prefix + route.path) for method in (route.methods or set()) - {"HEAD"}]
    return found


def test_what_is_not_described_asks_for_a_key_as_well_unless_it_has_a_reason(
    database_url: str, conn: Connection, scratch: Path
) -> None:
    app = an_app(database_url, scratch, API_AUTH="keys")
    answering = set()
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        for method, path in undescribed(app):
            asked = path.replace("{code}", "unauthorized").replace("{rest:path}", "x")
            answer = client.request(method, re.sub(r"{[^}]*}", str(uuid4()), asked))
            if answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in?"):
                assert answer.content == b""
            else:
                answering.add(f"{method} {path}")

    assert answering == set(OPEN)


def test_a_tenant_beyond_its_limit_waits_on_every_route_and_nobody_else_does(
    database_url: str, conn: Connection, scratch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours, others = (api_keys.create_key(conn, tenant=name, name="test") for name in ("acme", "other"))
    app = an_app(database_url, scratch, API_AUTH="keys", API_RATE_LIMIT="0.01", API_RATE_BURST="3")
    with TestClient(app, raise_server_exceptions=False) as client:
        headers = {"Authorization": f"Bearer {ours}"}
        client.get("/v1/jobs", headers={"Authorization": "Bearer wrong"})
        accepted = client.post("/v1/jobs", headers=headers)
        assert (accepted.status_code, accepted.headers["ratelimit-policy"]) == (202, '"requests";q=3;w=300')
        assert accepted.headers["ratelimit"] == '"requests";r=2;t=100'
        listed = client.get("/v1/jobs", headers=headers)  # counts as two
        assert (listed.status_code, "ratelimit" in listed.headers) == (200, False)

        for method, path in routes(app):
            answer = client.request(method, re.sub(r"{\w+}", str(uuid4()), path), headers=headers)
            told = problem(answer, 429, "rate_limited")
            assert told["retryable"]
            again_s = answer.headers["retry-after"]
            assert 90 <= int(again_s) <= 300
            assert answer.headers["ratelimit-policy"] == '"requests";q=3;w=300'
            assert answer.headers["ratelimit"] == f'"requests";r=0;t={again_s}'
            assert told["violated-policies"] == ["requests"]
            assert "0.01 requests per second, 3 at once" in told["detail"]

        assert count(conn, "jobs") == 1
        assert [record.tenant for record in caplog.records if record.msg == "api.rate_limited"] == ["acme"]  # type: ignore[attr-defined]
        assert client.post("/v1/jobs", headers={"Authorization": f"Bearer {others}"}).status_code == 202
        assert client.get("/healthz").status_code == 200


def test_another_tenants_job_is_as_unknown_as_none(tenants: tuple[TestClient, str, str]) -> None:
    client, key, others_key = tenants
    job_id = client.post("/v1/jobs", headers={"Authorization": f"Bearer {key}"}).json()["jobId"]
    other = {"Authorization": f"Bearer {others_key}"}
    for method, path in routes(client.app):  # type: ignore[arg-type]
        if "{job_id}" not in path:
            continue
        answers = [client.request(method, path.format(job_id=i, name="x"), headers=other) for i in (job_id, uuid4())]
        assert {a.status_code for a in answers} == {404}, path
    assert client.get("/v1/jobs", headers=other).json()["jobs"] == []


def test_a_revoked_key_opens_nothing(conn: Connection, tenants: tuple[TestClient, str, str]) -> None:
    client, key, _ = tenants
    api_keys.revoke_keys(conn, tenant="acme", name="test")

    problem(client.get("/v1/jobs", headers={"Authorization": f"Bearer {key}"}), 401, "unauthorized")
