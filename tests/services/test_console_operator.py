"""The operator's part of the console: overview, queues, keys and the audit trail."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from services.api.auth import sessions as cached
from shared.access import api_keys, audit
from shared.access.audit import Action, Actor
from shared.access.scopes import OWN, Scope
from shared.database.engine import transactional
from shared.jobs import caps, measurements, pauses, workers
from shared.jobs.gates import Gate, Kind
from shared.jobs.measurements import Subject
from shared.jobs.workers import Presence
from shared.outbox import parked
from shared.outbox.dead_letters import Copy, copy, list_rows
from shared.schedules.schedule import Owner
from shared.webhooks.deliveries import ping
from tests.services.test_console import SAMPLE, looked_at
from tests.services.test_console_sessions import proof
from tests.support.api_app import an_app
from tests.support.jobs import a_job, count
from tests.support.postgres.roles import service_urls
from tests.support.put_aside import some_dead, some_parked
from tests.support.schedules import a_schedule
from tests.support.webhooks import a_webhook, secret_keys

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'"
PAGES = ("/overview", "/overview?period=7d", "/overview/now", "/queues", "/keys", "/audit")


@pytest.fixture
def app(database_url: str, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """With the API's own rights in the database."""
    monkeypatch.setattr(cached, "_REMEMBER_S", 0)  # what the database says is seen at once
    return an_app(service_urls(database_url)["api"], scratch, API_AUTH="keys", CATALOG_PATH=SAMPLE)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost", follow_redirects=False, raise_server_exceptions=False) as client:
        yield client


def signed_in(client: TestClient, conn: Connection, scopes: frozenset[str] = OWN, name: str = "ann") -> str:
    """Sign in with a key of these scopes. Returns the proof that forms of the session carry."""
    key = api_keys.create_key(conn, tenant="ops", name=name, scopes=scopes)
    assert client.post("/console/sign-in", data={"key": key}).status_code == 303
    return proof(client.get("/console/report-types").text)


def everything(conn: Connection, words: str = "plain") -> str:
    """Something of each kind that the pages show, with these words wherever somebody else chooses them."""
    job_id = a_job(conn, tenant="ops", report_type="flights-export")
    some_dead(conn, "m0")
    copy(conn, [Copy(f"m1-{words}"[:99], job_id, words, words, 3, None), Copy("m2", None, words, words, 1, None)])
    [number, *_] = some_parked(conn, words)
    conn.execute(
        text("UPDATE outbox_retry SET last_error = :w, topic = :w, payload = :w WHERE parked_at IS NOT NULL"),
        {"w": words},
    )
    workers.beat(conn, Presence(f"w {words}", "c", ["calendar"], 4, 1, words), new=True)
    outbox = {"unsent": 3, "oldestAgeS": 61.5, "waiting": 0, "parked": 2}
    snapshot = {"age": 200_000, "holder": "session", "name": words}
    jobs = {"waiting": 5, "delayed": 0, "running": 1, "late": 2, "oldestWaitingS": 400.0, "ofUnknownType": 1}
    about = {
        "outbox": outbox, "workers": {"fit": 1, "unfit": 1}, "jobs": jobs, "snapshot": snapshot, "paused": 1,
        "held": {"messages": 4, "tenants": 2, "oldestAgeS": 500.0}, "erasures": {"waiting": 1, "oldestAgeS": 1000.0},
    }  # fmt: skip
    measurements.write(conn, Subject.DATABASE, about)
    measurements.write(conn, Subject.QUEUE, {"visible": 1, "inFlight": 0, "delayed": 0, "deadLetters": 7})
    conn.execute(
        text("UPDATE measurements SET facts = jsonb_build_object('problem', CAST(:w AS text)) "
             "WHERE subject = 'dead_letters'"),
        {"w": words},
    )  # fmt: skip
    pauses.pause(conn, Gate(Kind.SOURCE, words), reason=words, by=words)
    caps.set_cap(conn, Gate(Kind.TENANT, words), 2)
    audit.record(conn, Actor("ops", words, words, words, words), Action.JOBS_CANCEL, words, before={"a": words})
    buckets = "ARRAY[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"
    of_each = "unnest('{SUCCESS,FAILED,CANCELLED}'::text[]) AS o, generate_series(0, 20, 5) AS n"
    minute = "date_trunc('minute', now(), 'UTC') - make_interval(mins => n)"
    conn.execute(text(f"INSERT INTO job_totals SELECT {minute}, o, 4, 4, {buckets} FROM {of_each}"))
    conn.execute(
        text(f"INSERT INTO job_minutes SELECT 'ops', :w, o, {minute}, 4, 4, {buckets} FROM {of_each}"), {"w": words}
    )
    return str(number)


