"""Bearer tokens of OpenID Connect: which are accepted, whose principal they are, and every way to forge one."""

import asyncio
import base64
import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local.emulator import Emulator
from services.api.auth import fetching, issuer_keys
from services.api.auth.fetching import CannotFetch, Document, fetch
from services.api.auth.issuer_keys import IssuerAway, IssuerKeys
from services.api.auth.issuers import Issuer as Configured
from services.api.auth.issuers import WrongIssuers, read_issuers
from services.api.auth.tokens import NoTenant, Tokens, WrongToken
from shared.access import api_keys
from shared.access.scopes import OWN
from shared.runtime.settings import SettingsError
from tests.support.api_app import an_app
from tests.support.http_server import QuietHandler
from tests.support.issuer import Issuer, a_key

CORP = {"audiences": ["todoke"], "tenant_claim": "tenant"}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running
        running.hung.set()


@pytest.fixture
def client(issuer: Issuer, database_url: str, scratch: Path, tmp_path: Path) -> Iterator[TestClient]:
    roles = {"report-admins": ["jobs:read_all", "audit:read"]}
    path = issuer.file(tmp_path, role_claim="groups", roles=roles)
    app = an_app(database_url, scratch, API_AUTH="keys+oidc", API_OIDC_PATH=str(path))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def me(client: TestClient, token: str) -> Response:
    answer: Response = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    return answer


def problem(answer: Response, status: int, code: str) -> str:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    detail: str = answer.json()["detail"]
    return detail


def configured(issuer: Issuer, **changes: Any) -> Configured:
    return Configured.model_validate({"name": "corp", "issuer": issuer.url, **CORP, **changes})


def verify(issuer: Issuer, token: str, **changes: Any) -> Any:
    async def ask() -> Any:
        tokens = Tokens({issuer.url: configured(issuer, **changes)})
        try:
            return await tokens.principal_of(token)
        finally:
            await tokens.close()

    return asyncio.run(ask())


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_its_subject_at_its_issuer_with_tenant_scopes_and_roles(
    client: TestClient, issuer: Issuer, conn: Connection
) -> None:
    answer = me(client, issuer.token(groups=["report-admins", "others"]))
    assert answer.json() == {
        "tenant": "acme", "subject": "oidc:corp:ann", "credential": "token", "keyId": None,
        "scopes": ["audit:read", "jobs:create", "jobs:read", "jobs:read_all"],
    }  # fmt: skip
    made = client.post("/v1/jobs", headers={"Authorization": f"Bearer {issuer.token()}"})
    assert made.status_code == 202
    asked = conn.execute(text("SELECT tenant, requester FROM jobs")).one()
    assert tuple(asked) == ("acme", "oidc:corp:ann")
    # A key of the same tenant stands beside it, and nobody can be called like a token's subject.
    key = api_keys.create_key(conn, tenant="acme", name="ann")
    assert me(client, key).json()["subject"] == "ann"
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_the_description_leads_to_the_issuer(client: TestClient, issuer: Issuer) -> None:
    described = client.get("/openapi.json").json()
    scheme = described["components"]["securitySchemes"]["openid_corp"]
    assert (scheme["type"], scheme["openIdConnectUrl"]) == (
        "openIdConnect", f"{issuer.url}/.well-known/openid-configuration"
    )  # fmt: skip
    security = described["paths"]["/v1/jobs/{job_id}:cancel"]["post"]["security"]
    assert security == [{"bearer": ["jobs:cancel", "jobs:read"]}, {"openid_corp": ["jobs:cancel", "jobs:read"]}]


def test_an_issuer_gives_scopes_about_all_tenants_only_where_it_is_said_to(issuer: Issuer, tmp_path: Path) -> None:
    token = issuer.token(scope="jobs:read admin:write")
    assert verify(issuer, token).scopes == {"jobs:read"}
    assert verify(issuer, token, operators=True).scopes == {"jobs:read", "admin:write"}
    roles = {"staff": ["admin:read"]}
    with pytest.raises(WrongIssuers, match=r"gives admin:read, about all tenants: that needs `operators = true`"):
        read_issuers(issuer.file(tmp_path, roles=roles))
    assert read_issuers(issuer.file(tmp_path, roles=roles, operators=True))


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
def test_signatures_by_private_keys_are_believed(issuer: Issuer, algorithm: str) -> None:
    issuer.keys = [a_key(f"of-{algorithm}", algorithm)]
    assert verify(issuer, issuer.token(algorithm=algorithm)).subject == "oidc:corp:ann"


