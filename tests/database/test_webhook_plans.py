"""No statement of webhooks visits more rows when there are more webhooks, events or deliveries."""

import json
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine, Row

from shared.webhooks import deliveries, delivering, ending, sealing, spread, store, wanted_figures
from tests.support.postgres import fill, plans, server
from tests.support.postgres.plans import Case

_MANY = 10_000
_LAST = UUID(int=2**128 - 1)
_EACH = 2
"""Webhooks of each of the many tenants."""


_DELETED = text("""
    UPDATE webhooks SET disabled_at = now(), disabled_because = 'asked', deleted_at = now()
     WHERE id = (SELECT webhook_id FROM webhook_deliveries WHERE tenant = 'tenant-5' ORDER BY webhook_id LIMIT 1)
""")
"""A webhook that was deleted, while very much waited for it."""


@pytest.fixture(scope="module")
def crowded(postgres_server: server.Server) -> Iterator[Engine]:
    """Many tenants, one of which has a webhook with very many deliveries in each state."""

    def put(conn: Connection) -> None:
        fill.webhooks(conn, _MANY // _EACH, each=_EACH)
        fill.deliveries(conn, _MANY, tenant="tenant-1")
        for n in range(2, 6):
            fill.deliveries(conn, _MANY // 2, tenant=f"tenant-{n}")
        _put_first(conn)
        conn.execute(_DELETED)
        conn.execute(text("VACUUM ANALYZE"))

    with plans.crowded(postgres_server, put) as engine:
        yield engine


def _put_first(conn: Connection) -> None:
    """The webhook with very many deliveries has few others before it, and none of those with many: the worst place.

    PostgreSQL guesses the size of a range of `(webhook_id, state, id)` by its first column.
    """
    places = dict.fromkeys([f"tenant-{n}" for n in range(2, 6)], "f") | {"tenant-1": "0"}
    conn.execute(text("SET session_replication_role = replica"))  # no foreign keys
    for tenant, place in places.items():
        own = f"(SELECT id FROM webhooks WHERE tenant = '{tenant}' ORDER BY id LIMIT 1)"
        moved = f"(overlay({{0}}::text PLACING '{place}8' FROM 1 FOR 2))::uuid WHERE {{0}} = {own}"
        for table, column in {
            "webhook_secrets": "webhook_id",
            "webhook_deliveries": "webhook_id",
            "webhooks": "id",
        }.items():
            conn.execute(text(f"UPDATE {table} SET {column} = {moved.format(column)}"))
    conn.execute(text("SET session_replication_role = origin"))
    conn.execute(text("VACUUM FULL webhook_deliveries"))


def cases(conn: Connection) -> list[Case]:
    """Every statement, and its bound."""
    told = conn.execute(
        text("SELECT webhook_id, tenant, (array_agg(event_id))[1] AS event_id, (array_agg(id))[1] AS id, "
             "(SELECT e.job_id FROM webhook_events e WHERE e.id = (array_agg(event_id))[1]) AS job_id "
             "FROM webhook_deliveries WHERE state = 'waiting' GROUP BY 1, 2 ORDER BY count(*) DESC LIMIT 1")
    ).one()  # fmt: skip
    another = conn.execute(text("SELECT id FROM webhook_events WHERE tenant = 'tenant-7' LIMIT 1")).scalar_one()
    own = {"id": told.webhook_id, "webhook": told.webhook_id, "tenant": told.tenant, "before": _LAST, "limit": 21,
           "most": 20, "request": "r1", "origin": "https://nowhere.example", "ids": [told.webhook_id]}  # fmt: skip
    return [*_of_relays(told, own), *_of_deliveries(told, own, another), *_of_secrets(), *_of_webhooks(own)]


def _of_relays(told: Row[Any], own: Mapping[str, object]) -> list[Case]:
    attempt = {"id": str(told.id), "token": str(told.id), "state": "delivered", "gone": False, "took_ms": 1}
    made = {"webhook_id": str(told.webhook_id), "event_id": str(told.event_id), "tenant": told.tenant, "body": "{}"}
    spreading = {
        "deliveries": json.dumps([{**made, "url": "x"}]), "webhooks": [told.webhook_id], "events": [told.event_id],
    }  # fmt: skip
    return [
        Case(spread, "_TAKE", {"most": 200}, 2 * 200),
        Case(spread, "_WEBHOOKS_OF", {"tenants": [told.tenant, "tenant-7"]}, 2 * _EACH),
        Case(spread, "_SPREAD", spreading, 10),
        # Each webhook for which something waits is looked at; of the one that matters, few deliveries.
        Case(delivering, "_ANY", {}, 2 * fill.WAIT_FOR_SOMETHING + 2),
        Case(delivering, "_CLAIM", {"most": 64}, 8 * fill.WAIT_FOR_SOMETHING + 64),
        # Those that are under way, which are few.
        Case(delivering, "_RECORD", {"told": json.dumps([attempt])}, 20),
        Case(delivering, "_BACKLOG", {}, 4 * fill.WAIT_FOR_SOMETHING + 3 * 10_001),
        Case(delivering, "_FORGET", {"before": _LAST, "slice": 100}, 600),
        Case(delivering, "_FORGET_SECRETS", {}, 10),
        Case(ending, "_DROP", {**own, "slice": 100}, 2 * 100),
        Case(ending, "_DROP_LEFT", {"slice": 100}, 4 * fill.WAIT_FOR_SOMETHING + 2 * 100),
        Case(ending, "_STRIP", {"slice": 100}, 4 * 100),
        Case(ending, "_ERASE", {}, 5),
    ]


def _of_deliveries(told: Row[Any], own: Mapping[str, object], another_event: UUID) -> list[Case]:
    one = {**own, "id": told.id}
    return [
        Case(deliveries, "_LIST", own, 4 * 21),
        *[Case(deliveries, "_LIST_OF_STATE", {**own, "state": state}, 2 * 21) for state in ("waiting", "dead")],
        Case(deliveries, "_GET", one, 2),
        # An event, its delivery and the delivery's webhook.
        Case(deliveries, "_OF_JOB", {**own, "job": told.job_id, "limit": 50}, 3),
        Case(deliveries, "_LATELY", {**own, "since": UUID(int=0), "most": 100}, 3 * 100),
        Case(deliveries, "_ATTEMPTS", {"id": told.id, "limit": 50}, 50),
        Case(deliveries, "_AGAIN", one, 1),
        Case(deliveries, "_AGAIN_SINCE", {**own, "first": UUID(int=0), "most": 100}, 3 * 100),
        Case(deliveries, "_PING", own, 0),
        Case(deliveries, "_DELIVER", {**own, "event": another_event, "body": ""}, 0),
    ]


def _of_secrets() -> list[Case]:
    first = {"webhook_id": UUID(int=0), "number": 0}
    return [
        Case(sealing, "_BY_KEY", {}, _MANY),  # an operator's, of all secrets
        Case(sealing, "_OTHERS", {**first, "newest": "another"}, 2 * 100),
        Case(sealing, "_RESEAL", {**first, "key_id": "k", "sealed": b""}, 1),
    ]


def _of_webhooks(own: Mapping[str, object]) -> list[Case]:
    wanted = {**own, "url": "https://a.example/", "types": [], "report_types": None, "notify_when": None,
              "description": "", "digest": "",
              "created_by": None, "key_id": "k", "sealed": b"", "disabled": None, "overlap_s": 60}  # fmt: skip
    return [
        Case(wanted_figures, "_WANTED", {**own, "report_type": "r"}, _EACH),
        Case(store, "_CREATE", {**wanted, "id": UUID(int=7), "request": "new"}, 1),
        Case(store, "_MADE_BY", own, 1),
        Case(store, "_GET", own, 1),
        Case(store, "_HOLD", own, 1),
        Case(store, "_LIST", own, _EACH),
        Case(store, "_COUNT", own, _EACH),
        Case(store, "_OF_ORIGIN", own, _EACH),
        Case(store, "_REPLACE", wanted, 1),
        Case(store, "_DELETE", {**own, "id": UUID(int=7)}, 1),
        Case(store, "_ROTATE", wanted, 2),
        Case(store, "_SECRETS", own, 2),
    ]


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
def test_what_a_statement_looks_at_is_bounded(crowded: Engine, generic: bool) -> None:
    with crowded.connect() as conn:
        assert plans.beyond(conn, cases(conn), generic=generic) == {}


@pytest.mark.parametrize(
    "module", [spread, delivering, deliveries, ending, sealing, store, wanted_figures], ids=lambda m: m.__name__
)
def test_every_statement_is_asked(crowded: Engine, module: ModuleType) -> None:
    with crowded.connect() as conn:
        assert plans.not_asked(module, cases(conn)) == set()
