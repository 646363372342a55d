"""Webhooks in the console: made with a secret that is shown once, changed, tried, and looked at with every byte."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.console.texts import texts
from services.relay.webhooks import Webhooks
from shared.access.secret_keys import SecretKeys
from tests.services.test_console import OTHER_SITE, looked_at
from tests.support.api_app import an_app
from tests.support.webhooks import Listener, deliveries, make_due, settle

HOSTILE = "</pre><script>alert(1)</script>"
NOTHING = {"proof": ""}


@pytest.fixture
def client(database_url: str, scratch: Path, tmp_path: Path, sealing: SecretKeys) -> Iterator[TestClient]:
    app = an_app(
        database_url, scratch, SECRETS_KEY_FILE=str(tmp_path / "secrets.keys"), WEBHOOK_NETWORKS="loopback",
        WEBHOOK_PORTS="1-65535",
    )  # fmt: skip
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def form(url: str, **fields: Any) -> dict[str, Any]:
    return {"url": url, "types": ["job.failed", "job.succeeded"], "description": "ours", "notifyWhen": "", **fields}


def made(client: TestClient, url: str, **fields: Any) -> tuple[str, str]:
    """Make one by the form. Returns its page and its secret."""
    answer = client.post("/console/webhooks/new", data=form(url, **fields))
    assert answer.status_code == 201, answer.text
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", answer.text)[:1]
    [place] = re.findall(r'href="(/console/webhooks/[0-9a-f-]{36})"', answer.text)
    return place, secret


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_webhook_is_made_by_a_form_and_its_secret_is_shown_once(
    language: str, client: TestClient, conn: Connection
) -> None:
    client.headers["Accept-Language"] = language
    say = texts(language)
    assert say("webhooks.none") in client.get("/console/webhooks").text
    asked = form("https://example.com/a?token=hush", notifyWhen="failure\nrows > 1000\nrows<0.5", key="once")
    first = client.post("/console/webhooks/new", data=asked)
    again = client.post("/console/webhooks/new", data=asked)

    assert "whsec_" in first.text
    assert "whsec_" not in again.text
    assert say("webhook_secret.shown_before") in again.text
    row = conn.execute(text("SELECT * FROM webhooks")).one()
    assert row.types == ["job.succeeded", "job.failed"]
    assert row.notify_when == ["failure", {"figure": "rows", "above": 1000}, {"figure": "rows", "below": 0.5}]
    own = f"/console/webhooks/{row.id}"
    opened = client.get(f"{own}/edit").text
    assert "failure\nrows &gt; 1000\nrows &lt; 0.5" in opened
    assert "whsec_" not in client.get(own).text + opened
    unchanged = client.post(f"{own}/edit", data={**asked, "version": "1"})
    assert unchanged.headers["location"] == own
    assert client.post(f"{own}/edit", data={**asked, "version": "1"}).status_code == 412
    listed = client.get("/console/webhooks").text
    assert ">example.com<" in listed
    assert "hush" not in listed
    assert looked_at(listed).inline == []


def test_what_is_wrong_stands_beside_its_field_and_the_input_stays(client: TestClient) -> None:
    wrong = form("http://127.0.0.1.example/x y", types=["job.done"], reportTypes=["nope"], notifyWhen="row > 1\nsoon")
    answer = client.post("/console/webhooks/new", data=wrong)
    assert answer.status_code == 422
    for name in ("url", "types", "reportTypes", "notifyWhen"):
        assert f'id="{name}-wrong"' in answer.text, name
    assert "row &gt; 1\nsoon" in answer.text
    assert client.post("/console/webhooks/new", data=wrong, headers=OTHER_SITE).status_code == 403


def test_a_ping_shows_every_byte_and_what_was_given_up_is_sent_again(
    client: TestClient, conn: Connection, teller: Webhooks, listener: Listener
) -> None:
    own, _ = made(client, f"{listener.url}/todoke")
    listener.answer = lambda _: (500, HOSTILE.encode(), {"X-Odd": "yes"})
    place = client.post(f"{own}/test", data=NOTHING).headers["location"]
    assert texts("en")("delivery.not_tried") in client.get(place).text
    settle(teller)

    shown = client.get(place).text
    [heard] = listener.heard
    assert heard.headers["webhook-signature"] in shown.replace("&#43;", "+")
    for told in ("POST /todoke HTTP/1.1", "HTTP/1.1 500", "X-Odd: yes", "webhook.ping", "standardwebhooks"):
        assert told in shown, told
    assert HOSTILE not in shown
    assert looked_at(shown).inline == []

    listener.answer = lambda _: (204, b"", {})
    conn.execute(text("UPDATE webhook_deliveries SET state = 'dead', ended_at = now()"))
    assert ">500<" in client.get(f"{own}?state=dead").text
    assert texts("en")("webhook.no_such_deliveries") in client.get(f"{own}?state=delivered").text
    assert client.post(f"{own}/redeliver", data={"days": "7"}).headers["location"] == f"{own}?state=waiting"
    settle(teller)
    assert [one.state for one in deliveries(conn)] == ["delivered"]
    assert client.post(f"{place}/redeliver", data=NOTHING).headers["location"] == place
    make_due(conn)
    settle(teller)
    assert len({one.headers["webhook-id"] for one in listener.heard}) == 1
    assert len(listener.heard) == 3


def test_a_webhook_is_paused_turned_on_given_another_secret_and_deleted(client: TestClient, conn: Connection) -> None:
    own, secret = made(client, "https://example.com/a")
    client.post(f"{own}/enabled", data={"enabled": "no"})
    paused = client.get(own).text
    assert texts("en")("webhook_off.asked") in paused
    assert f"{own}/test" not in paused
    refused = client.post(f"{own}/test", data=NOTHING)
    assert (refused.status_code, "disabled" in refused.text) == (409, True)
    client.post(f"{own}/enabled", data={"enabled": "yes"})
    assert texts("en")("webhook_state.enabled") in client.get(own).text
    rotated = client.post(f"{own}/rotate", data={"hours": "1"})
    [other] = re.findall(r"whsec_[A-Za-z0-9+/=]+", rotated.text)[:1]
    assert other != secret
    assert client.post(f"{own}/delete", data=NOTHING).headers["location"] == "/console/webhooks"
    assert client.get(own).status_code == 404
    assert client.get("/console/webhooks/none").status_code == 404


def test_without_keys_the_page_says_what_is_missing(database_url: str, scratch: Path) -> None:
    with TestClient(an_app(database_url, scratch), raise_server_exceptions=False) as client:
        page = client.get("/console/webhooks").text
    assert "SECRETS_KEY_FILE" in page
    assert "/webhooks/new" not in page
