"""Signing in to the console: what a cookie is worth, for how long, and to whom."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.auth import sessions as cached
from shared.access import api_keys
from shared.access.scopes import USUAL, Scope
from tests.services.test_api import an_app
from tests.support.jobs import a_job, count, row

SAMPLE = str(Path("deploy/sample/catalog").absolute())
COOKIE = "todoke-session"


@pytest.fixture
def client(database_url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(cached, "_REMEMBER_S", 0)  # what the database says is seen at once
    app = an_app(database_url, scratch, API_AUTH="keys", CATALOG_PATH=SAMPLE)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        yield client


def a_key(conn: Connection, name: str = "ann", tenant: str = "acme", scopes: frozenset[str] = USUAL) -> str:
    return api_keys.create_key(conn, tenant=tenant, name=name, scopes=scopes)


def sign_in(client: TestClient, key: str, **fields: str) -> Response:
    answer: Response = client.post("/console/sign-in", data={"key": key, **fields})
    return answer


def proof(page: str) -> str:
    [first, *_] = re.findall(r'name="proof" value="([0-9a-f]{64})"', page)
    return str(first)


def test_pages_are_closed_until_a_key_opens_them(client: TestClient, conn: Connection) -> None:
    key = a_key(conn)
    mine, theirs = a_job(conn, tenant="acme", requester="ann"), a_job(conn, tenant="globex")
    for path in ("", "/new", "/new/carrier-delays", f"/jobs/{mine}", "/report-types", "/part/rows", "/nothing"):
        answer = client.get(f"/console{path}")
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/console/sign-in"), path
    assert client.get("/console/part/rows", headers={"HX-Request": "true"}).status_code == 401

    opened = sign_in(client, key, next=f"/console/jobs/{mine}")

    assert (opened.status_code, opened.headers["location"]) == (303, f"/console/jobs/{mine}")
    cookie = opened.headers["set-cookie"]
    assert all(word in cookie for word in (f"{COOKIE}=", "HttpOnly", "SameSite=lax", "Path=/"))
    assert key not in cookie
    page = client.get("/console").text
    assert str(mine) in page
    assert str(theirs) not in page
    assert client.get(f"/console/jobs/{theirs}").status_code == 404
    stored = conn.execute(text("SELECT token_sha256, key_id FROM console_sessions")).one()
    assert client.cookies[COOKIE].encode() not in stored.token_sha256
    assert conn.execute(text("SELECT action FROM audit")).scalars().all() == ["sessions.begin"]


def test_a_cookie_opens_pages_and_never_the_api(client: TestClient, conn: Connection) -> None:
    sign_in(client, a_key(conn))

    assert client.get("/console").status_code == 200
    assert client.get("/v1/jobs").status_code == 401
    assert client.post("/v1/jobs", json={}).status_code == 401


@pytest.mark.parametrize("how", ["revoked", "expired", "idle", "key over", "signed out"])
def test_a_session_ends(client: TestClient, conn: Connection, how: str) -> None:
    sign_in(client, a_key(conn))
    page = client.get("/console").text
    cookie = client.cookies[COOKIE]
    if how == "revoked":
        api_keys.revoke_keys(conn, tenant="acme", name="ann")
    elif how == "expired":
        conn.execute(text("UPDATE console_sessions SET expires_at = clock_timestamp() - interval '1 s'"))
    elif how == "idle":
        conn.execute(text("UPDATE console_sessions SET seen_at = clock_timestamp() - interval '61 min'"))
    elif how == "key over":
        conn.execute(text("UPDATE api_keys SET expires_at = clock_timestamp() - interval '1 s'"))
    else:
        assert client.post("/console/sign-out", data={"proof": proof(page)}).status_code == 303
        assert count(conn, "console_sessions") == 0
        client.cookies.set(COOKIE, cookie, domain="localhost.local", path="/")

    assert client.get("/console", headers={"Cookie": f"{COOKIE}={cookie}"}).status_code == 303


def test_forms_need_the_proof_of_their_session(client: TestClient, conn: Connection) -> None:
    sign_in(client, a_key(conn))
    job_id = a_job(conn, tenant="acme", requester="ann")
    page = client.get(f"/console/jobs/{job_id}").text

    for wrong in ({}, {"proof": "0" * 64}, {"proof": "é"}):
        assert client.post(f"/console/jobs/{job_id}/cancel", data={"key": "x", **wrong}).status_code == 403
    assert row(conn, job_id).status == "PENDING"
    assert client.post(f"/console/jobs/{job_id}/cancel", data={"proof": proof(page)}).status_code == 303
    assert row(conn, job_id).status == "CANCELLED"


def test_a_page_offers_and_does_what_the_key_may(client: TestClient, conn: Connection) -> None:
    looks_only = frozenset({Scope.JOBS_READ, Scope.JOBS_READ_ALL})
    sign_in(client, a_key(conn, "auditor", scopes=looks_only))
    job_id = a_job(conn, tenant="acme", requester="ann", report_type="flights-export")
    page = client.get(f"/console/jobs/{job_id}").text

    assert f"/console/jobs/{job_id}/cancel" not in page
    sent = {"proof": proof(page), "key": "k"}
    assert client.post(f"/console/jobs/{job_id}/cancel", data=sent).status_code == 403
    assert client.post("/console/new/flights-export", data=sent).status_code == 403
    assert client.get("/console/new").status_code == 403
    assert row(conn, job_id).status == "PENDING"
    assert count(conn, "jobs") == 1


def test_what_somebody_asks_for_is_theirs(client: TestClient, conn: Connection) -> None:
    own = USUAL - {Scope.JOBS_READ_ALL}
    sign_in(client, a_key(conn, "ann", scopes=own))
    form = client.get("/console/new/flights-export").text
    answer = client.post("/console/new/flights-export", data={"proof": proof(form), "key": "k", "format": "csv"})
    job_id = UUID(answer.headers["location"].removeprefix("/console/jobs/"))
    assert (row(conn, job_id).tenant, row(conn, job_id).requester) == ("acme", "ann")

    client.cookies.clear()
    sign_in(client, a_key(conn, "ben", scopes=own))

    assert client.get(f"/console/jobs/{job_id}").status_code == 404
    assert str(job_id) not in client.get("/console").text


def test_wrong_keys_are_refused_and_bounded(client: TestClient, conn: Connection) -> None:
    answers = [sign_in(client, f"todoke_live_{n:012d}_wrong") for n in range(40)]

    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert all("set-cookie" not in answer.headers for answer in answers)
    assert "todoke_live_000000000000_wrong" not in answers[0].text
    assert count(conn, "console_sessions") == 0


def test_over_https_the_cookie_is_secure_and_bound_to_the_host(client: TestClient, conn: Connection) -> None:
    answer = client.post(
        "https://reports.example/console/sign-in", data={"key": a_key(conn)}, headers={"Host": "reports.example"}
    )

    assert answer.headers["set-cookie"].startswith("__Host-todoke=")
    assert "Secure" in answer.headers["set-cookie"]


def test_each_sign_in_has_a_token_of_its_own_and_removes_what_is_over(client: TestClient, conn: Connection) -> None:
    key = a_key(conn)
    sign_in(client, key)
    first = client.cookies[COOKIE]
    conn.execute(text("UPDATE console_sessions SET expires_at = clock_timestamp() - interval '1 s'"))
    sign_in(client, key, next="//elsewhere.example")

    assert client.cookies[COOKIE] != first
    assert count(conn, "console_sessions") == 1
