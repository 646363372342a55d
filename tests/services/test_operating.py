"""What operators see and do over HTTP: the overview, dead letters, parked messages."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import text
from sqlalchemy.engine import Connection

from services.api.actions import attention
from services.api.actions.attention import State, conditions
from shared.access import api_keys
from shared.access.scopes import USUAL, Scope
from shared.jobs import measurements, workers
from shared.jobs.measurements import Subject
from shared.jobs.totals import Failing
from shared.jobs.workers import Presence
from shared.outbox import messages, parked
from shared.outbox.dead_letters import Wish, list_rows, wish_for
from shared.outbox.messages import OutboxRow, Unsent
from tests.support.api_app import an_app, problem
from tests.support.jobs import count
from tests.support.postgres.roles import service_urls
from tests.support.put_aside import some_dead, some_parked

BOTH = frozenset({Scope.ADMIN_READ, Scope.ADMIN_WRITE})


class Asker:
    """Clients with keys of several scopes."""

    def __init__(self, client: TestClient, conn: Connection) -> None:
        self._client, self._conn = client, conn

    def __call__(self, method: str, path: str, scopes: frozenset[str] = BOTH, **more: Any) -> Response:
        key = api_keys.create_key(self._conn, tenant="ops", name="ann", scopes=scopes)
        found: Response = self._client.request(method, path, headers={"Authorization": f"Bearer {key}"}, **more)
        return found


@pytest.fixture
def ask(database_url: str, scratch: Path, conn: Connection) -> Iterator[Asker]:
    """With the API's own rights in the database."""
    app = an_app(service_urls(database_url)["api"], scratch, API_AUTH="keys")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Asker(client, conn)


def trail(conn: Connection) -> list[tuple[str, str, str]]:
    rows = conn.execute(text("SELECT tenant, action, object FROM audit ORDER BY id"))
    return [(row.tenant, row.action, row.object) for row in rows]


CHANGES = [
    "/v1/dead-letters:redrive", "/v1/dead-letters:drop", "/v1/outbox/parked:requeue", "/v1/outbox/parked:drop",
]  # fmt: skip
LOOKS = ["/v1/overview", "/v1/dead-letters", "/v1/outbox/parked"]


def test_each_operation_asks_for_its_scope_and_for_no_other(ask: Asker, conn: Connection) -> None:
    body = {"all": True, "reason": "why"}
    others = frozenset(Scope) - BOTH
    for path in LOOKS:
        assert ask("GET", path, frozenset({Scope.ADMIN_READ})).status_code == 200, path
        refused = problem(ask("GET", path, others | {Scope.ADMIN_WRITE}), 403, "insufficient_scope")
        assert "admin:read" in refused["detail"]
    for path in CHANGES:
        assert ask("POST", path, frozenset({Scope.ADMIN_WRITE}), json=body).status_code == 200, path
        refused = problem(ask("POST", path, others | {Scope.ADMIN_READ}, json=body), 403, "insufficient_scope")
        assert "admin:write" in refused["detail"]
    assert trail(conn) == [], "there was nothing to change"
    assert not BOTH & USUAL


def test_dead_letters_of_all_tenants_are_listed_page_by_page(ask: Asker, conn: Connection) -> None:
    some_dead(conn, "m1", "m2")
    some_dead(conn, "m3", ours=False)
    first = ask("GET", "/v1/dead-letters?pageSize=2").json()
    rest = ask("GET", f"/v1/dead-letters?pageSize=2&pageToken={first['nextPageToken']}").json()

    assert [one["messageId"] for one in first["deadLetters"] + rest["deadLetters"]] == ["m1", "m2", "m3"]
    assert (first["deadLetters"][0]["tenant"], rest["deadLetters"][0]["tenant"]) == ("globex", None)
    assert rest["nextPageToken"] is None
    problem(ask("GET", "/v1/dead-letters?pageToken=x"), 400, "page_token_invalid")
    problem(ask("GET", "/v1/dead-letters?pageSize=many"), 422, "invalid_request")
    problem(ask("GET", "/v1/outbox/parked?state=x"), 422, "invalid_request")