def test_every_page_is_whole_says_itself_as_json_and_asks_six_things_at_most(
    client: TestClient, conn: Connection, app: FastAPI
) -> None:
    signed_in(client, conn)
    asked: list[str] = []
    over_the_apis: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement.split("*/")[0])

    def beside(statement: str) -> None:
        # Who looks is asked over the API's own, and that a key was used is written by the clock.
        if "/* sessions." not in statement and "/* api_keys.used" not in statement:
            over_the_apis.append(statement)

    parts = app.state.parts
    event.listen(parts.reading, "before_cursor_execute", note)
    event.listen(parts.engine, "before_cursor_execute", lambda _c, _cur, sql, *_: beside(sql))
    for full in (False, True):
        if full:
            everything(conn)
        for path in PAGES:
            for language in ("en", "ja"):
                asked.clear()
                answer = client.get(f"/console{path}", headers={"Accept-Language": language})
                assert answer.status_code == 200, (path, answer.text)
                found = looked_at(answer.text)
                assert found.inline == [], path
                assert over_the_apis == [], (path, "a page that is looked at reads over the console's own connections")
                statements = [each for each in asked if "sessions." not in each]
                assert len(statements) <= 6, (path, statements)
                if path != "/overview/now":
                    assert found.tags.count("h1") == 1, path
                    assert "/v1/" in answer.text, path
                    assert "<pre" in answer.text, path


def test_hostile_texts_are_texts_on_every_page(client: TestClient, conn: Connection) -> None:
    signed_in(client, conn, name="ann")
    everything(conn, HOSTILE)
    key = api_keys.create_key(conn, tenant="ops", name=HOSTILE, scopes=frozenset({"jobs:read"}))
    key_id = key.split("_")[2]
    paths = (*PAGES, f"/keys/{key_id}", "/audit?action=<script>", "/audit?subject=%3Cscript%3E&object=%22%3E%3Cimg",
             "/overview?period=<img>", "/queues?done=<script>", "/audit?<script>=1")  # fmt: skip
    for path in paths:
        page = client.get(f"/console{path}").text
        found = looked_at(page)
        assert found.inline == [], path
        assert "img" not in found.tags, path
        assert all("src" in tag or tag != "script" for tag in found.tags) or found.tags.count("script") <= 8, path
        assert "<script>alert" not in page, path
    assert "&lt;script&gt;alert(1)" in client.get("/console/queues").text


def trail_of(conn: Connection, what: str) -> list[str]:
    found = conn.execute(text("SELECT action FROM audit WHERE object = :what ORDER BY id"), {"what": what})
    return [str(action) for action in found.scalars()]


