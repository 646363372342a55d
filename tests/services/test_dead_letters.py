"""A relay copies what lies in the dead-letter queue, and does what somebody wishes for it."""

import json
from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from deploy.local.emulator import REGION
from services.relay.dead_letters import DeadLetterLooks
from shared.database.engine import create_engine
from shared.outbox import dead_letters
from shared.outbox.dead_letters import Wish
from shared.queues.dead_letters import DeadLetters
from shared.queues.sqs import SqsQueue
from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.jobs import a_job, count
from tests.support.postgres.roles import service_urls
from tests.support.sqs.rules import Mailbox
from tests.support.sqs.server import Door


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    with Door() as opened:
        opened.queues.make("jobs", max_receive_count=3)
        for name, value in opened.environment().items():
            monkeypatch.setenv(name, value)
        yield opened


@pytest.fixture
def dead(door: Door) -> Mailbox:
    return door.queues.boxes["jobs-dlq"]


@pytest.fixture
def relays(database_url: str) -> Iterator[Engine]:
    """With the relay's own rights."""
    engine = create_engine(service_urls(database_url)["relay"], application_name="todoke-relay-dead-letters")
    yield engine
    engine.dispose()


@pytest.fixture
def look(door: Door, relays: Engine, conn: Connection) -> Callable[[], None]:
    """Let a relay look: another one each time, as if the last had died."""

    def once() -> None:
        conn.execute(text("UPDATE measurements SET next_at = clock_timestamp()"))
        url = door.queue_url("jobs")
        queue = SqsQueue(url, region=REGION, client="boto3")
        DeadLetterLooks(relays, queue, lambda: DeadLetters(url, region=REGION)).run_once()

    return once


def doorbell(job_id: UUID | None = None) -> str:
    return json.dumps({"jobId": str(job_id or uuid4())})


def because(reason: str) -> dict[str, dict[str, str]]:
    return {"todoke-reason": {"DataType": "String", "StringValue": reason}}


def facts(conn: Connection) -> dict[str, object]:
    found: dict[str, object] = conn.execute(
        text("SELECT facts FROM measurements WHERE subject = 'dead_letters'")
    ).scalar_one()
    return found


def test_what_is_there_is_copied_and_stays_there(look: Callable[[], None], conn: Connection, dead: Mailbox) -> None:
    job_id = a_job(conn, tenant="globex")
    ours = dead.send(doorbell(job_id), because("unknown"))
    theirs = dead.send("<script>" + "x" * 9_000, {})
    look()
    look()

    rows = {row.message_id: row for row in dead_letters.list_rows(conn, size=10)}
    assert set(rows) == {ours, theirs}
    assert (rows[ours].job_id, rows[ours].tenant, rows[ours].reason) == (job_id, "globex", "unknown")
    assert (rows[theirs].job_id, rows[theirs].tenant, rows[theirs].reason) == (None, None, "malformed")
    assert (len(rows[theirs].body), rows[theirs].size_bytes) == (4_096, 9_008)
    assert rows[ours].receives == 0, "our own looks do not count"
    assert len(dead.receive(10, wait_s=0)) == 2, "nothing stays hidden"
    assert facts(conn) == {"seen": 2, "all": True}


def test_a_wish_is_carried_out_in_the_queue_and_then_forgotten(
    look: Callable[[], None], conn: Connection, dead: Mailbox, door: Door
) -> None:
    again, drop, stay = (dead.send(doorbell(), {}) for _ in range(3))
    look()
    assert dead_letters.wish_for(conn, [again, "unknown"], Wish.REDRIVE, by="ann") == {again}
    assert dead_letters.wish_for(conn, [drop], Wish.DROP, by="ann") == {drop}
    assert dead_letters.wish_for(conn, [drop], Wish.REDRIVE, by="ben") == frozenset(), "it has one already"
    assert dead_letters.look_is_due(conn), "nobody waits a minute for it"
    look()

    assert [row.message_id for row in dead_letters.list_rows(conn, size=10)] == [stay]
    assert len(door.queues.boxes["jobs"].receive(10, wait_s=0)) == 1
    assert [message.message_id for message in dead.receive(10, wait_s=0)] == [stay]


