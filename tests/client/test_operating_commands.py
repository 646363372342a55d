"""`todoke admin overview`, `dead-letters` and `parked`: they list first, and never act without an answer."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.access import api_keys
from shared.access.scopes import Scope
from shared.jobs import measurements
from shared.jobs.workers import Presence, beat
from shared.outbox.dead_letters import list_rows
from tests.client.command import Ran
from tests.support.api_server import ApiServer, serving
from tests.support.put_aside import some_dead, some_parked
from todoke import Todoke
from todoke.cli import commands_operating
from todoke.cli.app import run

Command = Callable[..., Ran]
NOBODYS = "5fea7756-0ea4-451a-a703-a558b933e274"


@pytest.fixture
def server(database_url: str, scratch: Path) -> Iterator[ApiServer]:
    with serving(database_url, scratch, API_AUTH="keys") as server:
        yield server


@pytest.fixture
def todoke(
    server: ApiServer,
    conn: Connection,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Command:
    scopes = frozenset({Scope.ADMIN_READ, Scope.ADMIN_WRITE})
    monkeypatch.setenv("TODOKE_API_KEY", api_keys.create_key(conn, tenant="ops", name="ann", scopes=scopes))
    monkeypatch.setenv("TODOKE_URL", server.url)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*arguments: str, stdin: str = "", tty: bool = False) -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        monkeypatch.setattr(commands_operating, "is_terminal", lambda _: tty)
        code = run(("admin", *arguments))
        return Ran(code, *capsys.readouterr())

    return call


def wishes(conn: Connection) -> dict[str, str | None]:
    return {row.message_id: row.wish for row in list_rows(conn, size=10, after=0)}


def test_dead_letters_are_looked_at_and_then_sent_again(todoke: Command, conn: Connection) -> None:
    some_dead(conn, "a", "b")
    assert todoke("dead-letters", "list", "-o", "id").out == "a\nb\n"
    assert todoke("dead-letters", "list", "--limit", "1", "-o", "id").out == "a\n"

    looked = todoke("dead-letters", "redrive", "--all", "--reason", "mended", "--dry-run", "-o", "id")
    assert (looked.code, looked.out, looked.err) == (0, "a\nb\n", "2 dead letters would be affected\n")
    assert set(wishes(conn).values()) == {None}, "nothing is done"

    done = todoke("dead-letters", "redrive", "a", NOBODYS, "--reason", "mended", "--yes", "-o", "json")
    assert (done.code, json.loads(done.out)["ids"], json.loads(done.out)["missing"]) == (5, ["a"], [NOBODYS])
    assert NOBODYS in done.err
    assert wishes(conn) == {"a": "redrive", "b": None}
    dropped = todoke("dead-letters", "drop", "b", "--reason", "not ours", "--yes")
    assert (dropped.code, wishes(conn)["b"]) == (0, "drop")
    assert conn.execute(text("SELECT count(*) FROM audit WHERE action LIKE 'dead%'")).scalar() == 2


def test_whoever_is_there_is_asked_about_exactly_these(todoke: Command, conn: Connection) -> None:
    some_dead(conn, "a")
    no = todoke("dead-letters", "drop", "--all", "--reason", "x", stdin="n\n", tty=True)
    assert no.code != 0
    assert "Delete 1 dead letter?" in no.err
    assert wishes(conn) == {"a": None}

    assert todoke("dead-letters", "drop", "--all", "--reason", "x", stdin="y\n", tty=True).code == 0
    assert wishes(conn) == {"a": "drop"}


def test_parked_messages_are_sent_again_or_deleted(todoke: Command, conn: Connection) -> None:
    first, second = (str(one) for one in some_parked(conn, "acme", "other"))
    assert todoke("parked", "list", "-o", "id").out == f"{first}\n{second}\n"
    parked = json.loads(todoke("parked", "list", "-o", "json").out)["messages"]
    assert [one["tenant"] for one in parked] == ["acme", "other"]

    assert todoke("parked", "drop", first, "--reason", "nobody reads it", "--yes").code == 0
    assert todoke("parked", "list", "-o", "id").out == f"{second}\n"
    again = todoke("parked", "requeue", "--all", "--reason", "there is a queue", "--yes", "-o", "id")
    assert (again.code, again.out) == (0, f"{second}\n")
    assert todoke("parked", "list", "-o", "id").out == ""
    assert conn.execute(text("SELECT count(*) FROM audit WHERE action LIKE 'outbox%'")).scalar() == 2
    nothing = todoke("parked", "drop", "--all", "--reason", "x", "--yes", "-o", "json")
    assert (nothing.code, json.loads(nothing.out)["ids"]) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("dead-letters", "drop", "a", "--reason", "x"), "--yes"),
        (("dead-letters", "drop", "a", "--all", "--reason", "x", "--yes"), "--all"),
        (("dead-letters", "redrive", "--reason", "x", "--yes"), "--all"),
        (("parked", "requeue", "--all", "--reason", "x"), "--yes"),
        (("parked", "drop", "7", "--yes"), "--reason"),
        (("overview", "--period", "2h"), "1h, 24h, 7d"),
    ],
)
def test_a_call_that_is_not_clear_changes_nothing(
    todoke: Command, conn: Connection, arguments: tuple[str, ...], told: str
) -> None:
    some_dead(conn, "a")
    some_parked(conn, "acme")
    refused = todoke(*arguments)

    assert (refused.code, told in refused.err) == (2, True), refused
    assert wishes(conn) == {"a": None}
    assert todoke("parked", "list", "-o", "id").out.count("\n") == 1


def test_a_key_without_the_scope_is_refused(todoke: Command, conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    some_dead(conn, "a")
    scopes = frozenset({Scope.ADMIN_READ})
    monkeypatch.setenv("TODOKE_API_KEY", api_keys.create_key(conn, tenant="ops", name="bob", scopes=scopes))

    assert todoke("dead-letters", "list", "-o", "id").out == "a\n"
    refused = todoke("dead-letters", "drop", "a", "--reason", "x", "--yes")
    assert (refused.code, "admin:write" in refused.err) == (4, True)
    assert wishes(conn) == {"a": None}


def test_the_overview_says_what_needs_attention(todoke: Command, conn: Connection) -> None:
    some_parked(conn, "acme")
    shown = todoke("overview", "-o", "json")
    assert (shown.code, json.loads(shown.out)["period"]) == (0, "1h")
    assert "workers: 0" in shown.err
    assert "in 1h: 0 SUCCESS, 0 FAILED, 0 CANCELLED" in shown.err
    codes = [one["code"] for one in json.loads(shown.out)["conditions"]]
    assert todoke("overview", "--period", "24h", "-o", "id").out.splitlines() == codes
    assert codes


def test_queues_and_workers_are_told_as_they_were_heard_of_last(todoke: Command, conn: Connection) -> None:
    assert todoke("queues").err == "no relay has reported measurements yet\n"
    measurements.write(conn, measurements.Subject.QUEUE, {"visible": 3, "inFlight": 1})
    assert todoke("queues").out.split("\t")[0::3] == ["queue", "visible=3,inFlight=1\n"]
    assert json.loads(todoke("queues", "-o", "json").out)[0]["facts"]["visible"] == 3

    for worker in (Presence("w1", "c", ["a", "b"], 8, 0), Presence("w2", "c", ["a"], 8, 2, sick="scratch: full")):
        beat(conn, worker, new=True)
    assert [line.split("\t")[:5] for line in todoke("workers").out.splitlines()] == [
        ["w2", "sick: scratch: full", "2", "8", "1"], ["w1", "works", "0", "8", "2"],
    ]  # fmt: skip
    assert todoke("workers", "-o", "id").out == "w2\nw1\n"


def test_an_id_that_is_no_list_is_not_taken_for_letters(server: ApiServer) -> None:
    with Todoke(server.url) as client, pytest.raises(ValueError, match="'abc' is neither a list of ids nor 'all'"):
        client.admin.drop_dead_letters("abc", reason="x")
