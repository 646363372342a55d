"""`todoke-server dlq` and `outbox`, as operators use them."""

import json
import sys
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from services.cli.__main__ import main
from shared.outbox import messages, parked
from shared.outbox.messages import OutboxRow, Unsent
from tests.support.faults.plan import Fault, Hit, Plan
from tests.support.sqs.rules import Mailbox
from tests.support.sqs.server import Door

Shown = tuple[int, str, str]
Run = Callable[..., Shown]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command: exit code, stdout, stderr."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    def call(*arguments: str) -> Shown:
        code = main(arguments)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """SQS, with the queue of the environment."""
    with Door() as opened:
        opened.queues.make("jobs", max_receive_count=3)
        for name, value in opened.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SQS_QUEUE_URL", opened.queue_url("jobs"))
        monkeypatch.delenv("SQS_DLQ_URL", raising=False)
        yield opened


@pytest.fixture
def jobs(door: Door) -> Mailbox:
    return door.queues.boxes["jobs"]


@pytest.fixture
def dead(door: Door) -> Mailbox:
    return door.queues.boxes["jobs-dlq"]


def doorbell() -> str:
    return json.dumps({"jobId": str(uuid4())})


def because(reason: str) -> dict[str, dict[str, str]]:
    return {"todoke-reason": {"DataType": "String", "StringValue": reason}}


def test_dead_letters_are_shown_and_stay(run: Run, dead: Mailbox) -> None:
    body = doorbell()
    first = dead.send(body, because("unknown"))
    second = dead.send("\x9b2Jnonsense\n", {})

    code, out, err = run("dlq", "list")
    lines = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert [(line[0], *line[2:]) for line in lines] == [
        (first, "1", "unknown", json.loads(body)["jobId"], body),
        (second, "1", "malformed", "", r"\x9b2Jnonsense\n"),
    ]  # fmt: skip
    assert err.startswith("2 message(s) in http://")

    _, out, _ = run("dlq", "list", "-o", "json", "--most", "1")
    [document] = map(json.loads, out.splitlines())
    assert (document["id"], document["receives"], document["body"]) == (first, 2, body)
    assert document["headers"] == {"todoke-reason": "unknown"}


def test_a_redrive_is_told_first_and_then_done_with_what_a_worker_would_understand(
    run: Run, dead: Mailbox, jobs: Mailbox
) -> None:
    bodies = [doorbell(), doorbell()]
    for body in bodies:
        dead.send(body, because("unknown"))
    dead.send("nonsense", because("malformed"))

    code, out, err = run("dlq", "redrive", "--all")
    assert (code, len(out.splitlines())) == (0, 2)
    assert "nothing was changed: --yes would send back 2 message(s)" in err
    assert (len(dead.messages), jobs.messages) == (3, [])

    code, _, err = run("dlq", "redrive", "--all", "--yes")
    assert code == 0
    assert err == (
        "2 message(s) sent back\n1 message(s) that no worker would understand are left: see `dlq drop`\n"
    )  # fmt: skip
    assert sorted(m.body for m in jobs.messages) == sorted(bodies)
    assert [(m.body, m.attributes) for m in dead.messages] == [("nonsense", because("malformed"))]
    assert dead.counts().visible == 1, "it is not hidden"


def test_one_message_is_sent_back_or_deleted_by_its_id(run: Run, dead: Mailbox, jobs: Mailbox) -> None:
    ids = [dead.send(f"{n}", {}) for n in range(15)]

    assert run("dlq", "redrive", ids[13], "--yes")[0] == 0
    assert [m.body for m in jobs.messages] == ["13"]
    assert run("dlq", "drop", ids[2], ids[3], "--yes")[2] == "2 message(s) deleted\n"
    assert dead.counts().visible == 12
    code, _, err = run("dlq", "drop", ids[2], ids[4], "--yes")
    assert (code, f"not there, or hidden by somebody who looks at it now: {ids[2]}\n" in err) == (1, True)
    assert run("dlq", "drop", "--all", "--yes")[0] == 0
    assert dead.counts().visible == 0
    assert run("dlq", "list") == (0, "", run("dlq", "list")[2])


def test_what_the_queue_does_not_take_is_told(run: Run, door: Door, dead: Mailbox) -> None:
    dead.send(doorbell(), {})
    door.faults = Plan({Hit("sqs SendMessageBatch", n): Fault.THROTTLED for n in (1, 2)})

    code, _, err = run("dlq", "redrive", "--all", "--yes")
    assert (code, err) == (1, "0 message(s) sent back, 1 stayed: the queue did not take them\n")
    assert dead.counts().visible == 1


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["dlq", "redrive"], 2, "name message ids, or say --all"),
        (["dlq", "drop", "x", "--all"], 2, "name message ids, or say --all"),
        (["outbox", "drop", "--reason", "x"], 2, "name ids, or say --all"),
        (["outbox", "requeue", "1", "--all", "--reason", "x"], 2, "name ids, or say --all"),
    ],
)
def test_a_wrong_call_is_told(run: Run, door: Door, arguments: list[str], code: int, told: str) -> None:
    assert run(*arguments)[0] == code
    assert told in run(*arguments)[2]