LIES: dict[str, tuple[Callable[[Issuer], str], str]] = {
    "no signature": (lambda i: i.unsigned(), "algorithm"),
    "None with capitals": (lambda i: i.unsigned("None"), "algorithm"),
    "HS256 with the public key": (lambda i: i.signed_with_the_public_key(), "algorithm"),
    "an algorithm that is not allowed": (lambda i: i.token(a_key("rs512", "RS512"), "RS512"), "algorithm"),
    "another's key under its id": (lambda i: i.token(a_key("stolen"), header={"kid": "first"}), "wrong signature"),
    "a key that nobody knows": (lambda i: i.token(a_key("stolen")), "does not have"),
    "another issuer": (lambda i: i.token(iss="https://evil.example"), "not known here"),
    "its issuer with a slash": (lambda i: i.token(iss=f"{i.url}/"), "not known here"),
    "no issuer": (lambda i: i.token(iss=None), "not known here"),
    "a list of issuers": (lambda i: i.token(iss=[i.url]), "not known here"),
    "another audience": (lambda i: i.token(aud="other"), "somebody else"),
    "no audience": (lambda i: i.token(aud=None), "somebody else"),
    "several audiences and no client": (lambda i: i.token(aud=["todoke", "b"]), "`clients`"),
    "over": (lambda i: i.token(exp=int(time.time()) - 61), "is over"),
    "issued long ago": (lambda i: i.token(iat=int(time.time()) - 90_000), "is over"),
    "no end": (lambda i: i.token(exp=None), "no end"),
    "an end that is none": (lambda i: i.token(exp="tomorrow"), "not a moment"),
    "an end that is true": (lambda i: i.token(exp=True), "not a moment"),
    "an endless end": (lambda i: i.token(exp=float("inf")), "not a moment"),
    "not yet": (lambda i: i.token(nbf=int(time.time()) + 120), "not valid yet"),
    "issued in the future": (lambda i: i.token(iat=int(time.time()) + 120), "not valid yet"),
    "an ID token": (lambda i: i.token(header={"typ": "JWT"}), "type"),
    "no type": (lambda i: i.token(header={"typ": None}), "type"),
    "its own key": (lambda i: i.token(header={"jwk": {"kty": "RSA"}}), "'jwk'"),
    "an address of keys": (lambda i: i.token(header={"jku": "https://evil.example/keys"}), "'jku'"),
    "a certificate's address": (lambda i: i.token(header={"x5u": "https://evil.example/c"}), "'x5u'"),
    "rules of its own": (
        lambda i: i.forged({"alg": "RS256", "typ": "at+jwt", "kid": "first", "crit": ["exp"]}),
        "'crit'",
    ),
    "a key id that is no text": (lambda i: i.forged({"alg": "RS256", "typ": "at+jwt", "kid": 7}), "names its key"),
    "nobody": (lambda i: i.token(sub=None), "`sub`"),
    "a subject that nobody can read": (lambda i: i.token(sub="a\nb"), "`sub`"),
    "too long": (lambda i: i.token(more="x" * 9_000), "8192 bytes"),
    "two parts": (lambda i: "e30.e30", "neither"),
    "five parts": (lambda i: "e30.e30.e30.e30.e30", "neither"),
    "no base64": (lambda i: "e30!.e30.e30", "not a JSON Web Token"),
    "no object": (lambda i: "WzFd.e30.e30", "not a JSON Web Token"),
    "deep": (lambda i: base64.urlsafe_b64encode(b"[" * 3000).decode() + ".e30.e30", "not a JSON Web Token"),
    "changed after it was signed": (lambda i: _with_claims(i, i.token(), tenant="globex"), "wrong signature"),
}


def _with_claims(issuer: Issuer, token: str, **changes: Any) -> str:
    head, _, signature = token.split(".")
    claims = base64.urlsafe_b64encode(json.dumps(issuer.claims(**changes)).encode()).decode().rstrip("=")
    return f"{head}.{claims}.{signature}"


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_opens_nothing_and_is_told_from_others(issuer: Issuer, lie: str) -> None:
    make, told = LIES[lie]
    with pytest.raises(WrongToken, match=f".*{told.replace('(', '.')}"):
        verify(issuer, make(issuer))


