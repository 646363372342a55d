"""Webhooks over HTTP: created with a secret that is shown once, changed, tried, rotated, and inspected byte by byte."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection
from standardwebhooks import Webhook as Receiver

from services.relay.webhooks import Webhooks
from shared.access import api_keys
from shared.access.scopes import OWN, USUAL
from shared.access.secret_keys import SecretKeys
from tests.support.api_app import an_app
from tests.support.promises import broken
from tests.support.webhooks import Listener, make_due, settle
from todoke.errors import InvalidSignature
from todoke.webhooks import verify

EXAMPLE = "https://example.com/todoke"


@pytest.fixture
def client(database_url: str, scratch: Path, tmp_path: Path, sealing: SecretKeys) -> Iterator[TestClient]:
    app = an_app(
        database_url, scratch, SECRETS_KEY_FILE=str(tmp_path / "secrets.keys"), WEBHOOK_NETWORKS="loopback",
        WEBHOOK_PORTS="1-65535", API_WEBHOOKS_EACH="3",
    )  # fmt: skip
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def made(client: TestClient, url: str = EXAMPLE, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def violations(answer: Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json()["violations"]}


def problem(answer: Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_secret_is_shown_once_and_a_repetition_makes_no_second_webhook(client: TestClient, conn: Connection) -> None:
    headers = {"Idempotency-Key": "one"}
    first = client.post("/v1/webhooks", json={"url": EXAMPLE, "types": ["job.failed"]}, headers=headers)
    again = client.post("/v1/webhooks", json={"url": EXAMPLE, "types": ["job.failed"]}, headers=headers)
    other = client.post("/v1/webhooks", json={"url": EXAMPLE}, headers=headers)

    webhook = first.json()
    assert (first.status_code, webhook["secretShown"], webhook["secret"][:6]) == (201, True, "whsec_")
    assert (webhook["types"], webhook["reportTypes"], webhook["state"]) == (["job.failed"], None, "enabled")
    assert first.headers["cache-control"] == "no-store"
    assert (again.status_code, again.json()["secret"], again.json()["secretShown"]) == (201, None, False)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["webhookId"] == webhook["webhookId"]
    assert problem(other)["code"] == "idempotency_key_reused"
    seen = client.get(webhook["links"]["self"])
    assert "secret" not in seen.json()
    kept = conn.execute(text("SELECT key_id, sealed FROM webhook_secrets")).all()
    assert [row.key_id for row in kept] == ["test"]
    assert webhook["secret"].encode() not in bytes(kept[0].sealed)
    trail = conn.execute(text("SELECT action, after::text FROM audit")).all()
    assert [row.action for row in trail] == ["webhooks.create"]
    assert "whsec_" not in trail[0].after


def test_every_mistake_is_named_with_its_remedy(client: TestClient) -> None:
    wrong = violations(
        client.post(
            "/v1/webhooks",
            json={"url": "ftp://x/", "types": ["job.suceeded", 7], "reportTypes": ["calender"], "description": 7,
                  "secret": "x"},
        )
    )  # fmt: skip

    assert set(wrong) == {"url", "types[0]", "types[1]", "reportTypes[0]", "description", "secret"}
    assert "did you mean" in wrong["types[0]"]
    assert "calendar" in wrong["reportTypes[0]"]
    assert "https://" in violations(client.post("/v1/webhooks", json={}))["url"]
    assert "not public" in violations(client.post("/v1/webhooks", json={"url": "https://169.254.169.254/"}))["url"]


def test_without_keys_no_secret_is_kept(database_url: str, scratch: Path) -> None:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        refused = problem(client.post("/v1/webhooks", json={"url": EXAMPLE}))

    assert (refused["status"], refused["code"]) == (409, "secrets_not_kept")
    assert "SECRETS_KEY_FILE" in refused["detail"]


def test_a_webhook_is_changed_listed_and_deleted(client: TestClient, conn: Connection) -> None:
    one, two = made(client), made(client, description="the second")
    page = client.get("/v1/webhooks", params={"pageSize": "1"}).json()
    assert [each["webhookId"] for each in page["webhooks"]] == [two["webhookId"]]
    rest = client.get("/v1/webhooks", params={"pageToken": page["nextPageToken"]}).json()
    assert [each["webhookId"] for each in rest["webhooks"]] == [one["webhookId"]]

    own = one["links"]["self"]
    stale = client.patch(own, json={"types": []}, headers={"If-Match": '"9"'})
    assert problem(stale)["code"] == "precondition_failed"
    off = client.patch(own, json={"enabled": False, "types": [], "reportTypes": ["calendar"]}).json()
    assert (off["state"], off["disabledBecause"], off["types"], off["version"]) == ("disabled", "asked", [], 2)
    assert problem(client.post(f"{own}:test"))["code"] == "webhook_not_ready"
    on = client.patch(own, json={"enabled": True, "reportTypes": None}).json()
    assert (on["state"], on["disabledBecause"], on["reportTypes"]) == ("enabled", None, None)
    assert client.delete(own).status_code == 204
    assert problem(client.get(own))["code"] == "unknown_webhook"
    made(client)
    made(client)
    assert problem(client.post("/v1/webhooks", json={"url": EXAMPLE}))["code"] == "too_many_webhooks"
    told = conn.execute(text("SELECT DISTINCT action FROM audit ORDER BY action")).scalars().all()
    assert list(told) == ["webhooks.create", "webhooks.delete", "webhooks.update"]
    assert broken(conn) == {}


def test_a_ping_is_told_with_every_byte_and_verified_by_both(
    client: TestClient, teller: Webhooks, listener: Listener
) -> None:
    listener.answer = lambda _: (200, b"thank you \xff", {"X-Note": "yes"})
    webhook = made(client, f"{listener.url}/hook")
    asked = client.post(webhook["links"]["test"])
    assert asked.status_code == 202
    settle(teller)

    [heard] = listener.heard
    Receiver(webhook["secret"]).verify(heard.body, dict(heard.headers))
    message = verify(heard.body, heard.headers, webhook["secret"])
    assert (message.type, message.data["webhookId"]) == ("webhook.ping", webhook["webhookId"])
    told = client.get(asked.json()["links"]["self"]).json()
    assert (told["state"], told["attempts"], told["lastStatus"]) == ("delivered", 1, 200)
    assert told["messageId"] == heard.headers["webhook-id"] == message.id
    assert told["body"].encode() == heard.body
    [attempt] = told["tried"]
    assert attempt["requestHead"].startswith("POST /hook HTTP/1.1\r\nHost: ")
    assert heard.headers["webhook-signature"] in attempt["requestHead"]
    assert "X-Note: yes" in attempt["responseHead"]
    assert attempt["responseBody"] == "thank you \ufffd"


def test_what_was_given_up_is_delivered_again_one_or_all_under_the_same_id(
    client: TestClient, conn: Connection, teller: Webhooks, listener: Listener
) -> None:
    listener.answer = lambda _: (500, b"", {})
    webhook = made(client, listener.url)
    own = webhook["links"]["self"]
    for _ in range(3):
        client.post(f"{own}:test")
    settle(teller)
    conn.execute(text("UPDATE webhook_deliveries SET tries = 9"))
    make_due(conn)
    settle(teller)
    dead = client.get(f"{own}/deliveries", params={"state": "dead"}).json()["deliveries"]
    assert len(dead) == 3
    assert client.get(f"{own}/deliveries", params={"state": "waiting"}).json()["deliveries"] == []

    listener.answer = lambda _: (204, b"", {})
    one = client.post(dead[0]["links"]["redeliver"])
    assert (one.status_code, one.json()["state"], one.json()["messageId"]) == (202, "waiting", dead[0]["messageId"])
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert client.post(f"{own}:redeliver", json={"since": since}).json()["deliveries"] == 2
    assert "since" in violations(client.post(f"{own}:redeliver", json={}))
    settle(teller)
    states = [each["state"] for each in client.get(f"{own}/deliveries").json()["deliveries"]]
    assert states == ["delivered"] * 3
    assert len({heard.headers["webhook-id"] for heard in listener.heard}) == 3
    assert broken(conn) == {}


def test_a_rotated_secret_is_shown_once_and_signs_beside_the_one_before(
    client: TestClient, teller: Webhooks, listener: Listener
) -> None:
    webhook = made(client, listener.url)
    own = webhook["links"]["self"]
    rotated = client.post(f"{own}:rotate", json={"overlapSeconds": 3600.0}).json()
    left_s = (datetime.fromisoformat(rotated["oldEndsAt"]) - datetime.now(UTC)).total_seconds()
    assert 3_400 < left_s < 3_601
    client.post(f"{own}:test")
    settle(teller)

    [heard] = listener.heard
    for secret in (webhook["secret"], rotated["secret"]):
        assert verify(heard.body, heard.headers, secret).type == "webhook.ping"
    assert "overlapSeconds" in violations(client.post(f"{own}:rotate", json={"overlapSeconds": -1}))
    for _ in range(2):
        client.post(f"{own}:rotate", json={})
    assert problem(client.post(f"{own}:rotate", json={}))["code"] == "webhook_not_ready"


def test_a_tenant_sees_its_own_webhooks_only(
    database_url: str, conn: Connection, scratch: Path, tmp_path: Path, sealing: SecretKeys
) -> None:
    ours, others = (
        {"Authorization": f"Bearer {api_keys.create_key(conn, tenant=name, name='ci', scopes=OWN)}"}
        for name in ("acme", "globex")
    )
    app = an_app(database_url, scratch, API_AUTH="keys", SECRETS_KEY_FILE=str(tmp_path / "secrets.keys"))
    with TestClient(app, raise_server_exceptions=False) as client:
        own = client.post("/v1/webhooks", json={"url": EXAMPLE}, headers=ours).json()["links"]["self"]
        delivery = client.post(f"{own}:test", headers=ours).json()["links"]["self"]
        for method, path, body in (
            ("GET", own, None), ("PATCH", own, {"types": []}), ("DELETE", own, None), ("POST", f"{own}:test", None),
            ("POST", f"{own}:rotate", {}), ("GET", f"{own}/deliveries", None), ("GET", delivery, None),
            ("POST", f"{delivery}:redeliver", None), ("POST", f"{own}:redeliver", {"since": "2026-01-01T00:00:00Z"}),
        ):  # fmt: skip
            assert problem(client.request(method, path, json=body, headers=others))["code"] == "unknown_webhook"
        assert client.get("/v1/webhooks", headers=others).json()["webhooks"] == []
        assert client.get(f"{own}/deliveries/{uuid4()}", headers=ours).status_code == 404
    assert not {"webhooks:read", "webhooks:write"} & USUAL


def test_the_description_tells_what_is_sent(client: TestClient) -> None:
    sent = client.get("/openapi.json").json()["webhooks"]

    assert "job.succeeded" in sent
    assert "webhook.ping" in sent
    job = sent["job.failed"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert set(job["data"]["properties"]) == {"jobId", "status", "reportType", "version", "links"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda h: h.pop("webhook-id"), "webhook-id is missing"),
        (lambda h: h.update({"webhook-timestamp": "soon"}), "not a whole number"),
        (lambda h: h.update({"webhook-timestamp": "1700000000"}), "no signature matches"),
        (lambda h: h.update({"webhook-signature": "v1,AAAA v2,BBBB x"}), "no signature matches"),
    ],
)
def test_what_is_not_signed_is_refused(change: Callable[[dict[str, str]], object], told: str) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body, now = b'{"type":"job.failed","timestamp":"2026-01-31T12:00:00Z","data":{}}', datetime.now(UTC)
    signature = Receiver(secret).sign("msg_1", now, body.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    assert verify(body, headers, secret).type == "job.failed", "the public library signs, and ours verifies"
    old = now - timedelta(seconds=400)
    signed = Receiver(secret).sign("msg_1", old, body.decode())
    late = {**headers, "webhook-timestamp": str(int(old.timestamp())), "webhook-signature": signed}
    with pytest.raises(InvalidSignature, match="300 s are tolerated"):
        verify(body, late, secret)

    change(headers)
    with pytest.raises(InvalidSignature, match=told):
        verify(body, headers, secret)


def test_a_job_may_name_an_address_at_a_host_of_the_tenants_webhooks(
    client: TestClient, conn: Connection, teller: Webhooks, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    url = f"{listener.url}/done?token=hush"
    refused = violations(client.post("/v1/jobs", json={"callbackUrl": url}))
    assert '"types": []' in refused["callbackUrl"]
    secret = made(client, f"{listener.url}/own", types=[])["secret"]

    answer = client.post("/v1/jobs", json={"callbackUrl": url})
    own = answer.json()["links"]["self"]
    assert client.get(own).json()["callbackUrl"] == f"{listener.url}/done?…"
    client.post(f"{own}:cancel")
    again = client.post(f"{own}:retry").json()["links"]["self"]
    plain = client.post("/v1/jobs", json={}).json()["links"]["self"]
    client.post(f"{plain}:cancel")
    settle(teller)

    [heard] = listener.heard
    assert heard.path == "/done?token=hush"
    assert verify(heard.body, heard.headers, secret).type == "job.cancelled"
    assert conn.execute(text("SELECT count(*) FROM webhook_events")).scalar_one() == 1
    assert client.get(again).json()["callbackUrl"] == f"{listener.url}/done?…"
    assert "hush" not in caplog.text
    # The host is no host of the tenant's any more: what is asked for again tells nobody, and what names it is refused.
    [webhook] = client.get("/v1/webhooks").json()["webhooks"]
    client.delete(webhook["links"]["self"])
    later = client.post(f"{own}:retry").json()["links"]["self"]
    assert client.get(later).json()["callbackUrl"] is None
    assert "callbackUrl" in violations(client.post(f"{own}:retry", json={"callbackUrl": url}))


def test_an_address_of_a_callback_is_checked_as_a_webhooks_and_goes_with_no_reuse(client: TestClient) -> None:
    for url, told in (("ftp://x/", "https://"), (7, "text"), ("https://169.254.169.254/", "not public"),
                      ("https://me:pw@example.com/", "user name"), ("https://example.com/", "no webhook")):  # fmt: skip
        assert told in violations(client.post("/v1/jobs", json={"callbackUrl": url}))["callbackUrl"]
    made(client)
    asked = {"callbackUrl": EXAMPLE, "reuse": {"maxAgeSeconds": 60}}
    assert "callbackUrl" in violations(client.post("/v1/jobs", json=asked))["reuse"]
    assert client.post("/v1/jobs", json={"callbackUrl": EXAMPLE.replace("example.com", "EXAMPLE.com:443")}).is_success


def test_each_job_of_a_schedule_tells_its_callback(client: TestClient) -> None:
    asked = {"name": "n", "reportType": "calendar", "cron": "0 7 * * *", "callbackUrl": f"{EXAMPLE}?token=hush"}
    assert "callbackUrl" in violations(client.post("/v1/schedules", json=asked))
    made(client)
    own = client.post("/v1/schedules", json=asked).json()["links"]["self"]
    assert client.patch(own, json={"name": "m"}).json()["options"] == {"callbackUrl": f"{EXAMPLE}?…"}
    job = client.post(f"{own}:run").json()["links"]["self"]
    assert client.get(job).json()["callbackUrl"] == f"{EXAMPLE}?…"


def test_a_webhook_and_a_callback_have_conditions_of_their_own(client: TestClient, conn: Connection) -> None:
    when = ["failure", {"figure": "rows", "above": 10}]
    webhook = made(client, notifyWhen=when)
    own = webhook["links"]["self"]
    assert (webhook["notifyWhen"], client.patch(own, json={"description": "x"}).json()["notifyWhen"]) == (when, when)
    wrong = violations(client.patch(own, json={"notifyWhen": ["rows", {"figure": "row", "above": 1}]}))
    assert "did you mean 'rows'" in wrong["notifyWhen[1].figure"]
    wrong = violations(client.patch(own, json={"notifyWhen": [{"figure": "cancelled_share", "above": 1}]}))
    assert wrong["notifyWhen[0].figure"] == "'cancelled_share' is not a figure; there are: rows"
    assert client.patch(own, json={"notifyWhen": None}).json()["notifyWhen"] is None
    trail = conn.execute(text("SELECT before ->> 'notifyWhen' FROM audit ORDER BY id DESC LIMIT 1")).scalar_one()
    assert "rows" in trail

    asked = {"callbackUrl": EXAMPLE, "notifyWhen": when}
    job = client.post("/v1/jobs", json=asked).json()["links"]["self"]
    client.post(f"{job}:cancel")
    again = client.post(f"{job}:retry").json()["links"]["self"]
    assert client.get(again).json()["notifyWhen"] == when
    assert "callbackUrl" in violations(client.post("/v1/jobs", json={"notifyWhen": when}))["notifyWhen"]
    named = {"name": "n", "reportType": "calendar", "cron": "0 7 * * *", **asked}
    assert client.post("/v1/schedules", json=named).json()["options"] == asked