def test_a_message_that_the_queue_holds_twice_under_one_id_is_one_copy(
    look: Callable[[], None], conn: Connection, dead: Mailbox, door: Door
) -> None:
    twice = dead.send(doorbell(), {}, copies=2)
    look()
    assert [row.message_id for row in dead_letters.list_rows(conn, size=10)] == [twice]
    dead_letters.wish_for(conn, [twice], Wish.REDRIVE, by="ann")
    look()

    assert len(door.queues.boxes["jobs"].receive(10, wait_s=0)) == 1
    assert count(conn, "dead_letters") == 0


@pytest.mark.parametrize("died", ["before the send", "between the send and the deletion", "before the row went"])
def test_a_relay_that_dies_over_a_wish_leaves_it_to_the_next(
    look: Callable[[], None], conn: Connection, dead: Mailbox, door: Door, died: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = dead.send(doorbell(), {})
    look()
    dead_letters.wish_for(conn, [again], Wish.REDRIVE, by=None)
    with monkeypatch.context() as broken:
        if died == "before the row went":
            broken.setattr(dead_letters, "done", _dies)
        else:
            method = "send_back" if died == "before the send" else "delete"
            broken.setattr(DeadLetters, method, _dies)
        with pytest.raises(RuntimeError):
            look()
    door.queues.pass_time(121)
    assert count(conn, "dead_letters") == 1

    look()
    conn.execute(text("UPDATE dead_letters SET seen_at = seen_at - interval '4 min'"))
    look()

    assert count(conn, "dead_letters") == 0
    assert dead.receive(10, wait_s=0) == []
    assert len(door.queues.boxes["jobs"].receive(10, wait_s=0)) == (2 if "between" in died else 1)


def _dies(*_: object, **__: object) -> None:
    raise RuntimeError("it dies here")


def test_what_somebody_else_has_taken_is_forgotten_and_what_is_hidden_is_not(
    look: Callable[[], None], conn: Connection, dead: Mailbox, door: Door
) -> None:
    dead.send(doorbell(), {})
    dead.send(doorbell(), {})
    look()
    hidden, _ = dead.receive(10, wait_s=0, visibility_s=120)
    dead.delete(_.receipt)
    look()
    assert count(conn, "dead_letters") == 2
    conn.execute(text("UPDATE dead_letters SET seen_at = seen_at - interval '170 s'"))
    door.queues.pass_time(121)
    look()
    conn.execute(text("UPDATE dead_letters SET seen_at = seen_at - interval '11 s' "
                      "WHERE seen_at < clock_timestamp() - interval '169 s'"))  # fmt: skip
    look()

    assert [row.message_id for row in dead_letters.list_rows(conn, size=10)] == [hidden.message_id]


def test_one_relay_looks_at_a_time(look: Callable[[], None], conn: Connection, relays: Engine) -> None:
    look()
    with relays.connect() as one:
        assert not dead_letters.look_is_due(one)
        assert not dead_letters.begin_look(one, pause_s=60)
        conn.execute(text("UPDATE measurements SET next_at = clock_timestamp()"))
        assert [dead_letters.begin_look(one, pause_s=60) for _ in range(2)] == [True, False]


def test_a_wish_that_comes_during_a_look_has_one_of_its_own(look: Callable[[], None], conn: Connection) -> None:
    look()
    assert not dead_letters.look_is_due(conn)
    conn.execute(text("UPDATE measurements SET next_at = clock_timestamp()"))

    dead_letters.end_look(conn, {"seen": 0}, pause_s=60)

    assert dead_letters.look_is_due(conn)


def test_a_queue_that_refuses_is_told_in_words(
    look: Callable[[], None], conn: Connection, dead: Mailbox, door: Door
) -> None:
    dead.send(doorbell(), {})
    look()
    door.faults = Plan({Hit("sqs ReceiveMessage", time): Fault.ERROR for time in range(1, 20)})
    look()

    assert facts(conn)["problem"]
    assert count(conn, "dead_letters") == 1, "what is known stays"
