"""A tenant's rate limit applies across all APIs, costs a statement per second, and never refuses
because of an outage.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine

from services.api import metrics
from services.api.auth import shared_rate
from services.api.auth.rate_limit import RateLimit
from services.api.auth.shared_rate import SharedRate
from shared.access import api_keys, rates
from shared.database.engine import create_engine
from shared.database.statements import statement_name
from tests.support.api_app import an_app, problem
from tests.support.jobs import count

SLOW = {"API_AUTH": "keys", "API_RATE_LIMIT": "0.001", "API_RATE_BURST": "20"}
"""What passes after the burst passes after a quarter of an hour: no test is so slow."""


@pytest.fixture
def apis(database_url: str, scratch: Path) -> Iterator[list[TestClient]]:
    """Two, each with engines of its own."""
    with ExitStack() as stack:
        apps = [an_app(database_url, scratch, **SLOW) for _ in range(2)]
        yield [
            stack.enter_context(TestClient(app, base_url="http://localhost", follow_redirects=False)) for app in apps
        ]


def test_two_apis_together_let_as_many_pass_as_one_would(apis: list[TestClient], conn: Connection) -> None:
    bearer = {"Authorization": f"Bearer {api_keys.create_key(conn, tenant='acme', name='ci')}"}
    answers = [apis[n % 2].get("/v1/me", headers=bearer).status_code for n in range(30)]
    assert answers == [200] * 20 + [429] * 10
    other = {"Authorization": f"Bearer {api_keys.create_key(conn, tenant='globex', name='ci')}"}
    assert apis[0].get("/v1/me", headers=other).status_code == 200


def test_the_headers_tell_what_is_left_over_both(apis: list[TestClient], conn: Connection) -> None:
    bearer = {"Authorization": f"Bearer {api_keys.create_key(conn, tenant='acme', name='ci')}"}
    told = [apis[n % 2].post("/v1/jobs", json={}, headers=bearer).headers["ratelimit"] for n in range(3)]
    assert [one.partition(";t=")[0] for one in told] == ['"requests";r=19', '"requests";r=18', '"requests";r=17']
    batch = {"jobs": [{"reportType": "calendar"}] * 5}
    left = apis[0].post("/v1/jobs:batch", json=batch, headers=bearer).headers["ratelimit"]
    assert left.startswith('"requests";r=12;')
    assert apis[1].post("/v1/jobs", json={}, headers=bearer).headers["ratelimit"].startswith('"requests";r=15;')
    # What the first has done beyond its lease it settles with its next.
    assert apis[0].post("/v1/jobs", json={}, headers=bearer).headers["ratelimit"].startswith('"requests";r=10;')


def test_one_key_leaves_to_the_others_of_its_tenant_what_is_theirs(
    database_url: str, scratch: Path, conn: Connection
) -> None:
    greedy, modest = (
        {"Authorization": f"Bearer {api_keys.create_key(conn, tenant='acme', name=name)}"} for name in ("ci", "ann")
    )
    with ExitStack() as stack:
        apps = [an_app(database_url, scratch, **SLOW, API_RATE_SHARE="0.75") for _ in range(2)]
        apis = [stack.enter_context(TestClient(app, base_url="http://localhost")) for app in apps]
        answers = [apis[n % 2].get("/v1/me", headers=greedy) for n in range(40)]
        assert [answer.status_code for answer in answers] == [200] * 15 + [429] * 25
        told = problem(answers[-1], 429, "rate_limited")
        assert told["violated-policies"] == ["requests-of-one"]
        assert answers[-1].headers["ratelimit-policy"].startswith('"requests-of-one";q=15;')
        # Whoever was refused used up nothing of the tenant's. When that is used up, nobody's own share shrinks.
        answers = [apis[n % 2].get("/v1/me", headers=modest) for n in range(8)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
        assert problem(answers[-1], 429, "rate_limited")["violated-policies"] == ["requests"]


def test_what_the_tenants_rate_refuses_is_given_back_to_the_one(database_url: str) -> None:
    engine = create_engine(database_url, application_name="test")

    async def act() -> list[bool]:
        rate = SharedRate(RateLimit(0.001, 3), engine)
        passed = [not (await rate.take("acme/ann")).wait_s for _ in range(3)]
        rate.give_back("acme/ann", 1)
        return [*passed, *[not (await rate.take("acme/ann")).wait_s for _ in range(2)]]

    assert asyncio.run(act()) == [True, True, True, True, False]
    engine.dispose()


def test_pages_of_the_console_count(apis: list[TestClient], conn: Connection) -> None:
    key = api_keys.create_key(conn, tenant="acme", name="ann")
    assert apis[0].post("/console/sign-in", data={"key": key}).status_code == 303
    cookie = {"Cookie": f"todoke-session={apis[0].cookies['todoke-session']}"}
    answers = [apis[n % 2].get("/console", headers=cookie) for n in range(22)]
    assert [answer.status_code for answer in answers] == [200] * 19 + [429] * 3
    assert answers[-1].headers["content-type"].startswith("text/html")
    assert int(answers[-1].headers["retry-after"]) > 1
    bearer = {"Authorization": f"Bearer {key}"}
    problem(apis[0].get("/v1/jobs:stream", headers=bearer), 429, "rate_limited")


def take(rate: SharedRate, times: int, weight: int = 1) -> list[bool]:
    async def play() -> list[bool]:
        return [(await rate.take("acme", weight)).wait_s == 0 for _ in range(times)]

    return asyncio.run(play())


def test_a_process_takes_no_more_than_is_wanted_of_it(engine: Engine) -> None:
    processes = [SharedRate(RateLimit(10, 20), engine) for _ in range(8)]
    assert [take(process, 1) for process in processes] == [[True]] * 8, "eight at once, where twenty may pass"


def test_a_second_of_requests_costs_one_statement_and_a_flood_no_more(engine: Engine, conn: Connection) -> None:
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement_name(statement) == "rates.lease":
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    now = [1_000.0]
    rate = SharedRate(RateLimit(50, 50, lambda: now[0]), engine, lambda: now[0])
    assert take(rate, 50) == [True] * 50
    assert len(seen) == 4, "4, 8, 16, and what is left"
    conn.execute(text("UPDATE tenant_rates SET used_until = clock_timestamp()"))
    now[0] += 1.5
    assert take(rate, 40) == [True] * 40
    assert len(seen) == 5
    conn.execute(text("UPDATE tenant_rates SET used_until = clock_timestamp() + interval '1 h'"))
    now[0] += 1.5
    assert take(rate, 200) == [False] * 200
    assert len(seen) == 6


def test_what_a_process_leased_and_did_not_use_goes_back(engine: Engine) -> None:
    now = [1_000.0]
    one, two = (SharedRate(RateLimit(5, 10, lambda: now[0]), engine, lambda: now[0]) for _ in range(2))
    assert take(one, 1) == [True]
    assert take(two, 1) == [True]
    now[0] += 1.5  # here, and not in the database: all ten are leased there
    assert take(one, 4) == [True] * 4


def test_while_the_database_does_not_answer_each_host_counts_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = create_engine("postgresql://u:p@127.0.0.1:1/d", application_name="test")
    rate = SharedRate(RateLimit(0.01, 3), away)
    counted = metrics.RATE_COUNTED_ALONE._value.get()
    assert take(rate, 5) == [True] * 3 + [False] * 2
    assert metrics.RATE_COUNTED_ALONE._value.get() == counted + 1
    monkeypatch.setattr(shared_rate, "_ALONE_S", -1.0)
    monkeypatch.setattr(rate, "_alone_until", 0.0)
    monkeypatch.setattr(rate, "_engine", engine)
    assert take(rate, 5) == [True] * 3 + [False] * 2, "back, it counts with the others again"
    away.dispose()


def test_what_has_not_asked_for_a_day_is_forgotten(conn: Connection) -> None:
    terms: dict[str, Any] = {"least": 1, "most": 5, "debt": 0, "per_s": 5.0, "burst": 10}
    for tenant in ("acme", "globex"):
        assert rates.lease(conn, tenant, **terms).tokens == 5
    conn.execute(text("UPDATE tenant_rates SET used_until = used_until - interval '25 h' WHERE tenant = 'acme'"))
    assert (rates.forget(conn), count(conn, "tenant_rates")) == (1, 1)


def test_debts_are_counted_whatever_is_left_and_less_than_nothing_comes_back(conn: Connection) -> None:
    terms: dict[str, Any] = {"per_s": 0.001, "burst": 10}
    assert rates.lease(conn, "acme", least=1, most=4, debt=0, **terms).tokens == 4
    assert rates.lease(conn, "acme", least=1, most=20, debt=-2, **terms).tokens == 8
    assert rates.lease(conn, "acme", least=1, most=4, debt=5, **terms).tokens == 0
    assert rates.lease(conn, "acme", least=1, most=4, debt=-7, **terms).tokens == 2
    assert rates.lease(conn, "new", least=1, most=4, debt=8, **terms).tokens == 2
