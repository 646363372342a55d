"""The rows of disabled or deleted webhooks are deleted in slices, and are invisible meanwhile."""

import threading
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.relay.tidying import Tidying
from shared.access.secret_keys import SecretKeys
from shared.database.engine import create_engine, transactional
from shared.database.statements import statement_name
from shared.ids import uuid7
from shared.webhooks import delivering, ending, store
from shared.webhooks.delivering import Attempt
from shared.webhooks.spread import spread
from tests.support.eventually import eventually
from tests.support.jobs import count
from tests.support.postgres.roles import service_urls
from tests.support.webhooks import a_webhook, deliveries

_LAST = UUID(int=2**128 - 1)
_WAITING, _ENDED = 7, 4


@pytest.fixture
def relay(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tidying]:
    """A relay with the rights of one, whose slices are small."""
    monkeypatch.setattr(ending, "SLICE", 3)
    engine = create_engine(service_urls(database_url)["relay"], application_name="test-relay", pool_size=1)
    yield Tidying(engine)
    engine.dispose()


def told(conn: Connection, sealing: SecretKeys, url: str) -> UUID:
    """A webhook for which some deliveries wait, beside others that have ended, each with an attempt."""
    webhook_id = a_webhook(conn, sealing, url)
    for n in range(_WAITING + _ENDED):
        state = "waiting" if n < _WAITING else "dead"
        conn.execute(
            text("WITH e AS (INSERT INTO webhook_events (tenant, type, job_id, spread_at) "
                 "VALUES ('acme', 'job.failed', :job, now()) RETURNING id), "
                 "d AS (INSERT INTO webhook_deliveries (webhook_id, event_id, tenant, body, state, ended_at, attempts) "
                 "SELECT :webhook, id, 'acme', '', :state, CASE WHEN :state = 'dead' THEN now() END, 1 FROM e "
                 "RETURNING id) INSERT INTO webhook_attempts (delivery_id, number, at, took_ms) "
                 "SELECT id, 1, now(), 1 FROM d"),
            {"job": uuid7(), "webhook": webhook_id, "state": state},
        )  # fmt: skip
    return webhook_id


def states(conn: Connection, webhook_id: UUID) -> list[str]:
    return sorted(row.state for row in deliveries(conn) if row.webhook_id == webhook_id)


def waiting_for(conn: Connection) -> list[str]:
    """The statements that wait for a lock."""
    found = conn.execute(text("SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                              "AND datname = current_database()"))  # fmt: skip
    return [statement_name(query) for query in found.scalars()]


def disable(conn: Connection, webhook_id: UUID) -> None:
    off = "UPDATE webhooks SET disabled_at = now(), disabled_because = 'gone' WHERE id = :id"
    conn.execute(text(off), {"id": webhook_id})


def test_what_waits_for_a_disabled_webhook_is_given_up_slice_by_slice(
    conn: Connection, sealing: SecretKeys, relay: Tidying
) -> None:
    ill, well = told(conn, sealing, "https://a.example/"), told(conn, sealing, "https://b.example/")
    disable(conn, ill)

    assert ending.drop(conn, [ill]) == 3
    assert states(conn, ill) == ["dead"] * (_ENDED + 3) + ["waiting"] * (_WAITING - 3)
    relay.run_once()

    assert states(conn, ill) == ["dead"] * (_ENDED + _WAITING)
    assert states(conn, well) == ["dead"] * _ENDED + ["waiting"] * _WAITING


def test_a_deleted_webhook_is_gone_for_everybody_at_once_and_leaves_slice_by_slice(
    conn: Connection, sealing: SecretKeys, relay: Tidying
) -> None:
    gone, stays = told(conn, sealing, "https://a.example/secret-path"), told(conn, sealing, "https://b.example/")
    assert store.delete(conn, gone, "acme")

    assert store.get(conn, gone, "acme") is None
    assert [one.id for one in store.list_page(conn, "acme", before=_LAST, limit=9)] == [stays]
    assert (store.count(conn, "acme", most=9), store.has_origin(conn, "acme", "https://a.example")) == (1, False)
    assert not store.delete(conn, gone, "acme")
    assert store.secrets_of(conn, [gone]) == {}
    assert "secret-path" not in str(conn.execute(text("SELECT * FROM webhooks")).all())

    relay.run_once()
    assert count(conn, "webhooks") == 1
    assert states(conn, gone) == []
    assert states(conn, stays) == ["dead"] * _ENDED + ["waiting"] * _WAITING
    assert count(conn, "webhook_attempts") == _ENDED + _WAITING


def test_one_statement_removes_no_more_than_a_slice(conn: Connection, sealing: SecretKeys, relay: Tidying) -> None:
    gone = told(conn, sealing, "https://a.example/")
    store.delete(conn, gone, "acme")

    assert [ending.erase(conn) for _ in range(6)] == [3, 3, 3, 2, 1, 0]


def test_who_switches_a_webhook_off_waits_for_no_relay_that_writes_how_a_delivery_went(
    conn: Connection, engine: Engine, sealing: SecretKeys
) -> None:
    """The relay has the delivery and waits for the webhook; whoever has the webhook must not wait for the delivery."""
    told_id = told(conn, sealing, "https://a.example/")
    [first, *_] = delivering.claim(conn, most=1)
    failed = Attempt(first.id, first.token, "waiting", 5.0, None, False, 1, "", 500, "", "", None)
    written: list[object] = []

    def write() -> None:
        with transactional(engine).begin() as own:
            written.append(delivering.record(own, [failed]))

    relay = threading.Thread(target=write)
    with transactional(engine).begin() as owner:
        assert store.get(owner, told_id, "acme", hold=True) is not None
        relay.start()
        eventually(lambda: waiting_for(conn) == ["webhook_deliveries.record"])
        disable(owner, told_id)
        ending.drop(owner, [told_id])
    relay.join(60)

    assert written == [({first.id}, [])], "it was disabled by somebody else"
    assert states(conn, told_id) == ["dead"] * (_ENDED + _WAITING)


@pytest.mark.parametrize("who", ["record", "spread"])
def test_webhooks_are_locked_in_one_order_so_that_nobody_waits_in_a_circle(
    conn: Connection, engine: Engine, sealing: SecretKeys, who: str
) -> None:
    """Whoever waits for the first of them holds none of the others."""
    first, *others = sorted(a_webhook(conn, sealing, f"https://{n}.example/") for n in range(8))
    conn.execute(text("UPDATE webhooks SET description = 'the last in the table' WHERE id = :id"), {"id": first})
    event = "INSERT INTO webhook_events (tenant, type, job_id) VALUES ('acme', 'job.failed', :job)"
    conn.execute(text(event), {"job": uuid7()})
    if who == "record":
        spread(conn, most=1)
    claimed = delivering.claim(conn, most=8)
    failed = [Attempt(one.id, one.token, "waiting", 5.0, None, False, 1, "", 500, "", "", None) for one in claimed]
    done: list[object] = []

    def work() -> None:
        with transactional(engine).begin() as own:
            done.append(delivering.record(own, failed)[1] if who == "record" else spread(own, most=1))

    relay = threading.Thread(target=work)
    with transactional(engine).begin() as owner:
        assert store.get(owner, first, "acme", hold=True) is not None
        relay.start()
        eventually(lambda: waiting_for(conn))
        free = conn.execute(text("SELECT id FROM webhooks ORDER BY id FOR UPDATE SKIP LOCKED")).scalars().all()
    relay.join(60)

    assert free == others
    assert done == [[] if who == "record" else (1, 8)]
