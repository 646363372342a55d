"""API keys over HTTP: created, shown once, listed, rotated without a gap, revoked, and audited."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from services.api.auth.last_used import LastUsed
from shared.access import api_keys, audit, key_text
from shared.access.key_text import MalformedKey, new_key, read_key
from shared.access.scopes import OWN, USUAL
from tests.support.api_app import an_app
from tests.support.eventually import eventually

CI = {"name": "ci", "scopes": ["jobs:create", "jobs:read"]}


class Asked:
    """One API, and the key of its admin."""

    def __init__(self, client: TestClient, conn: Connection) -> None:
        self.client, self.conn = client, conn
        self.admin = api_keys.create_key(conn, tenant="acme", name="admin", scopes=OWN)

    def __call__(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {key or self.admin}", **more.pop("headers", {})}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        return answer

    def make(self, **changes: Any) -> dict[str, Any]:
        answer = self("POST", "/v1/keys", json={**CI, **changes})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def trail(self) -> list[tuple[Any, ...]]:
        rows = self.conn.execute(text("SELECT action, object, subject, key_id, before, after FROM audit ORDER BY id"))
        return [tuple(row) for row in rows]


@pytest.fixture
def ask(database_url: str, conn: Connection, scratch: Path) -> Iterator[Asked]:
    app = an_app(database_url, scratch, API_AUTH="keys", API_KEY_ENVIRONMENT="test")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Asked(client, conn)


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_a_key_that_was_mistyped_or_cut_is_told_from_a_wrong_one() -> None:
    key = new_key("live")
    assert read_key(key).environment == "live"
    assert key.startswith(f"todoke_live_{read_key(key).id}_")
    swapped = f"{key[:-20]}{'a' if key[-20] != 'a' else 'b'}{key[-19:]}"
    with pytest.raises(MalformedKey, match="checksum"):
        read_key(swapped)
    for wrong in (key[:-1], key + "x", "", key.upper(), key.replace("_", "-"), f"{key}\n", "todoke_é_"):
        with pytest.raises(MalformedKey, match="copied whole"):
            read_key(wrong)
    assert len({new_key("live") for _ in range(100)}) == 100


def test_a_key_is_shown_once_works_at_once_and_is_stored_hashed(ask: Asked) -> None:
    end = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    answer = ask("POST", "/v1/keys", json={**CI, "expiresAt": end})
    made = answer.json()
    assert made["key"].startswith(f"todoke_test_{made['keyId']}_")
    assert (made["secretShown"], answer.headers["cache-control"]) == (True, "no-store")
    assert answer.headers["location"] == f"/v1/keys/{made['keyId']}"
    me = ask("GET", "/v1/me", key=made["key"])
    assert me.json() == {
        "tenant": "acme", "subject": "ci", "credential": "key", "keyId": made["keyId"], "scopes": sorted(CI["scopes"]),
    }  # fmt: skip
    found = ask("GET", answer.headers["location"])
    assert "key" not in found.json()
    assert all(made[name] == value for name, value in found.json().items() if name != "lastUsedAt")
    assert (found.json()["expiresAt"], found.json()["createdBy"]) == (end, "admin")
    assert made["key"] not in str(ask.conn.execute(text("SELECT k::text FROM api_keys k")).all())
    told = {"name": "ci", "scopes": CI["scopes"], "expiresAt": end}
    admin = read_key(ask.admin).id
    assert ask.trail() == [("keys.create", f"keys/{made['keyId']}", "admin", admin, None, told)]


def test_a_repeated_request_makes_no_second_key_and_shows_no_secret(ask: Asked) -> None:
    headers = {"Idempotency-Key": "monday"}
    first = ask("POST", "/v1/keys", json=CI, headers=headers).json()
    again = ask("POST", "/v1/keys", json=CI, headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert (again.json()["keyId"], again.json()["key"], again.json()["secretShown"]) == (first["keyId"], None, False)
    problem(ask("POST", "/v1/keys", json={**CI, "name": "cd"}, headers=headers), 422, "idempotency_key_reused")
    rotated = ask("POST", f"/v1/keys/{first['keyId']}:rotate", headers=headers).json()
    replayed = ask("POST", f"/v1/keys/{first['keyId']}:rotate", headers=headers).json()
    assert (replayed["keyId"], replayed["key"]) == (rotated["keyId"], None)
    assert len(ask.trail()) == 2


def test_nobody_makes_a_key_that_may_more_than_itself(ask: Asked) -> None:
    small = ask.make(scopes=["keys:write", "jobs:read"])["key"]
    refused = ask("POST", "/v1/keys", key=small, json={**CI, "scopes": ["jobs:read", "jobs:create", "payroll:read"]})
    assert "jobs:create payroll:read" in problem(refused, 403, "insufficient_scope")["detail"]
    assert 'scope="jobs:create payroll:read"' in refused.headers["www-authenticate"]
    assert ask("POST", "/v1/keys", key=small, json={**CI, "scopes": ["jobs:read"]}).status_code == 201
    # Nor does it get one by rotation.
    problem(ask("POST", f"/v1/keys/{read_key(ask.admin).id}:rotate", key=small), 403, "insufficient_scope")
    for method, path in (("GET", "/v1/keys"), ("GET", "/v1/keys/x"), ("GET", "/v1/audit")):
        problem(ask(method, path, key=small), 403, "insufficient_scope")
    reader = ask.make(scopes=["keys:read"])["key"]
    for method, path in (("POST", "/v1/keys"), ("POST", "/v1/keys/x:rotate"), ("DELETE", "/v1/keys/x")):
        more = {"json": CI} if path == "/v1/keys" else {}
        problem(ask(method, path, key=reader, **more), 403, "insufficient_scope")


def test_a_rotation_leaves_no_gap_and_an_end(ask: Asked) -> None:
    end = datetime.now(UTC) + timedelta(days=90)
    old = ask.make(expiresAt=end.isoformat())
    answer = ask("POST", f"/v1/keys/{old['keyId']}:rotate", json={"overlapSeconds": 3600.0})
    made = answer.json()
    assert (made["name"], made["scopes"], made["replaces"]) == ("ci", CI["scopes"], old["keyId"])
    for key in (old["key"], made["key"]):
        assert ask("GET", "/v1/me", key=key).json()["subject"] == "ci", "both work, and are the same requester"
    left = datetime.fromisoformat(made["old"]["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < left <= timedelta(hours=1)
    assert abs(datetime.fromisoformat(made["expiresAt"]) - end) < timedelta(minutes=5), "as long as the old one was"
    problem(ask("POST", f"/v1/keys/{old['keyId']}:rotate"), 409, "key_already_replaced")
    # The secret of the successor was lost.
    assert ask("DELETE", f"/v1/keys/{made['keyId']}").status_code == 204
    assert ask("POST", f"/v1/keys/{old['keyId']}:rotate", json={"overlapSeconds": 0}).status_code == 201
    problem(ask("POST", f"/v1/keys/{old['keyId']}:rotate"), 409, "key_already_replaced")
    problem(ask("POST", f"/v1/keys/{made['keyId']}:rotate"), 409, "key_not_usable")
    assert [entry[0] for entry in ask.trail()] == ["keys.create", "keys.rotate", "keys.revoke", "keys.rotate"]
    assert ask.trail()[1][5]["replacedBy"] == made["keyId"]


def test_two_rotations_at_once_make_one_successor(ask: Asked) -> None:
    old = ask.make()
    met = threading.Barrier(2)
    answers: list[int] = []

    def rotate() -> None:
        met.wait(30)
        answers.append(ask("POST", f"/v1/keys/{old['keyId']}:rotate").status_code)

    threads = [threading.Thread(target=rotate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [201, 409]
    assert ask.conn.execute(text("SELECT count(*) FROM api_keys WHERE replaces IS NOT NULL")).scalar_one() == 1


def test_a_revoked_key_is_over_and_stays_in_the_list(ask: Asked) -> None:
    made = ask.make()
    for _ in range(2):
        assert ask("DELETE", f"/v1/keys/{made['keyId']}").status_code == 204
    problem(ask("GET", "/v1/me", key=made["key"]), 401, "unauthorized")
    assert ask("GET", f"/v1/keys/{made['keyId']}").json()["revokedAt"] is not None
    assert [entry[0] for entry in ask.trail()] == ["keys.create", "keys.revoke"]


def test_a_tenant_sees_its_own_keys_only_page_by_page(ask: Asked) -> None:
    names = [ask.make(name=f"k{n}")["name"] for n in range(5)]
    stranger = api_keys.create_key(ask.conn, tenant="globex", name="eve", scopes=OWN)
    listed: list[str] = []
    token = ""
    for _ in range(10):
        page = ask("GET", f"/v1/keys?pageSize=2{token}").json()
        listed += [key["name"] for key in page["keys"]]
        if page["nextPageToken"] is None:
            break
        token = f"&pageToken={page['nextPageToken']}"
    assert listed == [*reversed(names), "admin"]
    assert [key["name"] for key in ask("GET", "/v1/keys", key=stranger).json()["keys"]] == ["eve"]
    own = ask("GET", "/v1/keys?pageSize=1").json()["keys"][0]["keyId"]
    for method, path in (("GET", own), ("DELETE", own), ("POST", f"{own}:rotate")):
        problem(ask(method, f"/v1/keys/{path}", key=stranger), 404, "unknown_key")
    assert ask("GET", f"/v1/keys/{own}").json()["revokedAt"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": ["jobs:read"]}, "name"),
        ({**CI, "name": "oidc:corp:ann"}, "name"),
        ({**CI, "name": "a\0b"}, "name"),
        ({**CI, "name": 7}, "name"),
        ({"name": "ci"}, "scopes"),
        ({**CI, "scopes": []}, "scopes"),
        ({**CI, "scopes": ["jobs:raed"]}, "scopes[0]"),
        ({**CI, "scopes": ["jobs:read", 7]}, "scopes[1]"),
        ({**CI, "expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({**CI, "expiresAt": "tomorrow"}, "expiresAt"),
        ({**CI, "expiresAt": "2099-01-01T00:00:00"}, "expiresAt"),
        ({**CI, "expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt"),
        ({**CI, "scope": "x"}, "scope"),
    ],
)
def test_what_is_wrong_with_a_wanted_key_is_named(ask: Asked, body: dict[str, Any], field: str) -> None:
    told = problem(ask("POST", "/v1/keys", json=body), 422, "invalid_request")
    assert [v["field"] for v in told["violations"]] == [field]
    assert ask.trail() == []
    assert ask.conn.execute(text("SELECT count(*) FROM api_keys")).scalar_one() == 1


def test_a_key_is_not_made_without_its_entry(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("the trail is full")

    made = ask.make()
    monkeypatch.setattr(audit, "record", refuse)
    assert ask("POST", "/v1/keys", json=CI).status_code == 500
    assert ask("POST", f"/v1/keys/{made['keyId']}:rotate").status_code == 500
    assert ask("DELETE", f"/v1/keys/{made['keyId']}").status_code == 500
    rows = ask.conn.execute(text("SELECT revoked_at, expires_at FROM api_keys WHERE name = 'ci'")).all()
    assert [tuple(row) for row in rows] == [(None, None)]


def test_where_no_keys_are_taken_none_are_made(database_url: str, scratch: Path) -> None:
    with TestClient(an_app(database_url, scratch)) as client:
        for method, path in (("POST", "/v1/keys"), ("GET", "/v1/keys"), ("DELETE", "/v1/keys/x")):
            problem(client.request(method, path, json=CI if method == "POST" else None), 409, "keys_not_in_use")
        me = client.get("/v1/me").json()
    assert me == {"tenant": "default", "subject": None, "credential": "none", "keyId": None, "scopes": None}


def test_a_401_says_as_rfc_6750_does_whether_a_credential_came(ask: Asked) -> None:
    none = ask.client.get("/v1/me")
    assert none.headers["www-authenticate"] == 'Bearer realm="todoke"'
    wrong_keys = (("nonsense", "copied"), (f"{ask.admin[:-1]}!", "copied"), (new_key("test"), "unknown"))
    for wrong, told in wrong_keys:
        answer = ask("GET", "/v1/me", key=wrong)
        assert answer.headers["www-authenticate"] == 'Bearer realm="todoke", error="invalid_token"'
        assert told in problem(answer, 401, "unauthorized")["detail"]
        assert wrong not in answer.text


def test_a_key_with_another_secret_than_its_own_opens_nothing(ask: Asked) -> None:
    made, other = ask.make()["key"], new_key("test")
    _, _, key_id, _ = made.split("_")
    body = f"todoke_test_{key_id}_{other.rpartition('_')[2][:-6]}"
    forged = body + key_text._checksum(body)
    assert read_key(forged).id == key_id
    problem(ask("GET", "/v1/me", key=forged), 401, "unauthorized")
    assert ask("GET", "/v1/me", key=made).status_code == 200


def test_malformed_keys_are_bounded_by_address_like_wrong_ones(ask: Asked) -> None:
    statuses = [ask("GET", "/v1/me", key=f"nonsense-{n}").status_code for n in range(60)]
    assert set(statuses) == {401, 429}
    assert ask("GET", "/v1/me").status_code == 429, "nothing is known of this key yet"


def test_the_last_use_is_written_beside_the_request_and_once_a_minute(ask: Asked, engine: Engine) -> None:
    made = ask.make()

    def used() -> datetime | None:
        at: datetime | None = ask.conn.execute(
            text("SELECT last_used_at FROM api_keys WHERE id = :id"), {"id": made["keyId"]}
        ).scalar_one()
        return at

    assert used() is None
    assert ask("GET", "/v1/me", key=made["key"]).status_code == 200
    first = eventually(used, what="the use is written")
    with engine.connect() as conn:
        api_keys.note_used(conn, [made["keyId"]])
    assert used() == first, "another process wrote it within the minute"


def test_a_use_that_cannot_be_written_harms_nobody() -> None:
    now, written = [0.0], list[set[str]]()

    def write(ids: Any) -> None:
        written.append(set(ids))
        raise OperationalError("", {}, Exception("away"))

    async def use() -> None:
        used = LastUsed(write, lambda: now[0])
        for key in ("a", "a", "b"):
            used.note(key)
        await used.close()
        used.note("a")
        now[0] = 61
        used.note("a")
        await used.close()

    asyncio.run(use())
    assert written == [{"a", "b"}, {"a"}]


def test_the_trail_is_read_page_by_page_with_filters(ask: Asked) -> None:
    keys = [ask.make(name=f"k{n}") for n in range(3)]
    ask("DELETE", f"/v1/keys/{keys[1]['keyId']}", headers={"X-Request-Id": "gone"})
    stranger = api_keys.create_key(ask.conn, tenant="globex", name="eve", scopes=USUAL | {"audit:read"})

    def trail(query: str = "", **more: Any) -> list[tuple[str, str]]:
        answer = ask("GET", f"/v1/audit{query}", **more)
        assert answer.status_code == 200, answer.text
        return [(entry["action"], entry["object"]) for entry in answer.json()["entries"]]

    made = [("keys.create", f"keys/{key['keyId']}") for key in keys]
    gone = ("keys.revoke", f"keys/{keys[1]['keyId']}")
    assert trail() == [gone, *reversed(made)]
    assert trail("?action=keys.revoke") == [gone]
    assert trail(f"?object=keys/{keys[1]['keyId']}") == [gone, made[1]]
    assert trail("?subject=nobody") == []
    assert trail(key=stranger) == []
    [entry] = ask("GET", "/v1/audit?action=keys.revoke").json()["entries"]
    assert (entry["requestId"], entry["subject"], entry["keyId"]) == ("gone", "admin", read_key(ask.admin).id)
    assert trail(f"?since={entry['at'].replace('+', '%2B')}") == [gone]
    assert trail(f"?until={entry['at'].replace('+', '%2B')}") == [*reversed(made)]
    first = ask("GET", "/v1/audit?pageSize=3").json()
    assert trail(f"?pageSize=3&pageToken={first['nextPageToken']}") == [made[0]]
    for wrong in ("action=keys.crate", "since=now", "subject=%00", "pageSize=-1"):
        problem(ask("GET", f"/v1/audit?{wrong}"), 422, "invalid_request")
    followed = ask("GET", "/v1/audit?pageSize=1&action=keys.create")
    next_link = followed.headers["link"].split(">")[0].removeprefix("<")
    assert [e["object"] for e in ask("GET", next_link).json()["entries"]] == [made[1][1]]
    token = followed.json()["nextPageToken"]
    problem(ask("GET", f"/v1/audit?pageToken={token}"), 400, "page_token_mismatch")
    for where in ("audit?pageToken=x", f"keys?pageToken={token}"):
        problem(ask("GET", f"/v1/{where}"), 400, "page_token_invalid")
