"""Signing in to the console: what a cookie is worth, for how long, and to whom."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api import metrics
from services.api.auth import sessions as cached
from services.api.console.texts import texts
from shared.access import api_keys, sessions, sign_in_codes
from shared.access.scopes import USUAL, Scope
from tests.support.api_app import an_app
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


def test_made_up_cookies_are_bounded_before_any_look_up(
    client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "_REMEMBER_S", 10)
    sign_in(client, a_key(conn))
    good = client.cookies[COOKIE]
    client.cookies.clear()
    looked: list[bytes] = []
    holder_of = sessions.holder_of

    def look(conn: Connection, digest: bytes) -> sessions.Holder | None:
        looked.append(digest)
        return holder_of(conn, digest)

    monkeypatch.setattr(sessions, "holder_of", look)

    # A page that is left open asks every second with what has expired meanwhile: that is one guess.
    assert {look_with(client, "expired").status_code for _ in range(50)} == {303}
    assert len(looked) == 1
    answers = [look_with(client, f"made-up-{n}") for n in range(60)]

    assert (answers[0].status_code, answers[-1].status_code) == (303, 429)
    assert answers[-1].headers["content-type"].startswith("text/html")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert len(looked) < 40
    assert look_with(client, good).status_code == 429, "this process has not seen it, and the address guesses"
    monkeypatch.undo()


def test_whoever_is_signed_in_does_not_count_as_guessing(client: TestClient, conn: Connection) -> None:
    key, cookies = a_key(conn), []
    for _ in range(40):
        sign_in(client, key)
        cookies.append(client.cookies[COOKIE])
        client.cookies.clear()

    assert {look_with(client, cookie).status_code for cookie in cookies} == {200}


def look_with(client: TestClient, cookie: str) -> Response:
    answer: Response = client.get("/console", headers={"Cookie": f"{COOKIE}={cookie}"})
    return answer


def test_signing_in_and_out_is_counted_with_the_other_changes(client: TestClient, conn: Connection) -> None:
    before = {what: metrics.AUDITED.labels(what)._value.get() for what in ("sessions.begin", "sessions.end")}
    sign_in(client, a_key(conn))
    client.post("/console/sign-out", data={"proof": proof(client.get("/console").text)})

    found = {what: metrics.AUDITED.labels(what)._value.get() - was for what, was in before.items()}
    assert found == {"sessions.begin": 1, "sessions.end": 1}


def a_code(conn: Connection, tenant: str = "acme", **more: float) -> str:
    """A code for the newest key of the tenant."""
    [key, *_] = api_keys.list_keys(conn, tenant, size=1)
    code = sign_in_codes.new_code()
    sign_in_codes.create(conn, code, tenant=tenant, key_id=key.id, **more)
    return code.text


def test_a_code_signs_in_as_its_key_once(client: TestClient, conn: Connection) -> None:
    a_key(conn)
    code = a_code(conn)
    opened = sign_in(client, f" {code}\n", next="/console/report-types")

    assert (opened.status_code, opened.headers["location"]) == (303, "/console/report-types")
    assert "ann" in client.get("/console").text
    assert count(conn, "sign_in_codes") == 0
    client.cookies.clear()
    again = sign_in(client, code)
    assert again.status_code == 401
    assert "it was used" in again.text
    assert code not in again.text
    assert "set-cookie" not in again.headers
    assert count(conn, "console_sessions") == 1
    [entry] = conn.execute(text("SELECT action, subject, object, address, after FROM audit")).all()
    assert entry[:2] == ("sessions.begin", "ann")
    assert entry.after == {"with": "link"}
    assert entry.address


@pytest.mark.parametrize("why", ["over", "revoked", "key over", "of another tenant", "made up"])
def test_a_code_that_is_worth_nothing_opens_nothing(client: TestClient, conn: Connection, why: str) -> None:
    a_key(conn)
    code = a_code(conn)
    if why == "over":
        conn.execute(text("UPDATE sign_in_codes SET expires_at = clock_timestamp() - interval '1 s'"))
    elif why == "revoked":
        api_keys.revoke_keys(conn, tenant="acme", name="ann")
    elif why == "key over":
        conn.execute(text("UPDATE api_keys SET expires_at = clock_timestamp() - interval '1 s'"))
    elif why == "of another tenant":
        conn.execute(text("UPDATE sign_in_codes SET tenant = 'globex'"))
    else:
        code = sign_in_codes.new_code().text

    assert sign_in(client, code).status_code == 401
    assert count(conn, "console_sessions") == 0
    assert count(conn, "audit") == 0
    assert count(conn, "sign_in_codes") == 1


def test_a_code_that_two_show_at_once_signs_one_of_them_in(client: TestClient, conn: Connection) -> None:
    a_key(conn)
    code, start = a_code(conn), threading.Barrier(2)

    def show() -> int:
        start.wait(30)
        return client.post("/console/sign-in", data={"key": code}).status_code

    with ThreadPoolExecutor(2) as pool:
        answers = [each.result(60) for each in [pool.submit(show) for _ in range(2)]]

    assert sorted(answers) == [303, 401]
    assert count(conn, "console_sessions") == 1


def test_a_code_is_no_key_of_the_api(client: TestClient, conn: Connection) -> None:
    a_key(conn)
    code = a_code(conn)

    assert client.get("/v1/jobs", headers={"Authorization": f"Bearer {code}"}).status_code == 401
    assert client.get(f"/console/sign-in?code={code}").status_code == 200
    assert count(conn, "sign_in_codes") == 1


def test_made_up_codes_are_bounded_before_any_look_up(
    client: TestClient, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_key(conn)
    good, looked = a_code(conn), []
    redeem = sign_in_codes.redeem

    def look(conn: Connection, code: sign_in_codes.Code) -> sign_in_codes.Redeemed | None:
        looked.append(code)
        return redeem(conn, code)

    monkeypatch.setattr(sign_in_codes, "redeem", look)
    answers = [sign_in(client, sign_in_codes.new_code().text).status_code for _ in range(60)]

    assert (answers[0], answers[-1]) == (401, 429)
    assert len(looked) < 40
    assert sign_in(client, good).status_code == 429
    assert count(conn, "sign_in_codes") == 1


def test_a_new_code_removes_those_that_are_over(client: TestClient, conn: Connection) -> None:
    a_key(conn)
    a_code(conn)
    conn.execute(text("UPDATE sign_in_codes SET expires_at = clock_timestamp() - interval '1 s'"))
    code = a_code(conn)

    assert count(conn, "sign_in_codes") == 1
    assert sign_in(client, code).status_code == 303
    left = conn.execute(text("SELECT count(*) FROM sign_in_codes")).scalar_one()
    assert left == 0


def test_somebody_sees_where_they_are_signed_in_and_signs_out_there(client: TestClient, conn: Connection) -> None:
    key = a_key(conn)
    cookies = []
    for given in (key, key, key, a_key(conn, "bob"), a_key(conn, tenant="globex")):
        client.cookies.clear()
        sign_in(client, given)
        cookies.append({"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"})
    client.cookies.clear()
    here, there, elsewhere, *others = cookies
    page = client.get("/console/sessions", headers=here).text
    names = re.findall(r'name="name" value="([0-9a-f]{16})"', page)
    assert len(names) == 2, "others of the same key; nobody else's, and not this one"

    def end(**fields: str) -> Response:
        answer: Response = client.post("/console/sessions/end", data={"proof": proof(page), **fields}, headers=here)
        return answer

    assert client.post("/console/sessions/end", data={"name": names[0]}, headers=here).status_code == 403
    assert end(name=names[0]).headers["location"] == "/console/sessions?ended=1"
    assert client.get("/console", headers=elsewhere).status_code == 303, "the newest is the first in the list"
    assert client.get("/console", headers=there).status_code == 200
    assert end(name="0" * 16).headers["location"] == "/console/sessions?ended=0"
    assert end().headers["location"] == "/console/sessions?ended=1"
    assert client.get("/console", headers=there).status_code == 303
    assert [client.get("/console", headers=each).status_code for each in (here, *others)] == [200, 200, 200]
    trail = conn.execute(text("SELECT after FROM audit WHERE action = 'sessions.end' ORDER BY id")).scalars().all()
    assert trail == [{"elsewhere": 1}, {"elsewhere": 1}]


@pytest.mark.parametrize(
    ("method", "path", "headers", "comes_back_to"),
    [
        ("GET", "/console/jobs?status=FAILED&panel=x", {}, "/console/jobs?status=FAILED&panel=x"),
        ("POST", "/console/new/carrier-delays", {"Referer": "http://localhost/console/new/carrier-delays?from=a"},
         "/console/new/carrier-delays?from=a"),
        ("POST", "/console/new/carrier-delays", {}, "/console"),
        ("POST", "/console/new/carrier-delays", {"Referer": "https://elsewhere.example/x"}, "/console"),
        ("POST", "/console/new/carrier-delays", {"Referer": "https://[elsewhere"}, "/console"),
        ("GET", "/console/part/rows", {"HX-Request": "true", "HX-Current-URL": "http://localhost/console/jobs?q=a%26b"},
         "/console/jobs?q=a%26b"),
    ],
)  # fmt: skip
def test_whoever_must_sign_in_again_comes_back_to_where_they_were(
    client: TestClient, conn: Connection, method: str, path: str, headers: dict[str, str], comes_back_to: str
) -> None:
    key = a_key(conn)
    asked = client.request(method, path, headers=headers)
    place = asked.headers.get("hx-redirect") or asked.headers["location"]

    wanted = re.search(r'name="next" value="([^"]*)"', client.get(place).text)

    assert wanted is not None
    assert sign_in(client, key, next=unescape(wanted[1])).headers["location"] == comes_back_to


def test_whoever_was_signed_out_is_told_and_what_they_sent_is_not_done(client: TestClient, conn: Connection) -> None:
    told = texts("en")
    assert told("sign_in.ended") not in client.get(client.get("/console/jobs").headers["location"]).text
    sign_in(client, a_key(conn))
    conn.execute(text("DELETE FROM console_sessions"))
    conn.commit()

    looked = client.get(client.get("/console/jobs").headers["location"]).text
    part = client.get("/console/part/rows", headers={"HX-Request": "true"}).headers["hx-redirect"]
    sent = client.get(client.post("/console/new/carrier-delays").headers["location"]).text

    assert all(told("sign_in.ended") in page for page in (looked, client.get(part).text))
    assert told("sign_in.not_done") in sent
    assert told("sign_in.ended") not in client.get("/console/sign-in?why=anything").text


def test_a_form_that_is_being_filled_in_is_not_taken_away(client: TestClient) -> None:
    """What follows a form asks for itself as somebody types; they would lose what they have typed."""
    answer = client.post("/console/new/carrier-delays/estimate", headers={"HX-Request": "true"})

    assert (answer.status_code, "hx-redirect" in answer.headers) == (401, False)