def test_a_wish_is_written_down_once_with_its_reason(ask: Asker, conn: Connection) -> None:
    some_dead(conn, "m1", "m2")
    some_dead(conn, "m3", ours=False)
    all_of_them = {"all": True, "reason": "mended"}

    dry = ask("POST", "/v1/dead-letters:redrive", json={**all_of_them, "dryRun": True}).json()
    assert dry == {"ids": ["m1", "m2"], "missing": [], "dryRun": True, "more": False}
    assert trail(conn) == []
    dropped = ask("POST", "/v1/dead-letters:drop", json={"ids": ["m1", "no"], "reason": "noise"}).json()
    assert dropped == {"ids": ["m1"], "missing": ["no"], "dryRun": False, "more": False}
    assert ask("POST", "/v1/dead-letters:redrive", json=all_of_them).json()["ids"] == ["m2"]
    assert ask("POST", "/v1/dead-letters:redrive", json=all_of_them).json()["ids"] == []

    assert {row.message_id: row.wish for row in list_rows(conn, size=9)} == {"m1": "drop", "m2": "redrive", "m3": None}
    assert trail(conn) == [
        ("ops", "dead_letters.drop", "dead-letters/m1"), ("ops", "dead_letters.redrive", "dead-letters/m2"),
    ]  # fmt: skip
    due = conn.execute(text("SELECT next_at <= clock_timestamp() FROM measurements WHERE subject = 'dead_letters'"))
    assert due.scalar_one(), "a relay looks at once"
    assert ask("GET", "/v1/dead-letters").json()["deadLetters"][0]["wishedBy"] == "ann"


def test_parked_messages_are_sent_again_or_dropped_with_their_reason(ask: Asker, conn: Connection) -> None:
    one, two, three = some_parked(conn, "acme", "globex", "globex")
    messages.keep(conn, [Unsent(OutboxRow(0, "jobs", "acme", "{}", None), "Throttled", 60, parked=False)])
    listed = ask("GET", "/v1/outbox/parked").json()["messages"]
    assert [(m["id"], m["tenant"], m["lastError"]) for m in listed] == [
        (str(number), tenant, "AccessDenied") for number, tenant in ((one, "acme"), (two, "globex"), (three, "globex"))
    ]  # fmt: skip

    dry = ask("POST", "/v1/outbox/parked:drop", json={"all": True, "reason": "x", "dryRun": True}).json()
    assert len(dry["ids"]) == 3
    asked = {"ids": [str(one), "x", "99999999999999999999"], "reason": "wrong"}
    assert ask("POST", "/v1/outbox/parked:drop", json=asked).json()["ids"] == [str(one)]
    assert (
        ask("POST", "/v1/outbox/parked:requeue", json={"ids": [str(two)], "reason": "mended"}).json()["missing"] == []
    )

    assert [row.id for row in parked.parked(conn)] == [three]
    assert count(conn, "outbox_retry") == 3, "what waits for its next try is left alone"
    assert trail(conn) == [("ops", "outbox.drop", f"outbox/{one}"), ("ops", "outbox.requeue", f"outbox/{two}")]


UNCLEAR: list[dict[str, Any]] = [
    {}, {"reason": "x"}, {"ids": [], "reason": "x"}, {"ids": ["m1"], "all": True, "reason": "x"}, {"ids": ["m1"]},
    {"ids": ["m1"], "reason": " "}, {"ids": ["m1"], "reason": "a\nb"}, {"ids": [1], "reason": "x"},
    {"all": False, "reason": "x"}, {"ids": ["m1"], "reason": "x" * 201}, {"ids": ["m1"], "reason": "x", "dryRun": 1},
    {"ids": ["m1"], "reason": "x", "idz": 1}, {"ids": "m1", "reason": "x"},
    {"ids": ["m1"], "all": None, "reason": "x"}, {"ids": ["a\0"], "reason": "x"},
]  # fmt: skip


def test_what_is_not_meant_clearly_changes_nothing(ask: Asker, conn: Connection) -> None:
    some_dead(conn, "m1")
    for n, body in enumerate(UNCLEAR):
        told = problem(ask("POST", CHANGES[n % len(CHANGES)], json=body), 422, "invalid_request")
        assert told["violations"], body
    assert trail(conn) == []
    assert [row.wish for row in list_rows(conn, size=9)] == [None]


def test_a_wish_that_is_there_already_is_not_changed(ask: Asker, conn: Connection) -> None:
    some_dead(conn, "m1")
    wish_for(conn, ["m1"], Wish.REDRIVE, by="ben")

    assert ask("POST", "/v1/dead-letters:drop", json={"ids": ["m1"], "reason": "x"}).json()["missing"] == ["m1"]
    assert trail(conn) == []