ACTIONS: dict[tuple[str, str], tuple[Scope, dict[str, str]]] = {
    ("GET", "/console/overview"): (Scope.ADMIN_READ, {}),
    ("GET", "/console/overview/now"): (Scope.ADMIN_READ, {}),
    ("GET", "/console/queues"): (Scope.ADMIN_READ, {}),
    ("POST", "/console/queues/messages"): (
        Scope.ADMIN_WRITE, {"do": "redrive", "all": "yes", "reason": "x", "sure": "yes"},
    ),
    ("POST", "/console/queues/pause"): (
        Scope.ADMIN_WRITE, {"kind": "tenant", "name": "acme", "reason": "x", "hours": "1"},
    ),
    ("POST", "/console/queues/resume"): (Scope.ADMIN_WRITE, {"kind": "tenant", "name": "acme"}),
    ("POST", "/console/queues/cap"): (Scope.ADMIN_WRITE, {"kind": "tenant", "name": "acme", "most": "3"}),
    ("POST", "/console/queues/uncap"): (Scope.ADMIN_WRITE, {"kind": "tenant", "name": "acme"}),
    ("GET", "/console/keys"): (Scope.KEYS_READ, {}),
    ("POST", "/console/keys"): (Scope.KEYS_WRITE, {"name": "x", "scopes": "keys:write", "days": "30"}),
    ("GET", "/console/keys/{key_id}"): (Scope.KEYS_READ, {}),
    ("POST", "/console/keys/{key_id}/rotate"): (Scope.KEYS_WRITE, {"hours": "1"}),
    ("POST", "/console/keys/{key_id}/revoke"): (Scope.KEYS_WRITE, {}),
    ("GET", "/console/audit"): (Scope.AUDIT_READ, {}),
    ("GET", "/console/audit/export"): (Scope.AUDIT_READ, {}),
    ("GET", "/console/schedules"): (Scope.SCHEDULES_READ, {}),
    ("GET", "/console/schedules/{schedule_id}"): (Scope.SCHEDULES_READ, {}),
    ("POST", "/console/schedules/{schedule_id}/pause"): (Scope.SCHEDULES_WRITE, {"note": "x"}),
    ("POST", "/console/schedules/{schedule_id}/run"): (Scope.SCHEDULES_WRITE, {}),
    ("POST", "/console/schedules/{schedule_id}/backfill"): (
        Scope.SCHEDULES_WRITE, {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"},
    ),
    ("POST", "/console/schedules/{schedule_id}/delete"): (Scope.SCHEDULES_WRITE, {}),
    ("GET", "/console/webhooks"): (Scope.WEBHOOKS_READ, {}),
    ("GET", "/console/webhooks/new"): (Scope.WEBHOOKS_WRITE, {}),
    ("POST", "/console/webhooks/new"): (Scope.WEBHOOKS_WRITE, {"url": "https://example.com/"}),
    ("GET", "/console/webhooks/{webhook_id}"): (Scope.WEBHOOKS_READ, {}),
    ("POST", "/console/webhooks/{webhook_id}/edit"): (Scope.WEBHOOKS_WRITE, {"url": "https://example.com/"}),
    ("POST", "/console/webhooks/{webhook_id}/test"): (Scope.WEBHOOKS_WRITE, {}),
    ("POST", "/console/webhooks/{webhook_id}/rotate"): (Scope.WEBHOOKS_WRITE, {"hours": "1"}),
    ("POST", "/console/webhooks/{webhook_id}/redeliver"): (Scope.WEBHOOKS_WRITE, {"days": "1"}),
    ("GET", "/console/webhooks/{webhook_id}/deliveries/{delivery_id}"): (Scope.WEBHOOKS_READ, {}),
    ("POST", "/console/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): (Scope.WEBHOOKS_WRITE, {}),
    ("POST", "/console/webhooks/{webhook_id}/enabled"): (Scope.WEBHOOKS_WRITE, {"enabled": "no"}),
    ("POST", "/console/webhooks/{webhook_id}/delete"): (Scope.WEBHOOKS_WRITE, {}),
}  # fmt: skip
"""Every page and action of this part, the scope that it asks for, and what is sent."""


def test_every_pair_of_scope_and_action_is_as_the_table_says(
    client: TestClient, conn: Connection, app: FastAPI, tmp_path: Path
) -> None:
    key = api_keys.create_key(conn, tenant="ops", name="x", scopes=frozenset())
    tables = ("audit", "dead_letters WHERE wish IS NOT NULL", "pauses", "caps", "api_keys", "schedules", "jobs",
              "webhooks", "webhook_deliveries")  # fmt: skip
    schedule_id = a_schedule(conn, tenant="ops", owner=Owner("ann", None, None))
    webhook_id = a_webhook(conn, secret_keys(tmp_path), "https://example.com/", tenant="ops")
    ids = {"schedule_id": schedule_id, "webhook_id": webhook_id, "key_id": key.split("_")[2]}
    ids["delivery_id"] = ping(conn, webhook_id, "ops")
    for scope in sorted(OWN):
        sent_with = signed_in(client, conn, frozenset({scope}))
        for (method, path), (needed, fields) in ACTIONS.items():
            before = [count(conn, table) for table in tables]
            address = path.format(**ids)
            data = {**fields, "proof": sent_with} if method == "POST" else None
            answer: Response = client.request(method, address, data=data)
            allowed = scope == needed
            assert (answer.status_code != 403) is allowed, (scope, method, path, answer.status_code)
            if not allowed:
                assert needed in answer.text, (scope, path)
                assert [count(conn, table) for table in tables] == before, (scope, path)
        client.cookies.clear()
    for method, path in ACTIONS:
        answer = client.request(
            method,
            path.format(key_id="x", schedule_id="x", webhook_id="x", delivery_id="x"),
            data={} if method == "POST" else None,
        )
        assert answer.headers["location"].startswith("/console/sign-in"), path


OF_SEVERAL_SCOPES = {
    ("GET", "/console/schedules/new"), ("GET", "/console/schedules/new/{name}"),
    ("POST", "/console/schedules/new/{name}"), ("POST", "/console/schedules/new/{name}/coming"),
    ("GET", "/console/schedules/{schedule_id}/edit"), ("POST", "/console/schedules/{schedule_id}/edit"),
    ("GET", "/console/schedules/{schedule_id}/{action}"), ("POST", "/console/schedules/{schedule_id}/resume"),
    ("GET", "/console/webhooks/{webhook_id}/edit"),
}  # fmt: skip
"""Whoever makes a schedule asks for reports with it: the use cases of these want `jobs:create`, too, which
tests/services/test_operation_scopes.py takes away."""


def test_no_page_or_action_is_missing_in_that_table(app: FastAPI) -> None:
    from services.api.console import schedule_changes, schedules, webhook_changes, webhooks
    from services.api.console.operator_pages import _PAGES

    there = {
        (method, f"/console{route.path}")
        for each in (*_PAGES, schedules, schedule_changes, webhooks, webhook_changes)
        for route in each.router.routes
        for method in route.methods
    }
    assert there == set(ACTIONS) | OF_SEVERAL_SCOPES


def test_messages_are_dealt_with_after_a_second_look(client: TestClient, conn: Connection) -> None:
    sent = {"proof": signed_in(client, conn), "reason": "mended"}
    some_dead(conn, "m1", "m2")
    some_dead(conn, "m3", ours=False)
    [one, two] = some_parked(conn, "acme", "globex")
    own = "/console/queues/messages"

    asked = client.post(own, data={**sent, "do": "redrive", "all": "yes"})
    assert asked.status_code == 200
    assert "Resend 2 messages" in asked.text
    assert re.findall(r'name="id" value="(\w+)"', asked.text) == ["m1", "m2"]
    assert all(row.wish is None for row in list_rows(conn, size=9)), "it was only asked"
    done = client.post(own, data={**sent, "do": "redrive", "id": ["m1", "m2"], "sure": "yes"})
    assert done.headers["location"] == "/console/queues?done=redrive#dead-letters"
    assert client.post(own, data={**sent, "do": "drop", "id": "m3", "sure": "yes"}).status_code == 303
    assert client.post(own, data={**sent, "do": "drop-parked", "id": str(one), "sure": "yes"}).status_code == 303
    assert client.post(own, data={**sent, "do": "requeue", "all": "yes", "sure": "yes"}).status_code == 303

    assert {row.message_id: row.wish for row in list_rows(conn, size=9)} == {
        "m1": "redrive", "m2": "redrive", "m3": "drop",
    }  # fmt: skip
    assert parked.parked(conn) == []
    assert "No parked messages" in client.get("/console/queues").text
    assert trail_of(conn, f"outbox/{two}") == ["outbox.requeue"]
    actions = conn.execute(text("SELECT action FROM audit WHERE action LIKE '%.%r%' ORDER BY id")).scalars().all()
    assert [each for each in actions if not each.startswith("sessions")] == [
        "dead_letters.redrive", "dead_letters.redrive", "dead_letters.drop", "outbox.drop", "outbox.requeue",
    ]  # fmt: skip
    assert "Nothing to do" in client.post(own, data={**sent, "do": "drop", "id": "m1"}).text


@pytest.mark.parametrize(
    ("path", "fields", "wrong"),
    [
        ("messages", {"do": "drop", "reason": "x"}, "Select messages"),
        ("messages", {"do": "drop", "id": "m1", "reason": " "}, "Enter a reason"),
        ("messages", {"do": "burn", "id": "m1", "reason": "x"}, "burn"),
        ("pause", {"kind": "tenant", "name": "", "reason": "x"}, "Enter a name."),
        ("pause", {"kind": "planet", "name": "x", "reason": "x"}, "Choose a tenant"),
        ("pause", {"kind": "report_type", "name": "flights-exprt", "reason": "x"}, "flights-export"),
        ("pause", {"kind": "tenant", "name": "acme", "reason": "x", "hours": "1.5"}, "Hours must"),
        ("pause", {"kind": "tenant", "name": "acme", "reason": "x", "hours": "9" * 5_000}, "Hours must"),
        ("cap", {"kind": "tenant", "name": "acme", "most": "0"}, "from 1 to 1000"),
        ("cap", {"kind": "tenant", "name": "a b", "most": "1"}, "cannot name a tenant"),
    ],
)
def test_what_is_wrong_with_a_form_is_told_beside_its_field_and_changes_nothing(
    client: TestClient, conn: Connection, path: str, fields: dict[str, str], wrong: str
) -> None:
    sent = {"proof": signed_in(client, conn)}
    some_dead(conn, "m1")
    entries = count(conn, "audit")

    answer = client.post(f"/console/queues/{path}", data={**fields, **sent})

    assert answer.status_code == 422
    assert wrong in answer.text
    assert count(conn, "audit") == entries
    assert count(conn, "pauses") == count(conn, "caps") == 0
    if path != "messages":
        assert 'aria-invalid="true"' in answer.text
        assert 'value="acme"' in answer.text or fields["name"] != "acme", "what was entered is kept"


def test_something_is_paused_and_capped_and_freed_again(client: TestClient, conn: Connection) -> None:
    sent = {"proof": signed_in(client, conn), "kind": "report_type", "name": "flights-export"}

    assert client.post("/console/queues/pause", data={**sent, "reason": "it moves", "hours": "2"}).status_code == 303
    assert client.post("/console/queues/cap", data={**sent, "most": "4"}).status_code == 303
    page = client.get("/console/queues").text
    assert "it moves" in page
    assert "0 of 4 run" in page
    [paused] = pauses.pauses(conn)
    assert (paused.by, paused.until is not None) == ("ann", True)
    assert client.post("/console/queues/resume", data=sent).status_code == 303
    assert client.post("/console/queues/uncap", data=sent).status_code == 303
    assert pauses.pauses(conn)[0].ended_at is not None
    assert caps.caps(conn) == []


def test_a_key_is_shown_once_followed_by_another_and_revoked(client: TestClient, conn: Connection) -> None:
    sent = {"proof": signed_in(client, conn, frozenset({"keys:read", "keys:write", "jobs:read"}))}
    form = {**sent, "name": "ci", "scopes": ["jobs:read", "keys:read"], "days": "90", "again": "f-1"}

    made = client.post("/console/keys", data=form)
    again = client.post("/console/keys", data=form)
    assert (made.status_code, again.status_code) == (201, 201)
    [secret] = re.findall(r'id="secret"[^>]*>(todoke_live_\w+)<', made.text)
    assert made.headers["cache-control"] == "no-store"
    assert secret not in again.text
    key_id = secret.split("_")[2]
    for path in ("/keys", f"/keys/{key_id}", "/audit"):
        assert secret not in client.get(f"/console{path}").text
    page = client.get(f"/console/keys/{key_id}").text
    assert "jobs:read, keys:read" in page

    rotated = client.post(f"/console/keys/{key_id}/rotate", data={**sent, "hours": "1", "again": "r-1"})
    [new] = re.findall(r'id="secret"[^>]*>(todoke_live_\w+)<', rotated.text)
    assert new != secret
    twice = client.post(f"/console/keys/{key_id}/rotate", data={**sent, "hours": "1", "again": "r-2"})
    assert twice.status_code == 409
    assert "has a successor" in twice.text
    assert client.post(f"/console/keys/{key_id}/revoke", data=sent).status_code == 303
    assert "Revoked" in client.get(f"/console/keys/{key_id}").text
    assert client.get("/console/keys/nobody").status_code == 404


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"name": ""}, 'id="name-wrong"'),
        ({"scopes": []}, "Select at least one scope"),
        ({"scopes": ["admin:write"]}, "which you do not have"),
        ({"scopes": ["not a scope"]}, "cannot be a scope"),
        ({"days": "1000"}, "Choose how long"),
    ],
)
def test_a_key_that_may_not_be_made_is_not(
    client: TestClient, conn: Connection, change: dict[str, Any], wrong: str
) -> None:
    sent = {"proof": signed_in(client, conn, frozenset({"keys:read", "keys:write"}))}
    keys = count(conn, "api_keys")

    answer = client.post("/console/keys", data={**sent, "name": "ci", "scopes": "keys:read", "days": "30", **change})

    assert answer.status_code == 422
    assert wrong in answer.text
    assert count(conn, "api_keys") == keys