def test_a_lie_is_a_401_and_its_text_is_not_quoted(client: TestClient, issuer: Issuer) -> None:
    for token in (issuer.unsigned(), issuer.token(aud="other"), "nonsense"):
        answer = me(client, token)
        assert "token" in problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer realm="todoke", error="invalid_token"'
        assert token not in answer.text


@pytest.mark.parametrize(("tenant", "told"), [(None, "is missing"), (7, "not a text"), ("a/b", "cannot name a tenant")])
def test_a_good_token_without_a_tenant_is_forbidden(
    client: TestClient, issuer: Issuer, tenant: object, told: str
) -> None:
    assert told in problem(me(client, issuer.token(tenant=tenant)), 403, "no_tenant")


def test_claims_are_read_as_the_file_says(issuer: Issuer) -> None:
    def scopes(token: str, **changes: Any) -> list[str]:
        return sorted(verify(issuer, token, **changes).scopes)

    assert scopes(issuer.token(scope=None, scp=["jobs:read", 7, "no scope!"])) == ["jobs:read"]
    prefixed = issuer.token(scope="todoke/jobs:read jobs:create openid")
    assert scopes(prefixed, scope_prefix="todoke/") == ["jobs:read"]
    assert scopes(issuer.token(scope=None)) == []
    assert scopes(issuer.token(scope="jobs:raed")) == [], "not one of ours, and not one of a report type"
    several = issuer.token(aud=["todoke", "other"], azp="web")
    assert verify(issuer, several, clients=["web"]).tenant == "acme"
    with pytest.raises(WrongToken, match="client"):
        verify(issuer, several, clients=["batch"])
    assert verify(issuer, issuer.token(header={"typ": None}), types=["at+jwt", ""]).tenant == "acme"
    assert verify(issuer, issuer.token(header={"typ": "application/AT+JWT"})).tenant == "acme"
    # As Amazon Cognito writes access tokens.
    cognito = issuer.token(header={"typ": None}, aud=None, client_id="app", token_use="access")
    as_cognito = {
        "types": [""],
        "audience_claim": "client_id",
        "audiences": ["app"],
        "required": {"token_use": "access"},
    }
    assert verify(issuer, cognito, **as_cognito).tenant == "acme"
    with pytest.raises(WrongToken, match="required"):
        verify(issuer, issuer.token(header={"typ": None}, client_id="app", token_use="id"), **as_cognito)
    assert verify(issuer, issuer.token(tenant=None), tenant="globex", tenant_claim=None).tenant == "globex"


def test_a_key_without_an_id_counts_only_where_there_is_no_choice(issuer: Issuer) -> None:
    token = issuer.token(header={"kid": None})
    assert verify(issuer, token).tenant == "acme"
    issuer.keys = [a_key("first"), a_key("second")]
    with pytest.raises(WrongToken, match="does not have"):
        verify(issuer, token)


def test_what_is_wrong_with_a_key_set_does_not_matter_if_one_key_is_right(issuer: Issuer) -> None:
    good = a_key("first").as_dict(private=False)
    junk = [{}, 7, {"kty": "RSA"}, {"kty": "oct", "k": "AAAA", "kid": "first"}, {**good, "use": "enc", "kid": "e"}]
    issuer.lies["/keys"] = lambda handler: issuer.say(handler, {"keys": [*junk, good]})
    assert verify(issuer, issuer.token()).tenant == "acme"
    with pytest.raises(WrongToken, match="does not have"):
        verify(issuer, issuer.token(header={"kid": "e"}))


def test_a_rotated_key_is_fetched_once_and_strangers_ids_cost_one_request_in_30_s(issuer: Issuer) -> None:
    clock = Clock()

    async def play() -> None:
        keys = IssuerKeys(configured(issuer), clock=clock)
        assert await keys.find("first", "RS256") is not None
        clock.now += 31
        issuer.keys = [a_key("second")]
        found = await asyncio.gather(*(keys.find("second", "RS256") for _ in range(10)))
        assert all(found)
        assert issuer.asked.count("/keys") == 2
        for n in range(200):
            assert await keys.find(f"random-{n}", "RS256") is None
        assert issuer.asked.count("/keys") == 2, "within 30 s of the last time"
        clock.now += 31
        for n in range(200):
            assert await keys.find(f"random-{n}", "RS256") is None
        assert issuer.asked.count("/keys") == 3
        clock.now += 31
        assert await keys.find("random-0", "RS256") is None
        assert issuer.asked.count("/keys") == 3, "its issuer did not know it a moment ago"
        assert len(keys._not_there) <= 64
        assert await keys.find("second", "ES256") is None, "an RSA key checks no ES256"
        await keys.close()

    asyncio.run(play())


