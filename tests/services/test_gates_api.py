"""What operators pause and cap over HTTP: returned, guarded by ETags, audited, and for operators only."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.key_text import read_key
from shared.access.scopes import OF_ALL_TENANTS, USUAL, Scope
from shared.jobs import caps, pauses
from shared.jobs.gates import Gate, Kind
from tests.support.api_app import an_app
from tests.support.jobs import a_job, started

ACME = "/v1/gates/tenant/acme"
CALENDAR = "/v1/gates/report_type/calendar"
SOON = datetime.now(UTC) + timedelta(hours=3)


class Operator:
    """Asks one API, with a key that may change gates unless another one is named."""

    def __init__(self, client: TestClient, conn: Connection) -> None:
        self.client, self.conn = client, conn
        self.key = self.make("ops", OF_ALL_TENANTS)

    def make(self, name: str, scopes: frozenset[str]) -> str:
        return api_keys.create_key(self.conn, tenant="house", name=name, scopes=scopes)

    def __call__(self, method: str, path: str, *, key: str | None = None, **more: Any) -> Response:
        headers = {"Authorization": f"Bearer {key or self.key}", **more.pop("headers", {})}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        return answer

    def trail(self) -> list[tuple[Any, ...]]:
        rows = self.conn.execute(text("SELECT tenant, action, object, subject, before, after FROM audit ORDER BY id"))
        return [tuple(row) for row in rows]


@pytest.fixture
def ask(database_url: str, conn: Connection, scratch: Path) -> Iterator[Operator]:
    app = an_app(database_url, scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Operator(client, conn)


def problem(answer: Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_an_operator_pauses_sees_and_resumes(ask: Operator) -> None:
    asked = {"reason": "its figures are wrong", "until": SOON.isoformat()}
    paused = ask("POST", f"{CALENDAR}:pause", json=asked)
    assert paused.status_code == 200, paused.text
    told = paused.json()
    assert (told["kind"], told["name"], told["cap"]) == ("report_type", "calendar", None)
    assert told["pause"] == {**asked, "by": "ops", "beganAt": told["pause"]["beganAt"], "endedAt": None}
    assert ask("GET", CALENDAR).json() == told
    assert ask("GET", "/v1/gates").json() == {"gates": [told]}

    longer = ask("POST", f"{CALENDAR}:pause", json={"reason": "still", "until": None}).json()["pause"]
    assert (longer["reason"], longer["until"], longer["beganAt"]) == ("still", None, told["pause"]["beganAt"])
    ended = ask("POST", f"{CALENDAR}:resume").json()["pause"]["endedAt"]
    assert datetime.fromisoformat(ended) <= datetime.now(UTC) + timedelta(minutes=1)
    assert ask("POST", f"{CALENDAR}:resume").json()["pause"]["endedAt"] == ended, "once more is harmless"
    again = ask("POST", f"{CALENDAR}:pause", json={"reason": "again"})
    assert problem(again, 409, "gate_resuming")["retryable"] is True
    assert [(entry[1], entry[4], entry[5]) for entry in ask.trail()] == [
        ("gates.pause", None, asked),
        ("gates.pause", asked, {"reason": "still", "until": None}),
        ("gates.resume", {"reason": "still", "until": None}, None),
    ]


def test_an_operator_caps_and_what_runs_already_counts(ask: Operator, conn: Connection) -> None:
    started(conn, a_job(conn))
    told = ask("PUT", f"{ACME}/cap", json={"mostRunning": 4})
    assert told.json() == {
        "kind": "tenant", "name": "acme", "pause": None, "cap": {"mostRunning": 4, "running": 1},
        "queueCap": None,
        "etag": told.headers["etag"],
    }  # fmt: skip
    assert caps.room(conn) == {Gate(Kind.TENANT, "acme"): 3}
    assert ask("PUT", f"{ACME}/cap", json={"mostRunning": 4.0}).headers["etag"] == told.headers["etag"]
    assert ask("PUT", f"{ACME}/cap", json={"mostRunning": 2}).json()["cap"]["mostRunning"] == 2
    assert [ask("DELETE", f"{ACME}/cap").status_code for _ in range(2)] == [204, 204]
    assert caps.caps(conn) == []
    assert ask.trail() == [
        ("house", "gates.cap", "gates/tenant/acme", "ops", None, {"mostRunning": 4}),
        ("house", "gates.cap", "gates/tenant/acme", "ops", {"mostRunning": 4}, {"mostRunning": 2}),
        ("house", "gates.uncap", "gates/tenant/acme", "ops", {"mostRunning": 2}, None),
    ]


def test_the_list_has_one_entry_for_each_gate_and_can_be_narrowed(ask: Operator) -> None:
    ask("PUT", f"{ACME}/cap", json={"mostRunning": 1})
    ask("POST", f"{ACME}:pause", json={"reason": "unpaid"})
    ask("POST", "/v1/gates/source/default:pause", json={"reason": "it moves"})
    whole = ask("GET", "/v1/gates").json()["gates"]
    shown = [(one["kind"], one["name"], bool(one["pause"]), bool(one["cap"])) for one in whole]
    assert shown == [("source", "default", True, False), ("tenant", "acme", True, True)]
    assert ask("GET", "/v1/gates?kind=tenant").json()["gates"] == whole[1:]
    wrong = problem(ask("GET", "/v1/gates?kind=tenants"), 422, "invalid_request")
    assert "did you mean 'tenant'?" in wrong["violations"][0]["message"]


def test_a_change_of_what_somebody_else_has_changed_is_refused(ask: Operator) -> None:
    seen = ask("GET", ACME).headers["etag"]
    assert ask("GET", ACME, headers={"If-None-Match": seen}).status_code == 304
    mine = {"If-Match": seen}
    assert ask("PUT", f"{ACME}/cap", json={"mostRunning": 4}, headers=mine).status_code == 200
    for method, path, body in (
        ("POST", ":pause", {"reason": "x"}), ("POST", ":resume", None), ("PUT", "/cap", {"mostRunning": 1}),
        ("DELETE", "/cap", None),
    ):  # fmt: skip
        problem(ask(method, f"{ACME}{path}", json=body, headers=mine), 412, "precondition_failed")
    problem(ask("GET", ACME, headers=mine), 412, "precondition_failed")
    assert ask("GET", ACME).json()["cap"]["mostRunning"] == 4
    assert len(ask.trail()) == 1


def test_two_who_have_seen_the_same_do_not_both_change_it(ask: Operator) -> None:
    seen, met, answers = ask("GET", ACME).headers["etag"], threading.Barrier(4), []

    def change(most: int) -> None:
        met.wait(30)
        answers.append(ask("PUT", f"{ACME}/cap", json={"mostRunning": most}, headers={"If-Match": seen}).status_code)

    threads = [threading.Thread(target=change, args=(n + 1,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [200, 412, 412, 412]
    assert len(ask.trail()) == 1


def test_a_typing_error_pauses_nothing(ask: Operator, conn: Connection) -> None:
    for path, near in (
        ("report_type/calender", "did you mean 'calendar'?"), ("source/defualt", "did you mean 'default'?"),
        ("report-type/calendar", "did you mean 'report_type'?"), ("tenant/-", "cannot name a tenant"),
    ):  # fmt: skip
        for method, rest, body in (("POST", ":pause", {"reason": "x"}), ("PUT", "/cap", {"mostRunning": 1})):
            refused = ask(method, f"/v1/gates/{path}{rest}", json=body)
            assert near in problem(refused, 404, "unknown_gate")["detail"]
    assert (pauses.pauses(conn), caps.caps(conn), ask.trail()) == ([], [], [])


def test_what_left_the_catalog_can_still_be_resumed_and_uncapped(ask: Operator, conn: Connection) -> None:
    gone = Gate(Kind.REPORT_TYPE, "gone")
    pauses.pause(conn, gone, reason="x", by="y")
    caps.set_cap(conn, gone, 3)
    assert ask("GET", "/v1/gates/report_type/gone").json()["cap"]["mostRunning"] == 3
    assert ask("POST", "/v1/gates/report_type/gone:resume").json()["pause"]["endedAt"] is not None
    assert ask("DELETE", "/v1/gates/report_type/gone/cap").status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "reason"), ({"reason": " "}, "reason"), ({"reason": "x" * 201}, "reason"), ({"reason": "\x07"}, "reason"),
        ({"reason": "x", "until": "tomorrow"}, "until"), ({"reason": "x", "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"reason": "x", "until": "9999-12-31T23:59:59-14:00"}, "until"),
        ({"reason": "x", "hours": 3}, "hours"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_pause_names_each_mistake(ask: Operator, conn: Connection, body: dict[str, Any], field: str) -> None:
    refused = problem(ask("POST", f"{ACME}:pause", json=body), 422, "invalid_request")
    assert [one["field"] for one in refused["violations"]] == [field]
    assert pauses.pauses(conn) == []


@pytest.mark.parametrize("most", [0, -1, 1001, 1.5, True, "4", None])
def test_a_wrong_cap_is_refused(ask: Operator, conn: Connection, most: object) -> None:
    refused = problem(ask("PUT", f"{ACME}/cap", json={"mostRunning": most}), 422, "invalid_request")
    assert [one["field"] for one in refused["violations"]] == ["mostRunning"]
    assert caps.caps(conn) == []


CHANGES = (
    ("POST", f"{ACME}:pause", {"reason": "x"}), ("POST", f"{ACME}:resume", None),
    ("PUT", f"{ACME}/cap", {"mostRunning": 1}), ("DELETE", f"{ACME}/cap", None),
)  # fmt: skip


def test_operators_alone_see_and_change_gates(ask: Operator) -> None:
    nobody = ask.make("nobody", USUAL | {Scope.KEYS_WRITE, Scope.AUDIT_READ})
    reader = ask.make("reader", frozenset({Scope.ADMIN_READ}))
    writer = ask.make("writer", frozenset({Scope.ADMIN_WRITE}))
    looks = (("GET", "/v1/gates", None), ("GET", ACME, None))
    for method, path, body in (*looks, *CHANGES):
        assert problem(ask(method, path, key=nobody, json=body), 403, "insufficient_scope")
    for method, path, body in CHANGES:
        assert "admin:write" in problem(ask(method, path, key=reader, json=body), 403, "insufficient_scope")["detail"]
    for method, path, _ in looks:
        assert ask(method, path, key=reader).status_code == 200
        assert "admin:read" in problem(ask(method, path, key=writer), 403, "insufficient_scope")["detail"]
    # Who makes keys for its tenant makes no operator of it.
    made = ask("POST", "/v1/keys", key=nobody, json={"name": "x", "scopes": ["admin:write"]})
    problem(made, 403, "insufficient_scope")
    assert ask.trail() == []


def test_the_trail_says_which_key_it_was(ask: Operator, conn: Connection) -> None:
    ask("POST", f"{ACME}:pause", json={"reason": "unpaid"})
    assert conn.execute(text("SELECT key_id FROM audit")).scalar_one() == read_key(ask.key).id
