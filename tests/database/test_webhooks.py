"""What is owed is delivered, once per webhook and commit; the holder of the lease records the outcome."""

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from standardwebhooks import Webhook as Receiver

from services.relay.webhooks import Webhooks
from shared.access.secret_keys import SecretKeys
from shared.database.engine import transactional
from shared.jobs.artifacts import Artifact
from shared.jobs.cancel import cancel
from shared.jobs.finish import Failure, fail
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from shared.webhooks import delivering, store
from shared.webhooks.conditions import Condition
from shared.webhooks.event import EventType, new_secret, secret_text
from shared.webhooks.spread import spread
from tests.support.eventually import eventually
from tests.support.jobs import a_job, started
from tests.support.promises import broken
from tests.support.webhooks import (
    Listener,
    a_relays_share,
    a_webhook,
    attempts,
    deliveries,
    events,
    make_due,
    settle,
)


def a_failed_job(conn: Connection, **wanted: object) -> UUID:
    job_id = a_job(conn, **wanted)
    fail(conn, [Failure(started(conn, job_id).lease, "internal_error", "it broke", retryable=False, delay_s=0)])
    return job_id


def test_an_end_is_told_by_a_signed_and_thin_message(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    secret = new_secret()
    a_webhook(conn, sealing, f"{listener.url}/todoke", tenant="acme", secret=secret)
    job_id = a_failed_job(conn, tenant="acme")
    settle(teller)

    [heard] = listener.heard
    Receiver(secret_text(secret)).verify(heard.body, dict(heard.headers))
    [event] = events(conn)
    assert heard.headers["webhook-id"] == f"msg_{event.id.hex}"
    told = json.loads(heard.body)
    assert told == {
        "type": "job.failed",
        "timestamp": told["timestamp"],
        "data": {
            "jobId": str(job_id), "status": "FAILED", "reportType": "calendar", "version": 3,
            "links": {"self": f"/v1/jobs/{job_id}"},
        },
    }  # fmt: skip
    assert datetime.fromisoformat(told["timestamp"]) <= datetime.now(UTC)
    [delivery] = deliveries(conn)
    assert (delivery.state, delivery.last_status, delivery.attempts) == ("delivered", 204, 1)
    [attempt] = attempts(conn)
    assert attempt.request_head.startswith("POST /todoke HTTP/1.1\r\n")
    assert heard.headers["webhook-signature"] in attempt.request_head
    assert attempt.response_head.startswith("HTTP/1.1 204")


def test_only_what_somebody_wants_is_written(conn: Connection, sealing: SecretKeys) -> None:
    a_webhook(conn, sealing, "https://a.example/", tenant="acme", types=(EventType.JOB_SUCCEEDED,))
    a_webhook(
        conn, sealing, "https://b.example/", tenant="acme", types=(EventType.JOB_CANCELLED,), report_types=["other"]
    )
    off = a_webhook(conn, sealing, "https://c.example/", tenant="acme")
    conn.execute(
        text("UPDATE webhooks SET disabled_at = now(), disabled_because = 'asked' WHERE id = :id"), {"id": off}
    )
    a_webhook(conn, sealing, "https://d.example/", tenant="globex")
    a_failed_job(conn, tenant="acme")
    assert cancel(conn, a_job(conn, tenant="acme"), Viewer("acme", None, ()))

    assert events(conn) == []


def test_an_end_that_is_rolled_back_is_told_to_nobody(
    engine: Engine, conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    a_webhook(conn, sealing, listener.url)
    with transactional(engine).connect() as other:
        a_failed_job(other, tenant="acme")
        assert len(events(other)) == 1
        other.rollback()
    settle(teller)

    assert (events(conn), listener.heard) == ([], [])


def test_what_a_newer_release_tells_is_left_to_it_and_keeps_nothing_else_back(
    conn: Connection, sealing: SecretKeys
) -> None:
    """A migration comes first, and its triggers tell at once; a release that was taken back leaves what it has made."""
    webhook_id = a_webhook(conn, sealing, "https://a.example/")
    conn.execute(text("UPDATE webhooks SET types = types || ARRAY['job.archived']"))
    conn.execute(text("INSERT INTO webhook_events (tenant, type, job_id) VALUES ('acme', 'job.archived', :job)"),
                 {"job": a_job(conn)})  # fmt: skip
    a_failed_job(conn, tenant="acme")

    assert spread(conn, most=10) == (1, 1)
    assert [(one.type, one.spread_at is None) for one in events(conn)] == [
        ("job.archived", True),
        ("job.failed", False),
    ]
    known = store.get(conn, webhook_id, "acme")
    assert known is not None
    assert store.replace(conn, webhook_id, "acme", known.wanted, None) is not None
    assert "job.archived" in conn.execute(text("SELECT types FROM webhooks")).scalar_one()


def test_each_webhook_is_told_once_however_many_relays_there_are(
    conn: Connection, engine: Engine, sealing: SecretKeys, listener: Listener
) -> None:
    for n in range(3):
        a_webhook(conn, sealing, f"{listener.url}/{n}")
    for _ in range(20):
        a_failed_job(conn, tenant="acme")
    meet = threading.Barrier(3)

    def work() -> None:
        with a_relays_share(engine, sealing) as share:
            meet.wait(60)
            settle(share)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    told = [(heard.path, heard.headers["webhook-id"]) for heard in listener.heard]
    assert (len(told), len(set(told))) == (60, 60)
    assert {one.state for one in deliveries(conn)} == {"delivered"}


def test_a_failure_is_tried_again_under_the_same_id_until_its_tries_are_over(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    a_webhook(conn, sealing, listener.url)
    listener.answer = lambda _: (500, b"oh no", {})
    a_failed_job(conn, tenant="acme")
    pauses = []
    for _ in delivering.DELAYS_S:
        settle(teller)
        [delivery] = deliveries(conn)
        pauses.append((delivery.due_at - datetime.now(UTC)).total_seconds())
        make_due(conn)
    settle(teller)

    assert (delivery.state, delivery.attempts) == ("dead", 10)
    assert len({heard.headers["webhook-id"] for heard in listener.heard}) == 1
    assert len(listener.heard) == 10
    for pause, wanted in zip(pauses, delivering.DELAYS_S[1:], strict=False):
        assert wanted * 0.8 - 5 <= pause <= wanted * 1.2 + 5
    assert bytes(attempts(conn)[0].response_body) == b"oh no"


def test_who_asks_for_less_gets_less_and_who_is_gone_is_left_alone(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    webhook_id = a_webhook(conn, sealing, listener.url)
    listener.answer = lambda _: (429, b"", {"Retry-After": "7200"})
    a_failed_job(conn, tenant="acme")
    settle(teller)
    a_failed_job(conn, tenant="acme")
    settle(teller)
    now = store.get(conn, webhook_id, "acme")
    assert now is not None
    assert now.throttled_until is not None
    assert 7_000 < (now.throttled_until - datetime.now(UTC)).total_seconds() < 7_300
    assert len(listener.heard) == 1

    listener.answer = lambda _: (410, b"", {})
    make_due(conn)
    settle(teller)
    now = store.get(conn, webhook_id, "acme")
    assert now is not None
    assert now.disabled_because == "gone"
    assert {one.state for one in deliveries(conn)} == {"dead"}
    a_failed_job(conn, tenant="acme")
    assert len(events(conn)) == 2


def test_five_days_without_a_success_disable_a_webhook(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    webhook_id = a_webhook(conn, sealing, listener.url)
    listener.answer = lambda _: (500, b"", {})
    a_failed_job(conn, tenant="acme")
    settle(teller)
    conn.execute(text("UPDATE webhooks SET failing_since = failing_since - interval '5 days 1 hour'"))
    make_due(conn)
    settle(teller)

    now = store.get(conn, webhook_id, "acme")
    assert now is not None
    assert now.disabled_because == "failing"


def test_a_redirect_is_a_failure_and_is_not_followed(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    a_webhook(conn, sealing, f"{listener.url}/first")
    listener.answer = lambda _: (307, b"", {"Location": f"{listener.url}/second"})
    a_failed_job(conn, tenant="acme")
    settle(teller)

    assert [heard.path for heard in listener.heard] == ["/first"]
    assert (deliveries(conn)[0].state, deliveries(conn)[0].last_status) == ("waiting", 307)


def test_one_that_hangs_delays_no_other(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    free = threading.Event()

    def answer(heard: object) -> tuple[int, bytes, dict[str, str]]:
        if heard.path == "/slow":  # type: ignore[attr-defined]
            free.wait(60)
        return 204, b"", {}

    listener.answer = answer
    a_webhook(conn, sealing, f"{listener.url}/slow")
    a_webhook(conn, sealing, f"{listener.url}/quick")
    for _ in range(8):
        a_failed_job(conn, tenant="acme")
    working = threading.Event()

    def work() -> None:
        while not working.is_set():
            teller.run_once()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        eventually(lambda: sum(heard.path == "/quick" for heard in listener.heard) == 8)
        assert sum(heard.path == "/slow" for heard in listener.heard) <= delivering.EACH
    finally:
        free.set()
        working.set()
        thread.join(60)


def test_who_has_lost_the_lease_writes_nothing(conn: Connection, sealing: SecretKeys) -> None:
    a_webhook(conn, sealing, "https://a.example/")
    a_failed_job(conn, tenant="acme")
    assert spread(conn, most=10) == (1, 1)
    [first] = delivering.claim(conn, most=10)
    assert delivering.claim(conn, most=10) == []
    make_due(conn)
    [second] = delivering.claim(conn, most=10)
    gone_well = {
        "state": "delivered", "delay_s": None, "throttle_s": None, "gone": False, "took_ms": 1, "request_head": "",
        "status": 200, "response_head": "", "response_body": "", "error": None,
    }  # fmt: skip

    assert delivering.record(conn, [delivering.Attempt(first.id, first.token, **gone_well)])[0] == set()  # type: ignore[arg-type]
    assert delivering.record(conn, [delivering.Attempt(second.id, second.token, **gone_well)])[0] == {second.id}  # type: ignore[arg-type]
    assert len(attempts(conn)) == 1


def test_a_new_secret_signs_beside_the_old_one_until_that_ends(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    old, new = new_secret(), new_secret()
    webhook_id = a_webhook(conn, sealing, listener.url, secret=old)
    store.rotate(conn, webhook_id, sealing.seal(new, of=store.owner_of_secret(webhook_id)), overlap_s=86_400)
    a_failed_job(conn, tenant="acme")
    settle(teller)
    both = listener.heard[-1]
    for secret in (old, new):
        Receiver(secret_text(secret)).verify(both.body, dict(both.headers))
    assert len(both.headers["webhook-signature"].split()) == 2

    conn.execute(text("UPDATE webhook_secrets SET ends_at = clock_timestamp() WHERE ends_at IS NOT NULL"))
    a_failed_job(conn, tenant="acme")
    settle(teller)
    assert len(listener.heard[-1].headers["webhook-signature"].split()) == 1
    Receiver(secret_text(new)).verify(listener.heard[-1].body, dict(listener.heard[-1].headers))


def test_without_its_key_a_secret_signs_nothing_and_the_delivery_waits(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener, tmp_path: Path
) -> None:
    a_webhook(conn, sealing, listener.url)
    file = tmp_path / "secrets.keys"
    kept = file.read_text()
    file.write_text(f"other {kept.split()[1]}\n")
    a_failed_job(conn, tenant="acme")
    settle(teller)
    [delivery] = deliveries(conn)
    assert (delivery.state, delivery.last_error, listener.heard) == ("waiting", "secret", [])

    file.write_text(kept)
    make_due(conn)
    settle(teller)
    assert [one.state for one in deliveries(conn)] == ["delivered"]


def test_a_callback_is_told_with_the_signature_of_the_webhook_of_its_origin(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    secret = new_secret()
    a_webhook(conn, sealing, f"{listener.url}/own", types=(), secret=secret)
    a_failed_job(conn, tenant="acme", options={"callbackUrl": f"{listener.url}/once?n=1"})
    a_failed_job(conn, tenant="acme", options={"callbackUrl": "https://elsewhere.example/"})
    settle(teller)

    [heard] = listener.heard
    assert heard.path == "/once?n=1"
    Receiver(secret_text(secret)).verify(heard.body, dict(heard.headers))


def test_each_is_told_under_conditions_of_its_own_and_figures_go_with_the_spreading(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener
) -> None:
    def asks(path: str, *when: Condition) -> None:
        webhook_id = a_webhook(conn, sealing, f"{listener.url}/{path}")
        asked = {"id": webhook_id, "when": json.dumps(when) if when else None}
        conn.execute(text("UPDATE webhooks SET notify_when = CAST(:when AS jsonb) WHERE id = :id"), asked)

    asks("all")
    asks("rows", "rows")
    asks("failure", "failure")
    asks("late", {"figure": "late", "above": 5})
    callback = {"callbackUrl": f"{listener.url}/callback", "notifyWhen": ["failure", {"figure": "late", "below": 3}]}

    def succeeds(rows: int, **figures: float) -> None:
        lease = started(conn, a_job(conn, tenant="acme", options=callback)).lease
        file = Artifact("a.csv", "csv", "text/csv", 1, "0" * 64, rows)
        succeed(conn, [Success(lease, [file], 0.5, figures=figures)])
        settle(teller)

    def heard() -> list[str]:
        found = sorted(one.path[1:] for one in listener.heard)
        listener.heard.clear()
        return found

    succeeds(0, late=2)
    assert heard() == ["all", "callback"]
    succeeds(3, late=6)
    assert heard() == ["all", "late", "rows"]
    a_failed_job(conn, tenant="acme", options=callback)
    settle(teller)
    assert heard() == ["all", "callback", "failure"]
    assert {(one.figures, one.spread_at is None) for one in events(conn)} == {(None, False)}
    assert not broken(conn, at_rest=False)


@pytest.mark.parametrize(
    ("breaks", "promise"),
    [
        ("DELETE FROM webhook_deliveries WHERE url IS NULL", "a webhook is owed what it wants, under its conditions"),
        ("DELETE FROM webhook_deliveries WHERE url IS NOT NULL", "a callback is told"),
        ("UPDATE webhook_deliveries SET url = url || '?' WHERE url IS NOT NULL", "a callback is told"),
        (
            "UPDATE webhooks SET notify_when = '[\"rows\"]'",
            "told nothing that its conditions keep from it",
        ),
        ("UPDATE webhook_events SET callback_when = '[\"rows\"]'", "a callback is told"),
    ],
)
def test_a_callback_that_the_same_webhook_signs_counts_for_itself(
    conn: Connection, teller: Webhooks, sealing: SecretKeys, listener: Listener, breaks: str, promise: str
) -> None:
    webhook_id = a_webhook(conn, sealing, f"{listener.url}/own")
    conn.execute(text("UPDATE webhooks SET notify_when = '[\"failure\"]' WHERE id = :id"), {"id": webhook_id})
    a_failed_job(conn, tenant="acme", options={"callbackUrl": f"{listener.url}/callback", "notifyWhen": ["failure"]})
    settle(teller)
    assert sorted(one.path for one in listener.heard) == ["/callback", "/own"]
    assert not broken(conn, at_rest=False)
    conn.execute(text(breaks))
    assert any(promise in one for one in broken(conn, at_rest=False))