def test_keys_are_kept_for_a_day_while_their_issuer_is_away(issuer: Issuer) -> None:
    clock = Clock()

    def away(handler: QuietHandler) -> None:
        handler.answer(503)

    async def play() -> None:
        keys = IssuerKeys(configured(issuer), clock=clock)
        assert await keys.find("first", "RS256") is not None
        issuer.lies["/keys"] = away
        for _ in range(20):
            clock.now += 4_000
            assert await keys.find("first", "RS256") is not None
            await keys._begin()
        assert issuer.asked.count("/keys") > 20
        clock.now += 7_000
        with pytest.raises(IssuerAway):
            await keys.find("first", "RS256")
        del issuer.lies["/keys"]
        with pytest.raises(IssuerAway):
            await keys.find("first", "RS256")  # asked a moment ago
        clock.now += 31
        assert await keys.find("first", "RS256") is not None
        await keys.close()

    asyncio.run(play())


def test_keys_live_as_their_cache_control_says_within_bounds(issuer: Issuer) -> None:
    clock = Clock()

    async def asked_after(keys: IssuerKeys, seconds: float) -> bool:
        before = issuer.asked.count("/keys")
        clock.now += seconds
        assert await keys.find("first", "RS256") is not None
        if keys._fetching is not None:
            await keys._fetching
        return issuer.asked.count("/keys") > before

    async def play() -> None:
        keys = IssuerKeys(configured(issuer, jwks_url=f"{issuer.url}/keys"), clock=clock)
        issuer.headers["Cache-Control"] = "public, max-age=1"
        assert await asked_after(keys, 0)
        assert not await asked_after(keys, 299)
        issuer.headers["Cache-Control"] = "max-age=3600"
        assert await asked_after(keys, 2)
        assert not await asked_after(keys, 3_500)
        assert await asked_after(keys, 200)
        assert "/.well-known/openid-configuration" not in issuer.asked
        await keys.close()

    asyncio.run(play())


def _redirects(handler: QuietHandler) -> None:
    handler.answer(302, b"", {"Location": "/elsewhere"})


def _huge(handler: QuietHandler) -> None:
    handler.answer(200, json.dumps({"keys": [], "more": "x" * 300_000}).encode())


def _junk(handler: QuietHandler) -> None:
    handler.answer(200, b"<html>")


def _deep(handler: QuietHandler) -> None:
    handler.answer(200, b"[" * 100_000)


def _empty(handler: QuietHandler) -> None:
    handler.answer(200, b'{"keys": []}')


