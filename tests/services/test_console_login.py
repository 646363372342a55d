"""Signing in to the console with an issuer of tokens: the way there and back, and every way to misuse it."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.auth.issuers import WrongIssuers, read_issuers
from shared.access import api_keys
from tests.services.test_console import SAMPLE
from tests.services.test_console_sessions import COOKIE, proof
from tests.support.api_app import an_app
from tests.support.issuer import Issuer, a_key
from tests.support.jobs import count
from tests.support.postgres.roles import service_urls

BACK = "http://localhost/console/signed-in"
LOGIN = {"client_id": "todoke-console", "redirect_url": BACK, "title": "Example <Corp>"}
ROLES = {"report-users": ["jobs:create", "jobs:read"]}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running
        running.hung.set()


@pytest.fixture
def client(issuer: Issuer, database_url: str, scratch: Path, tmp_path: Path) -> Iterator[TestClient]:
    path = issuer.file(tmp_path, role_claim="groups", roles=ROLES, login=LOGIN)
    url = service_urls(database_url)["api"]
    app = an_app(url, scratch, API_AUTH="keys+oidc", API_OIDC_PATH=str(path), CATALOG_PATH=SAMPLE)
    with TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


def begun(client: TestClient, wanted: str = "/console/new") -> str:
    answer = client.get("/console/sign-in/with/corp", params={"next": wanted})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_back(client: TestClient, answer: dict[str, str]) -> Response:
    found: Response = client.get("/console/signed-in", params=answer)
    return found


def test_somebody_signs_in_with_the_login_of_the_company(client: TestClient, issuer: Issuer, conn: Connection) -> None:
    page = client.get("/console/sign-in?next=/console/new").text
    assert "Example &lt;Corp&gt;" in page
    assert "/console/sign-in/with/corp?next=" in page
    address = begun(client)
    asked = dict(parse_qsl(urlsplit(address).query))
    assert address.startswith(f"{issuer.url}/authorize?")
    assert (asked["response_type"], asked["code_challenge_method"], asked["scope"]) == ("code", "S256", "openid")
    assert (asked["client_id"], asked["redirect_uri"]) == ("todoke-console", BACK)
    kept = client.cookies[f"{COOKIE}-login"].split(".")
    assert asked["code_challenge"] == base64.urlsafe_b64encode(hashlib.sha256(kept[3].encode()).digest()).decode()[:43]
    assert kept[3] not in address

    answer = come_back(client, issuer.signs_in(address))

    assert (answer.status_code, answer.headers["location"]) == (303, "/console/new")
    cookies = answer.headers.get_list("set-cookie")
    assert any(c.startswith(f"{COOKIE}=") and "HttpOnly" in c and "SameSite=lax" in c for c in cookies)
    assert any(c.startswith(f'{COOKIE}-login=""') and "Max-Age=0" in c for c in cookies)
    assert "oidc:corp:ann" in client.get("/console").text
    assert client.get("/console/new").status_code == 200
    assert client.get("/console/overview").status_code == 403, "its issuer may make nobody an operator"
    assert client.get("/v1/jobs").status_code == 401, "the cookie opens pages, and no API"
    session = conn.execute(text("SELECT tenant, key_id, subject, scopes FROM console_sessions")).one()
    assert tuple(session) == ("acme", None, "oidc:corp:ann", ["jobs:create", "jobs:read"])
    assert conn.execute(text("SELECT action, object FROM audit")).all() == [("sessions.begin", "people/oidc:corp:ann")]
    gone = client.post("/console/sign-out", data={"proof": proof(client.get("/console").text)})
    assert gone.status_code == 303
    assert count(conn, "console_sessions") == 0


def test_a_code_works_once_and_for_the_browser_that_asked(client: TestClient, issuer: Issuer, conn: Connection) -> None:
    answer = issuer.signs_in(begun(client))
    cookie = client.cookies[f"{COOKIE}-login"]
    assert come_back(client, answer).status_code == 303
    assert come_back(client, answer).status_code == 401, "what was begun is over"
    client.cookies.clear()
    client.cookies.set(f"{COOKIE}-login", cookie, domain="localhost.local", path="/")
    refused = client.get("/console/signed-in", params=answer, headers={"Cookie": f"{COOKIE}-login={cookie}"})
    assert refused.status_code == 401, "the issuer takes it no more"
    client.cookies.clear()
    stolen = issuer.signs_in(begun(client))
    client.cookies.clear()
    assert come_back(client, stolen).status_code == 401, "another browser has begun nothing"
    begun(client)
    assert come_back(client, stolen).status_code == 401, "it has begun another one"
    assert count(conn, "console_sessions") == 1


@pytest.mark.parametrize(
    "lie",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "todoke"}, {"aud": ["todoke-console", "other"], "azp": "other"},
        {"azp": "other"}, {"iss": "https://elsewhere.example"}, {"exp": 1}, {"exp": None}, {"at_hash": "wrong"},
        {"sub": ""}, {"tenant": None}, {"tenant": "../x"},
    ],
    ids=str,
)  # fmt: skip
def test_an_id_token_that_lies_opens_nothing(
    client: TestClient, issuer: Issuer, conn: Connection, lie: dict[str, Any]
) -> None:
    answer = come_back(client, issuer.signs_in(begun(client), **lie))

    assert answer.status_code == 401, answer.text
    assert count(conn, "console_sessions") == 0


def test_signatures_of_strangers_and_answers_without_a_code_open_nothing(
    client: TestClient, issuer: Issuer, conn: Connection
) -> None:
    assert come_back(client, issuer.signs_in(begun(client))).status_code == 303
    conn.execute(text("DELETE FROM console_sessions"))
    client.cookies.clear()
    published = list(issuer.keys)
    issuer.keys[-1] = a_key("stranger")  # what signs now is not in the set that was asked for a moment ago
    assert come_back(client, issuer.signs_in(begun(client))).status_code == 401
    issuer.keys[:] = published
    for change in ({"error": "access_denied"}, {"code": ""}, {"state": "x"}, {"iss": "https://elsewhere.example"}):
        answer = come_back(client, {**issuer.signs_in(begun(client)), **change})
        assert answer.status_code == 401, change
    assert come_back(client, {"error": "<script>alert(1)</script>", "state": "x"}).status_code == 401
    assert count(conn, "console_sessions") == 0


@pytest.mark.parametrize("path", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"])
def test_the_way_back_leads_nowhere_else(client: TestClient, issuer: Issuer, path: str) -> None:
    answer = come_back(client, issuer.signs_in(begun(client, path)))

    assert answer.headers["location"] == "/console"


def test_the_session_that_was_there_ends(client: TestClient, issuer: Issuer, conn: Connection) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="old", scopes=frozenset({"jobs:read"}))
    client.post("/console/sign-in", data={"key": key})
    old = client.cookies[COOKIE]

    come_back(client, issuer.signs_in(begun(client)))

    assert client.cookies[COOKIE] != old
    assert count(conn, "console_sessions") == 1
    assert conn.execute(text("SELECT subject FROM console_sessions")).scalar_one() == "oidc:corp:ann"


def test_an_issuer_that_is_away_is_told_and_a_stranger_is_not_known(client: TestClient, issuer: Issuer) -> None:
    assert client.get("/console/sign-in/with/nobody").status_code == 404
    issuer.lies["/.well-known/openid-configuration"] = lambda handler: handler.answer(500)
    answer = client.get("/console/sign-in/with/corp")
    assert answer.status_code == 503
    assert "corp" in answer.text
    assert client.get("/console/signed-in?code=x&state=y").status_code == 401
    bad = "a.b.c.d.%%%"
    assert client.get("/console/signed-in", headers={"Cookie": f"{COOKIE}-login={bad}"}).status_code == 401


def test_made_up_ways_back_are_bounded_by_address(client: TestClient, issuer: Issuer) -> None:
    cookie = {"Cookie": f"{COOKIE}-login=corp.s.n.v.L2NvbnNvbGU="}
    answers = [client.get("/console/signed-in?code=x&state=s", headers=cookie).status_code for _ in range(40)]

    assert answers[0] == 401
    assert answers[-1] == 429
    assert issuer.asked.count("/token") < 40


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"redirect_url": "http://reports.example.com/console/signed-in"}, "https"),
        ({"redirect_url": "https://reports.example.com/elsewhere"}, "/console/signed-in"),
        ({"client_id": ""}, "client_id"),
        ({"secret": "x"}, "secret"),
    ],
)
def test_a_login_that_cannot_work_is_named_at_the_start(
    issuer: Issuer, tmp_path: Path, change: dict[str, str], wrong: str
) -> None:
    with pytest.raises(WrongIssuers, match=wrong):
        read_issuers(issuer.file(tmp_path, login={**LOGIN, **change}))


def test_with_tokens_alone_there_is_no_form_for_a_key(
    issuer: Issuer, database_url: str, scratch: Path, tmp_path: Path
) -> None:
    for login in ({"login": LOGIN}, {}):
        path = issuer.file(tmp_path, **login)
        app = an_app(database_url, scratch, API_AUTH="oidc", API_OIDC_PATH=str(path), CATALOG_PATH=SAMPLE)
        with TestClient(app, base_url="http://localhost") as client:
            page = client.get("/console/sign-in").text
            assert 'name="key"' not in page
            assert ("/console/sign-in/with/corp" in page) is bool(login)
            assert "No sign-in method" in page or login