def test_another_tenants_keys_and_trail_are_not_there(client: TestClient, conn: Connection) -> None:
    theirs = api_keys.create_key(conn, tenant="globex", name="eve", scopes=frozenset({"jobs:read"})).split("_")[2]
    audit.record(conn, Actor("globex", "eve"), Action.KEYS_REVOKE, "keys/theirs")
    sent = {"proof": signed_in(client, conn)}

    assert theirs not in client.get("/console/keys").text
    assert client.get(f"/console/keys/{theirs}").status_code == 404
    assert client.post(f"/console/keys/{theirs}/revoke", data=sent).status_code == 404
    assert client.post(f"/console/keys/{theirs}/rotate", data=sent).status_code == 404
    assert "keys/theirs" not in client.get("/console/audit").text


def test_the_trail_is_filtered_by_its_address_and_paged(client: TestClient, conn: Connection) -> None:
    signed_in(client, conn)
    for n in range(60):
        audit.record(conn, Actor("ops", "ben"), Action.JOBS_CANCEL, f"jobs/{n}")

    first = client.get("/console/audit?action=jobs.cancel&subject=ben").text
    assert first.count("Show changes") == 50
    [following] = re.findall(r'rel="next" href="([^"]+)"', first)
    assert client.get(following.replace("&amp;", "&")).text.count("Show changes") == 10
    assert client.get("/console/audit?object=jobs/7").text.count("Show changes") == 1
    assert "No match in the entries" in client.get("/console/audit?since=2100-01-01").text
    for wrong in ("action=jobs.burn", "since=yesterday", "acton=x"):
        answer = client.get(f"/console/audit?{wrong}")
        assert answer.status_code == 422, wrong
        assert 'class="bad"' in answer.text