def test_an_environment_without_a_queue_is_a_wrong_call(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SQS_QUEUE_URL", raising=False)
    code, _, err = run("dlq", "list")
    assert (code, err.startswith("todoke-server dlq: SQS_QUEUE_URL is not set")) == (2, True)


def test_a_queue_that_is_away_and_one_without_a_redrive_policy_are_told(
    run: Run, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQS_QUEUE_URL", door.queue_url("jobs-dlq"))
    code, _, err = run("dlq", "list")
    assert (code, "has no redrive policy" in err) == (1, True)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    code, _, err = run("dlq", "list")
    assert (code, "EndpointConnectionError" in err) == (1, True)


@pytest.fixture
def ids(conn: Connection) -> list[int]:
    """Three messages that the relay parked, and one that only waits."""
    rows = [OutboxRow(0, "jobs" if n else "mail", "acme", f'{{"n": {n}}}', None) for n in range(4)]
    messages.keep(conn, [Unsent(row, "AccessDenied: no", 60.0, parked=n < 3) for n, row in enumerate(rows)])
    return [row.id for row in parked.parked(conn)]


def rest(conn: Connection) -> list[tuple[int, bool, bool, str]]:
    """Id, parked, due, last error of all that is kept."""
    asked = "SELECT id, parked_at IS NOT NULL, due_at <= clock_timestamp(), last_error FROM outbox_retry ORDER BY id"
    return [tuple(row) for row in conn.execute(text(asked))]


def test_parked_messages_are_shown(run: Run, ids: list[int]) -> None:
    code, out, err = run("outbox", "parked")
    lines = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "3 message(s) are parked\n")
    assert [(int(line[0]), *line[2:]) for line in lines] == [
        (id_, "jobs" if n else "mail", "acme", "1", "AccessDenied: no", f'{{"n": {n}}}') for n, id_ in enumerate(ids)
    ]  # fmt: skip
    document = json.loads(run("outbox", "parked", "-o", "json", "--most", "1")[1])
    assert (document["id"], document["topic"], document["payload"]) == (ids[0], "mail", '{"n": 0}')


def test_parked_messages_are_told_first_and_then_sent_again_with_the_reason(
    run: Run, ids: list[int], conn: Connection
) -> None:
    before = rest(conn)
    code, out, err = run("outbox", "requeue", str(ids[1]), "--reason", "policy mended")
    assert (code, len(out.splitlines())) == (0, 1)
    assert err == "nothing was changed: --yes would send again 1 message(s)\n"
    assert rest(conn) == before

    assert run("outbox", "requeue", str(ids[1]), "--reason", "policy mended", "--yes")[0] == 0
    assert [row for row in rest(conn) if row not in before] == [
        (ids[1], False, True, "sent again: policy mended; before: AccessDenied: no")
    ]  # fmt: skip
    assert [row.payload for row in messages.claim_due(conn, limit=10)] == ['{"n": 1}']
    code, _, err = run("outbox", "requeue", str(ids[1]), str(ids[2]), "--reason", "x", "--yes")
    assert (code, err) == (1, f"not parked: {ids[1]}\n1 message(s) will be sent again\n")


def test_what_is_dropped_is_printed_whole(run: Run, ids: list[int], conn: Connection) -> None:
    code, out, err = run("outbox", "drop", "--all", "--reason", "written by hand", "--yes")
    dropped = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "3 message(s) deleted\n")
    assert [(row["id"], row["why"], row["payload"]) for row in dropped] == [
        (id_, "written by hand", f'{{"n": {n}}}') for n, id_ in enumerate(ids)
    ]  # fmt: skip
    assert [row[1] for row in rest(conn)] == [False], "what waits was not parked"
    asked = "SELECT tenant, action, object, before ->> 'topic', after ->> 'reason' FROM audit ORDER BY id"
    assert list(conn.execute(text(asked))) == [
        ("acme", "outbox.drop", f"outbox/{id_}", topic, "written by hand")
        for id_, topic in zip(ids, ("mail", "jobs", "jobs"), strict=True)
    ]  # fmt: skip


def test_nothing_is_dropped_that_stdout_did_not_take(
    run: Run, ids: list[int], conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def write(self, _: str) -> int:
            raise BrokenPipeError

        flush = isatty = lambda _: False

    before = rest(conn)
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr("services.cli.terminal.hang_up", lambda: 141)
    code = main(["outbox", "drop", "--all", "--reason", "x", "--yes"])
    monkeypatch.undo()
    assert code == 141
    assert rest(conn) == before
    assert conn.execute(text("SELECT count(*) FROM audit")).scalar_one() == 0


def test_two_operators_do_not_drop_the_same_message_twice(engine: Engine, ids: list[int], run: Run) -> None:
    with engine.connect() as other:
        assert parked.drop(other, ids) == set(ids)
        assert parked.drop(other, ids) == frozenset()
        assert parked.requeue(other, ids, reason="x") == frozenset()
    assert run("outbox", "drop", str(ids[0]), "--reason", "x", "--yes")[0] == 1


def test_a_message_without_a_tenant_can_be_dropped(run: Run, ids: list[int], conn: Connection) -> None:
    conn.execute(text("UPDATE outbox_retry SET group_key = 'no tenant'"))
    assert run("outbox", "drop", "--all", "--reason", "x", "--yes")[0] == 0
    assert set(conn.execute(text("SELECT tenant FROM audit")).scalars()) == {"default"}


def test_rows_are_a_table_on_a_terminal(run: Run, ids: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    lines = run("outbox", "parked")[1].splitlines()
    assert lines[0].split() == ["ID", "PARKED", "TOPIC", "TENANT", "ATTEMPTS", "ERROR", "PAYLOAD"]
    assert len({line.index("jobs") for line in lines[2:]}) == 1


@pytest.mark.parametrize("reason", ["", "  ", "a\nb", "x" * 201])
def test_a_reason_can_be_read(reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["outbox", "drop", "1", "--reason", reason])
    assert "must be up to 200 visible characters" in capsys.readouterr().err