@pytest.mark.parametrize(
    ("lie", "told"),
    [
        (_redirects, "302"),
        (_huge, "more than"),
        (_junk, "cannot be fetched"),
        (_deep, "cannot"),
        (_empty, "no public key"),
    ],
)
def test_what_comes_in_the_place_of_keys_is_not_believed(
    client: TestClient, issuer: Issuer, lie: Callable[[QuietHandler], None], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.lies["/keys"] = lie
    answer = me(client, issuer.token())
    problem(answer, 503, "issuer_unavailable")
    assert answer.headers["retry-after"] == "5"
    [reason] = [r.reason for r in caplog.records if r.msg == "oidc.keys_not_fetched"]  # type: ignore[attr-defined]
    assert told in reason
    assert "/elsewhere" not in issuer.asked


def test_a_discovery_document_is_about_its_own_issuer_and_leads_to_https(issuer: Issuer) -> None:
    place = "/.well-known/openid-configuration"
    for document in ({"issuer": "https://evil.example", "jwks_uri": f"{issuer.url}/keys"}, {"issuer": issuer.url},
                     {"issuer": issuer.url, "jwks_uri": "http://192.0.2.1/keys"}):  # fmt: skip
        issuer.lies[place] = lambda handler, document=document: issuer.say(handler, document)  # type: ignore[misc]
        with pytest.raises(IssuerAway):
            verify(issuer, issuer.token())


def test_an_issuer_that_hangs_or_drips_is_left_in_time(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_READ_S", 0.2)
    monkeypatch.setattr(fetching, "_WHOLE_S", 1.0)

    def hangs(_: QuietHandler) -> None:
        issuer.hung.wait(60)

    def drips(handler: QuietHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not issuer.hung.wait(0.02):
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return

    issuer.lies |= {"/hangs": hangs, "/drips": drips}
    for path in ("/hangs", "/drips"):
        with pytest.raises(CannotFetch, match="cannot be fetched"):
            fetch(f"{issuer.url}{path}")
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(CannotFetch):
        fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/keys")


def test_a_good_token_is_believed_for_a_minute_and_never_beyond_its_end(issuer: Issuer) -> None:
    clock = Clock()

    async def play() -> None:
        tokens = Tokens({issuer.url: configured(issuer)}, clock=clock)
        long, short = issuer.token(), issuer.token(exp=int(time.time()) + 10)
        for token in (long, short):
            await tokens.principal_of(token)
        assert tokens.remembered(long)
        clock.now += 11
        assert tokens.remembered(long)
        assert tokens.remembered(short) is None
        clock.now += 50
        assert tokens.remembered(long) is None
        await tokens.close()

    asyncio.run(play())


def test_wrong_tokens_are_bounded_by_address_and_good_ones_are_not(client: TestClient, issuer: Issuer) -> None:
    assert {me(client, issuer.token(n=n)).status_code for n in range(40)} == {200}, "each of them is new"
    known = issuer.token()
    assert me(client, known).status_code == 200
    statuses = [me(client, issuer.token(aud="other", n=n)).status_code for n in range(60)]
    assert set(statuses) == {401, 429}
    assert me(client, known).status_code == 200


def test_keys_and_tokens_are_told_apart(client: TestClient, database_url: str, scratch: Path, issuer: Issuer) -> None:
    assert "token" in problem(me(client, "todoke"), 401, "unauthorized")
    assert "API key" in problem(me(client, "todoke_live_x"), 401, "unauthorized")
    path = scratch / "issuers.toml"
    path.write_text(issuer.file(scratch).read_text())
    with TestClient(an_app(database_url, scratch, API_AUTH="oidc", API_OIDC_PATH=str(path))) as tokens_only:
        assert me(tokens_only, issuer.token()).status_code == 200
        assert "no API keys" in problem(me(tokens_only, "todoke_live_x"), 401, "unauthorized")
        headers = {"Authorization": f"Bearer {issuer.token(scope='keys:read')}"}
        assert tokens_only.get("/v1/keys", headers=headers).json()["code"] == "keys_not_in_use"


def test_a_schedule_of_a_tokens_bearer_says_until_when_it_acts_and_its_owner_lets_it_go_on(
    client: TestClient, issuer: Issuer, conn: Connection
) -> None:
    asked = {"name": "daily", "reportType": "calendar", "cron": "0 7 * * *"}
    scope = "schedules:read schedules:write jobs:create jobs:read"
    client.headers["Authorization"] = f"Bearer {issuer.token(scope=scope)}"
    made = client.post("/v1/schedules", json=asked).json()
    own, until = made["links"]["self"], datetime.fromisoformat(made["actsUntil"])
    days = client.app.state.parts.settings.schedule_grant_days  # type: ignore[attr-defined]
    assert until - datetime.fromisoformat(made["createdAt"]) == pytest.approx(
        timedelta(days=days), abs=timedelta(hours=1)
    )

    conn.execute(text("UPDATE schedules SET owner_until = now() - interval '1 s'"))
    refused = client.post(f"{own}:run")
    assert (refused.status_code, refused.json()["code"]) == (409, "schedule_cannot_run")
    assert "resume it" in refused.json()["detail"]
    assert datetime.fromisoformat(client.post(f"{own}:resume").json()["actsUntil"]) >= until
    assert client.post(f"{own}:run").status_code == 202

    key = api_keys.create_key(conn, tenant="acme", name="nightly", scopes=OWN)
    client.headers["Authorization"] = f"Bearer {key}"
    assert client.patch(own, json={"cron": "0 8 * * *"}).json()["actsUntil"] is None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "names no issuer"),
        ("[corp]\n", "corp is not known here"),
        ("[issuers.Corp]\n", "lower-case"),
        ('[issuers.c]\nissuer = "https://i"\ntenant = "a"', "audiences: Field required"),
        ('[issuers.c]\nissuer = "http://i.example"\naudiences = ["a"]\ntenant = "a"', "https://"),
        ('[issuers.c]\nissuer = "https://u@i"\naudiences = ["a"]\ntenant = "a"', "without a user"),
        ('[issuers.c]\nissuer = "https://i"\naudiences = ["a"]', "tenant_claim"),
        ('[issuers.c]\nissuer = "https://i"\naudiences = ["a"]\ntenant = "a/b"', "cannot name a tenant"),
        ('[issuers.c]\nissuer = "https://i"\naudiences = ["a"]\ntenant = "a"\nalgorithms = ["HS256"]', "algorithms"),
        (
            '[issuers.c]\nissuer = "https://i"\naudiences = ["a"]\ntenant = "a"\nroles = {x = ["jobs:raed"]}',
            "jobs:raed",
        ),
        ('[issuers.c]\nissuer = "https://i"\naudiences = ["a"]\ntenant = "a"\naudience = "x"', "audience"),
        (
            "".join(f'[issuers.{n}]\nissuer = "https://i"\naudiences = ["a"]\ntenant = "a"\n' for n in "ab"),
            "stands twice",
        ),
        ("not toml", "cannot be read"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "issuers.toml").write_text(content)
    with pytest.raises(WrongIssuers, match=told.replace("(", r"\(")):
        read_issuers(tmp_path / "issuers.toml")


def test_the_settings_belong_together(database_url: str, scratch: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="needs API_OIDC_PATH"):
        an_app(database_url, scratch, API_AUTH="oidc")
    with pytest.raises(SettingsError, match="takes no tokens"):
        an_app(database_url, scratch, API_AUTH="keys", API_OIDC_PATH=str(tmp_path / "x"))
    with pytest.raises(WrongIssuers, match="cannot be read"):
        an_app(database_url, scratch, API_AUTH="oidc", API_OIDC_PATH=str(tmp_path / "x"))


def test_a_document_that_is_no_json_object_is_none() -> None:
    assert issuer_keys._fits({"kty": "RSA", "key_ops": ["sign"]}, "RS256") is False
    assert Document({}, None).max_age_s is None
    assert NoTenant("tenant").args == ("The token's tenant claim 'tenant' is missing.",)


def test_a_user_of_a_cognito_pool_is_let_in_by_its_access_token_and_not_by_its_id_token(tmp_path: Path) -> None:
    with Emulator(tmp_path / "aws", services="cognito-idp,sqs") as emulator:
        at = emulator.environment()["AWS_ENDPOINT_URL"]
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        cognito = boto3.client("cognito-idp", region_name="us-east-1", endpoint_url=at, **keys)
        pool = cognito.create_user_pool(PoolName="people")["UserPool"]["Id"]
        flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
        made = cognito.create_user_pool_client(UserPoolId=pool, ClientName="todoke", ExplicitAuthFlows=flows)
        app = made["UserPoolClient"]["ClientId"]
        cognito.admin_create_user(UserPoolId=pool, Username="ann", TemporaryPassword="Secret-1!")
        cognito.admin_set_user_password(UserPoolId=pool, Username="ann", Password="Secret-2!", Permanent=True)
        cognito.create_group(GroupName="report-users", UserPoolId=pool)
        cognito.admin_add_user_to_group(UserPoolId=pool, Username="ann", GroupName="report-users")
        tokens = cognito.admin_initiate_auth(
            UserPoolId=pool, ClientId=app, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "ann", "PASSWORD": "Secret-2!"},
        )["AuthenticationResult"]  # fmt: skip
        iss = f"https://cognito-idp.us-east-1.amazonaws.com/{pool}"
        corp = Configured(
            name="cognito", issuer=iss, jwks_url=f"{at}/{pool}/.well-known/jwks.json", audiences=[app],
            audience_claim="client_id", types=[""], required={"token_use": "access"}, tenant="acme",
            role_claim="cognito:groups", roles={"report-users": ["jobs:create", "jobs:read"]},
        )  # fmt: skip

        async def ask() -> None:
            known = Tokens({iss: corp})
            ann = await known.principal_of(tokens["AccessToken"])
            assert ann.subject is not None
            assert ann.subject.startswith("oidc:cognito:")
            assert {"jobs:create", "jobs:read"} <= (ann.scopes or set())
            with pytest.raises(WrongToken):
                await known.principal_of(tokens["IdToken"])
            await known.close()

        asyncio.run(ask())
