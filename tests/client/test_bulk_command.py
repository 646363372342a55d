"""`todoke bulk`: counts first, asks with numbers, and never acts without an answer."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Connection, Engine

from services.relay.bulk import BulkActions
from tests.client.command import Ran
from tests.support.api_server import ApiServer, serving
from tests.support.jobs import a_job, count, row
from todoke.cli import commands_bulk
from todoke.cli.app import run

Command = Callable[..., Ran]


@pytest.fixture
def server(database_url: str, scratch: Path) -> Iterator[ApiServer]:
    with serving(database_url, scratch) as server:
        yield server


@pytest.fixture
def todoke(
    server: ApiServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    monkeypatch.setenv("TODOKE_URL", server.url)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def call(*arguments: str, stdin: str = "", tty: bool = False) -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        monkeypatch.setattr(commands_bulk, "is_terminal", lambda _: tty)
        code = run(arguments)
        return Ran(code, *capsys.readouterr())

    return call


def test_jobs_of_a_filter_are_counted_and_then_cancelled(
    todoke: Command, conn: Connection, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [a_job(conn, tenant="default") for _ in range(3)]
    counted = todoke("bulk", "cancel", "--type", "calendar", "--dry-run", "-o", "id")
    assert (counted.code, counted.err) == (0, "3 jobs (3 PENDING): 3 would be cancelled\n")
    assert {row(conn, job_id).status for job_id in jobs} == {"PENDING"}

    relay = BulkActions(engine, pause_s=0)
    monkeypatch.setattr("todoke.cli.commands_bulk.time.sleep", lambda _: relay.run_once())
    ran = todoke("bulk", "run", counted.out.strip(), "--wait", "-o", "json", "--fields", "status,outcomes.cancelled")

    assert (ran.code, '"DONE"' in ran.out, '"outcomes.cancelled": 3' in ran.out) == (0, True, True), ran
    assert {row(conn, job_id).status for job_id in jobs} == {"CANCELLED"}
    assert counted.out.strip() in todoke("bulk", "list", "-o", "id").out
    assert todoke("bulk", "results", counted.out.strip(), "--outcome", "cancelled", "-o", "id").out.count("\n") == 3
    assert todoke("jobs", "--bulk", counted.out.strip(), "-o", "id").out.count("\n") == 3


def test_where_nobody_can_be_asked_nothing_is_sent(todoke: Command, conn: Connection) -> None:
    ran = todoke("bulk", "delete", "--until", "30d")
    assert (ran.code, "--yes" in ran.err, count(conn, "bulk_actions")) == (2, True, 0)


@pytest.mark.parametrize(("said", "code", "state"), [("y\n", 0, "RUNNING"), ("n\n", 130, "DRY_RUN")])
def test_a_person_is_asked_with_the_number(todoke: Command, conn: Connection, said: str, code: int, state: str) -> None:
    a_job(conn, tenant="default")
    ran = todoke("bulk", "cancel", stdin=said, tty=True)
    assert (ran.code, "Cancel 1 job?" in ran.err) == (code, True), ran
    assert conn.exec_driver_sql("SELECT state FROM bulk_actions").scalar_one() == state


@pytest.mark.parametrize(("said", "code"), [("2\n", 0), ("y\n", 2)])
def test_of_many_the_number_is_typed(
    todoke: Command, conn: Connection, monkeypatch: pytest.MonkeyPatch, said: str, code: int
) -> None:
    monkeypatch.setattr(commands_bulk, "_TYPED_ABOVE", 1)
    for _ in range(2):
        a_job(conn, tenant="default")
    ran = todoke("bulk", "cancel", stdin=said, tty=True)
    assert (ran.code, "Type 2 to cancel them" in ran.err) == (code, True), ran


def test_what_was_refused_is_the_exit_code_after_waiting(
    todoke: Command, conn: Connection, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_job(conn, tenant="default")
    relay = BulkActions(engine, pause_s=0)
    monkeypatch.setattr("todoke.cli.commands_bulk.time.sleep", lambda _: relay.run_once())
    ran = todoke("bulk", "retry", "--status", "PENDING", "--yes", "--wait")
    assert (ran.code, "1 refused; list them" in ran.err) == (6, True), ran


def test_ctrl_c_leaves_an_action_that_goes_on_and_says_how_to_come_back(
    todoke: Command, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(_: float) -> None:
        raise KeyboardInterrupt

    a_job(conn, tenant="default")
    monkeypatch.setattr("todoke.cli.commands_bulk.time.sleep", press)
    ran = todoke("bulk", "cancel", "--yes", "--wait")
    assert (ran.code, ran.out) == (130, "")
    bulk_id = todoke("bulk", "list", "-o", "id").out.strip()
    assert (
        ran.err.splitlines()[-1]
        == f"Stopped waiting; the action continues. To wait again: todoke bulk run {bulk_id} --wait"
    )


def test_an_action_is_stopped(todoke: Command, conn: Connection) -> None:
    a_job(conn, tenant="default")
    started = todoke("bulk", "cancel", "--yes", "-o", "id").out.strip()
    assert "STOPPED" in todoke("bulk", "stop", started).out
    assert "STOPPED" in todoke("bulk", "get", started).out
    assert todoke("bulk", "stop", "nothing").code == 5
    assert "no job matches" in todoke("bulk", "delete", "--yes").err