def test_a_page_says_what_it_has_not_looked_at(client: TestClient, conn: Connection, engine: Engine) -> None:
    signed_in(client, conn)
    everything(conn)
    with transactional(engine).connect() as other:
        other.execute(text("LOCK TABLE job_totals, dead_letters, pauses IN ACCESS EXCLUSIVE MODE"))
        overview, queues = client.get("/console/overview"), client.get("/console/queues")
        key = api_keys.create_key(conn, tenant="ops", name="ci", scopes=frozenset({"jobs:create"}))
        asked = {"reportType": "flights-export", "parameters": {"from": "2013-01-01", "to": "2013-01-02"}}
        answer = client.post("/v1/jobs", json=asked, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 202, "submissions go on meanwhile"
        other.rollback()

    for page in (overview, queues):
        assert page.status_code == 200
        assert "Not loaded" in page.text
    assert "w plain" in overview.text
    assert "Parked messages" in queues.text
    assert queues.text.count("Not loaded") == 2


def test_where_no_keys_are_taken_the_page_says_so(database_url: str, scratch: Path) -> None:
    with TestClient(an_app(database_url, scratch, CATALOG_PATH=SAMPLE)) as client:
        assert "does not use API keys" in client.get("/console/keys").text
        for path in ("/overview", "/queues", "/audit"):
            assert client.get(f"/console{path}").status_code == 200