def test_the_overview_says_what_stands_how(ask: Asker, conn: Connection) -> None:
    empty = ask("GET", "/v1/overview").json()
    assert [one["code"] for one in empty["conditions"]] == ["relay_silent", "no_worker"]
    assert (empty["measured"], empty["workers"], empty["history"], empty["notLookedAt"]) == ({}, [], [], [])

    workers.beat(conn, Presence("w1", "c", ["calendar"], 4, 1), new=True)
    workers.beat(conn, Presence("w2", "c", ["calendar"], 4, 0, "no_space"), new=True)
    outbox = {"unsent": 3, "oldestAgeS": 61.5, "waiting": 0, "parked": 2}
    measurements.write(conn, Subject.DATABASE, {"outbox": outbox, "workers": {"fit": 1, "unfit": 1}})
    measurements.write(conn, Subject.QUEUE, {"visible": 1, "inFlight": 0, "delayed": 0, "deadLetters": 7})
    found = ask("GET", "/v1/overview?period=7d").json()

    told = {one["code"]: one for one in found["conditions"]}
    assert list(told) == ["outbox_stuck", "workers_unfit", "dead_letters", "parked_messages"]
    assert (told["outbox_stuck"]["severity"], told["outbox_stuck"]["sinceS"]) == ("page", 61.5)
    assert told["dead_letters"]["facts"] == {"messages": 7}
    assert [(one["name"], one["sick"]) for one in found["workers"]] == [("w2", "no_space"), ("w1", None)]
    assert found["measured"]["queue"]["facts"]["visible"] == 1
    problem(ask("GET", "/v1/overview?period=1y"), 422, "invalid_request")


def test_the_history_is_counted_in_steps(ask: Asker, conn: Connection) -> None:
    buckets = "ARRAY[0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]"
    minutes = "date_trunc('minute', now(), 'UTC') - make_interval(mins => n)"
    of_each = "FROM generate_series(1, 30) AS n, unnest('{SUCCESS,FAILED}'::text[]) AS o"
    conn.execute(text(f"INSERT INTO job_totals SELECT {minutes}, o, 4, 4, {buckets} {of_each}"))
    conn.execute(text(f"INSERT INTO job_minutes SELECT 'acme', 't' || n % 3, o, {minutes}, 4, 4, {buckets} {of_each}"))
    conn.execute(text(f"INSERT INTO accepted_minutes SELECT {minutes}, 9 FROM generate_series(1, 30) AS n"))
    hour, day = (ask("GET", f"/v1/overview?period={period}").json() for period in ("1h", "24h"))

    assert sum(point["jobs"] for point in hour["accepted"]) == sum(point["jobs"] for point in day["accepted"]) == 270
    assert (len(hour["accepted"]), len(day["accepted"]) < 4) == (30, True)

    assert sum(point["jobs"] for point in hour["history"]) == sum(point["jobs"] for point in day["history"]) == 240
    assert (hour["stepS"], day["stepS"], len(hour["history"])) == (60, 900, 60)
    assert 0.5 < hour["history"][0]["p50S"] < 1
    assert [(one["reportType"], one["jobs"], one["failed"]) for one in hour["reportTypes"]] == [
        ("t0", 80, 40), ("t1", 80, 40), ("t2", 80, 40),
    ]  # fmt: skip
    assert "failures_rising" not in {one["code"] for one in hour["conditions"]}, "half failed before, too"


@pytest.mark.parametrize(
    ("failing", "rises"),
    [
        (Failing(100, 5, 1000, 1), True),
        (Failing(100, 4, 1000, 1), False),
        (Failing(1000, 40, 1000, 1), False),
        (Failing(100, 50, 1000, 400), False),
        (Failing(100, 60, 0, 0), True),
        (Failing(0, 0, 0, 0), False),
    ],
)
def test_failures_rise_where_many_fail_that_did_not_before(failing: Failing, rises: bool) -> None:
    assert ("failures_rising" in {one.code for one in conditions(State(failing=failing))}) is rises


def test_pages_and_alerts_have_the_same_bounds() -> None:
    rules = Path("deploy/prometheus/rules/todoke.alerts.yml").read_text()
    for expression, bound in (
        (r"max\(todoke_outbox_oldest_age_seconds\) > (\d+)", attention.OUTBOX_STUCK_S),
        (r"max\(todoke_erasure_oldest_age_seconds\) > (\d+)", attention.ERASURES_WAIT_S),
        (r"todoke_database_xmin_age_transactions\) > (\d+)", attention.SNAPSHOT_HELD),
        (r"max\(todoke_relay_measured_timestamp_seconds\) > (\d+)", attention.NOT_MEASURED_S),
        (r"were not final within (\d+) minutes", attention.WAITING_LONG_S / 60),
    ):
        [found, *_] = re.findall(expression, rules)
        assert float(found) == bound, expression
