"""The basis of `make run`."""

import errno
import io
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import psutil
import psycopg
import pytest
import sqlalchemy
from rich.console import Console
from sqlalchemy.engine import Connection

from deploy.local import command, remedies
from deploy.local.choices import Choices, choose
from deploy.local.claim import Claim, told_of_the_last
from deploy.local.keeping import Keeper
from deploy.local.keys import open_door
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.processes import LocalFailure, free_port, require_free
from deploy.local.samples import progress_on
from deploy.local.stack import Stack
from tests.support.eventually import eventually
from tests.support.jobs import a_job, started
from tests.support.postgres import power
from todoke import Todoke, errors
from todoke.sizes import size

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own account can reach; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="todoke-test-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def test_data_survives_a_stop_and_a_kill(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    with server:
        server.create_database("kept")
        with psycopg.connect(server.dsn("kept")) as conn:
            conn.execute("CREATE TABLE t AS SELECT 42 AS answer")
    server.start()
    power.cut(server)
    with EmbeddedPostgres(folder) as again, psycopg.connect(again.dsn("kept")) as conn:
        assert conn.execute("SELECT answer FROM t").fetchone() == (42,)


def test_the_server_asks_for_its_password(folder: Path) -> None:
    with EmbeddedPostgres(folder) as server:
        assert (folder / "password").stat().st_mode & 0o077 == 0
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn(password="wrong"))


def test_a_used_port_is_explained() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(LocalFailure, match=rf"port {port} cannot be used .* ARGS=\"--port {port + 1}\""):
            require_free(port)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--data", "/dev/null/x"], "/dev/null/x cannot be used"), (["--port", "99999"], "--port is a number from 1")],
)
def test_what_make_run_cannot_use_is_told(arguments: list[str], told: str) -> None:
    command = [sys.executable, "-m", "deploy.local", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode != 0
    assert told in done.stderr.splitlines()[-1]


def test_an_interrupted_initdb_is_begun_anew(folder: Path) -> None:
    script = f"""
from pathlib import Path
from deploy.local.keeping import Keeper
from deploy.local.postgres import EmbeddedPostgres
EmbeddedPostgres(Path({str(folder)!r})).start()
"""
    starting = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, start_new_session=True)
    eventually(lambda: [*folder.glob("data-*/PG_VERSION"), *folder.glob("data/PG_VERSION")], what="initdb writes")
    starting.kill()
    starting.wait(30)

    with EmbeddedPostgres(folder) as server, psycopg.connect(server.dsn()) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    assert list(folder.glob("data-*")) == []


def test_a_folder_that_an_earlier_version_left_half_made_is_made_anew(folder: Path) -> None:
    (folder / "data" / "global").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(folder) as server:
        psycopg.connect(server.dsn()).close()


def test_the_port_stays_while_it_is_free_and_else_is_another(folder: Path) -> None:
    with EmbeddedPostgres(folder) as first:
        pass
    with EmbeddedPostgres(folder) as second:
        assert second.port == first.port
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", first.port))
        other.listen()
        with EmbeddedPostgres(folder) as third:
            assert third.port != first.port


@pytest.mark.parametrize("written", ["", "0", "x", "99999"])
def test_a_torn_port_file_harms_nothing(folder: Path, written: str) -> None:
    (folder / "port").write_text(written)
    assert 1024 < EmbeddedPostgres(folder)._port() < 32768


@pytest.mark.parametrize("written", [None, ""])
def test_a_readers_password_is_never_empty(folder: Path, written: str | None) -> None:
    if written is not None:
        (folder / "reader-password").write_text(written)  # a start that ended between making and writing it
    stack = Stack(folder, api_port=1, choices=Choices(), say=lambda _: None)

    assert len(stack._reader_password()) > 20
    assert stack._reader_password() == stack._reader_password()
    assert (folder / "reader-password").stat().st_mode & 0o077 == 0


def test_unfinished_jobs_of_the_last_run_are_told(folder: Path, database_url: str, conn: Connection) -> None:
    said: list[str] = []
    stack = Stack(folder, api_port=1, choices=Choices(), say=said.append)
    stack._postgres.dsn = lambda *_, **__: database_url  # type: ignore[method-assign]
    stack._tell_unfinished()
    assert said == []

    started(conn, a_job(conn))
    a_job(conn)
    stack._tell_unfinished()

    assert said[0] == "2 unfinished jobs of the last run go on first"
    assert "1 of them when the lease of the worker that was killed has run out" in said[1]


def test_a_folder_that_is_in_use_is_told_with_where_it_runs(folder: Path) -> None:
    first = Claim(folder)
    assert first.before == {}
    with pytest.raises(LocalFailure, match=r"another `make run` uses .*\. Stop it with Ctrl-C"):
        Claim(folder)  # before it has said where it runs
    first.write("http://127.0.0.1:8000")

    with pytest.raises(LocalFailure, match=rf"it serves http://127.0.0.1:8000, as process {os.getpid()} since 2"):
        Claim(folder)
    stack = Stack(folder, api_port=1, choices=Choices(), say=lambda _: None)
    with pytest.raises(LocalFailure, match=r"it serves http://127\.0\.0\.1:8000"):
        stack.__enter__()
    first.release()
    Claim(folder).release()


def test_how_the_last_start_ended_is_told(folder: Path) -> None:
    first = Claim(folder)
    first.write("http://127.0.0.1:8000")
    first._file.close()  # killed
    second = Claim(folder)
    assert "and not stopped in order; nothing that was accepted is lost" in told_of_the_last(second.before)
    second.write("http://127.0.0.1:8001")
    second.release()
    second.release()
    third = Claim(folder)
    assert told_of_the_last(third.before).startswith("it was stopped at 2")
    third.release()
    (folder / "lock").write_text('{"pid": 1, "ur')  # cut short by a crash
    assert told_of_the_last(Claim(folder).before) == "nothing tells how it ended"


def test_what_an_earlier_start_left_is_told(folder: Path) -> None:
    said: list[str] = []
    (folder / "artifacts" / "reports" / "a").mkdir(parents=True)
    (folder / "artifacts" / "reports" / "a" / "x.csv").write_text("x")
    stack = Stack(folder, api_port=1, choices=Choices(), say=said.append)
    claim = Claim(folder)
    stack._tell_of_the_last(claim)
    claim.release()

    assert said == [f"{folder} has the data of an earlier start, with 1 finished file: nothing tells how it ended"]


class Dying:
    """Services that live for as long as the test says, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.said: list[str] = []
        self.started: list[Any] = []
        self.works = False
        self.keeper = Keeper(
            self._start, lambda _: self.works, say=self.said.append, logs=folder, clock=lambda: self.now
        )
        self.keeper.start("worker")

    def _start(self, _: str) -> Any:
        self.started.append(process := SimpleNamespace(returncode=None))
        process.poll = lambda: process.returncode
        return process

    def die(self, code: int) -> None:
        self.started[-1].returncode = code
        self.keeper.tend()


def test_a_service_that_dies_is_started_again_later_and_later_and_then_given_up(folder: Path) -> None:
    (folder / "worker.log").write_text("no such queue\n")
    dying = Dying(folder)
    for starts, pause_s in enumerate((1, 2, 5, 10, 30), 1):
        dying.die(-9)
        assert dying.said[-1].startswith(f"worker was killed by SIGKILL: started again in {pause_s} s; its log is ")
        dying.now += pause_s - 0.1
        dying.keeper.tend()
        assert len(dying.started) == starts
        dying.now += 0.2
        dying.keeper.tend()
        assert len(dying.started) == starts + 1
    with pytest.raises(LocalFailure, match=r"worker ended with exit code 1, 6 times in a row\. [\s\S]*no such queue"):
        dying.die(1)


def test_a_service_that_lived_long_has_recovered(folder: Path) -> None:
    dying = Dying(folder)
    for _ in range(10):
        dying.now += 301
        dying.die(1)
        dying.now += 1
        dying.keeper.tend()
    assert all("in 1 s" in line for line in dying.said)
    dying.keeper.tend()
    assert "works again" not in dying.said[-1]
    dying.works = True
    dying.keeper.tend()
    dying.keeper.tend()
    assert dying.said.count("worker works again") == 1


@pytest.mark.parametrize("part", ["_postgres", "_emulator"])
def test_what_everything_stands_on_is_not_started_again(folder: Path, part: str) -> None:
    stack = Stack(folder, api_port=1, choices=Choices(), say=lambda _: None)
    stack.tend()
    getattr(stack, part)._process = SimpleNamespace(poll=lambda: 1)

    with pytest.raises(LocalFailure, match="has ended, and nothing works without it"):
        stack.tend()


SLOW = {
    "report.toml": 'title = "Slow"\nformats = ["csv"]\n\n[parameters.seconds]\ntype = "integer"\nrequired = true\n',
    "query.sql": "SELECT pg_sleep(:seconds)::text AS slept\n",
}
QUICK = {"report.toml": 'title = "Quick"\nformats = ["csv", "xlsx"]\n', "query.sql": "SELECT 1 AS one\n"}


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog of the user's own."""
    for name, files in {"slow": SLOW, "quick": QUICK}.items():
        (tmp_path / "my-catalog" / name).mkdir(parents=True)
        for file, text in files.items():
            (tmp_path / "my-catalog" / name / file).write_text(text)
    return tmp_path / "my-catalog"


@pytest.mark.timeout(600)
def test_ctrl_c_gives_a_running_report_of_the_users_own_back_uncharged(
    folder: Path, catalog: Path, database_url: str
) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ["--port", str(port), "--data", str(folder), "--catalog", str(catalog), "--source", database_url]
    arguments.append("--keys")
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    shown = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, process.stdout))
    with pytest.raises(LocalFailure, match=f"it serves {url}, as process {process.pid}"):
        Claim(folder)
    examine = f'. {folder}/env && exec "$0" -m services.cli doctor -o json'
    found = subprocess.run(["sh", "-c", examine, sys.executable], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr
    [worker] = [p for p in descendants(process.pid) if p.cmdline()[-1] == "services.worker"]
    worker.kill()
    with Todoke(url) as nobody, pytest.raises(errors.Unauthorized):
        nobody.me()
    [key] = [line.partition("=")[2].strip() for line in shown if "export TODOKE_API_KEY=" in line]
    [link] = [line.strip() for line in shown if "#code=" in line]
    assert link.startswith(f"{url}/console/sign-in#code=")
    code = link.partition("#code=")[2]
    assert [post_form(f"{url}/console/sign-in", key=code) for _ in range(2)] == [303, 401]
    todoke = Todoke(url, key)
    job = todoke.jobs.create("slow", {"seconds": 300}).id
    eventually(lambda: todoke.jobs.get(job).status == "PROCESSING", what="it runs")

    process.send_signal(signal.SIGINT)

    assert process.wait(120) == 0
    said = process.stderr.read()
    assert "had to be killed" not in said
    assert "worker was killed by SIGKILL: started again in 1 s" in said
    assert "stoppedAt" in (folder / "lock").read_text()
    assert "slow: not asked for, it needs seconds" in said
    assert "loading the sample data" not in said, "nobody reads it"
    assert any(line.strip() == f"{folder}/latest/quick/" for line in shown)
    assert (folder / "latest" / "quick" / "quick.csv").read_text().split() == ["one", "1"]
    with EmbeddedPostgres(folder / "postgres") as server, psycopg.connect(server.dsn("todoke")) as conn:
        assert conn.execute("SELECT status, attempt, crashes FROM jobs WHERE id = %s", [job]).fetchone() == (
            "PENDING", 0, 0,
        )  # fmt: skip
        assert server.dsn("todoke") in (folder / "env").read_text(), "the address that was told is still right"
        again = open_door(server.dsn("todoke"), url)
        assert again.key is None, "the first start has printed it"
        assert again.link.startswith(f"{url}/console/sign-in#code=")
        assert again.link != link
    logs = "".join(log.read_text() for log in (folder / "logs").iterdir())
    assert key not in logs
    assert code not in logs
    assert (folder / "env").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--source", "postgresql://h/d"], "--source goes with --catalog"),
        (["--catalog", "/nope"], "/nope: is not a folder"),
        (["--catalog", "CATALOG", "--source", "postgresql://u:hunter2@127.0.0.1:1/d"], "--source cannot be read: "),
        (["--catalog", "CATALOG", "--source", "orders"], "--source must be an address such as postgresql://"),
        (["--catalog", "CATALOG", "--source", "postgresql://a/b?sslmode=x", "--source", "file:///b"], "given twice"),
        (["--catalog", "CATALOG", "--source", "Orders=file:///x"], "--source: write name=URL"),
    ],
)
def test_a_catalog_or_source_that_cannot_be_is_told_before_anything_starts(
    folder: Path, catalog: Path, arguments: list[str], told: str
) -> None:
    given = [str(catalog) if one == "CATALOG" else one for one in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "deploy.local", "--data", str(folder / "data"), *given], cwd=ROOT, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert told in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "data").exists()


def test_sources_by_name_stand_beside_the_one_without(catalog: Path) -> None:
    chosen = choose(catalog, ["files=file:///data", "old=s3://bucket/x"])

    assert chosen.environment() == {
        "CATALOG_PATH": str(catalog), "REPORT_SOURCES": "files=file:///data old=s3://bucket/x"
    }  # fmt: skip


FULL = "could not extend file: No space left on device"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (psycopg.errors.DiskFull(f"{FULL}\nCONTEXT:  COPY flights, line 3"), FULL),
        (sqlalchemy.exc.OperationalError("INSERT", {}, psycopg.errors.DiskFull(FULL)), FULL),
        (OSError(errno.ENOSPC, "No space left on device", "logs/api.log"), "No space left on device: 'logs/api.log'"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (LocalFailure(f"PostgreSQL ended with exit code 1. The end of x:\n  PANIC: {FULL}"), "The end of x:"),
    ],
)
def test_a_full_disk_is_told_with_the_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, told: str
) -> None:
    def fails(*_: object) -> int:
        raise error

    monkeypatch.setattr(command, "_run", fails)
    monkeypatch.setattr(command, "_stop_event", threading.Event)

    assert command.main(["--data", str(folder)]) == 1
    message = capsys.readouterr().err
    assert told in message
    assert f"The disk of {folder} is full" in message
    assert 'make run ARGS="--data /another/folder"' in message
    assert "CONTEXT" not in message


def test_what_is_not_the_disk_has_no_such_remedy(folder: Path) -> None:
    assert remedies.remedy(LocalFailure("no"), folder) == "no"
    assert remedies.remedy(psycopg.OperationalError("gone\nmore"), folder) == "gone"
    assert (
        remedies.remedy(OSError(errno.EACCES, "Permission denied", "x"), folder) == "[Errno 13] Permission denied: 'x'"
    )


def test_a_first_start_asks_for_room_before_it_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies, "free_mb", lambda _: 120)
    stack = Stack(folder, api_port=free_port(), choices=Choices(), say=lambda _: None)

    with pytest.raises(LocalFailure, match=r"has room for 120 MB, and a first start needs 300: .* ARGS=\"--data"):
        stack.__enter__()
    assert not (folder / "postgres").exists()


def test_progress_keeps_names_and_states_in_80_columns() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    progress = progress_on(console)
    for name, detail in [("airport-traffic", "7 files, 343 kB"), ("a-report-with-a-long-name", "extracting " * 20)]:
        progress.add_task("", total=None, report=name, status="PROCESSING", detail=detail)
    with console.capture() as capture:
        console.print(progress.get_renderable())

    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert all("PROCESSING" in line for line in lines)
    assert "airport-traffic" in lines[0]
    assert "7 files, 343 kB" in lines[0]
    assert all(len(line) <= 80 for line in lines)
    assert len(lines) == 2


@pytest.mark.parametrize(("count", "shown"), [(0, "0 B"), (999, "999 B"), (12_345, "12 kB"), (44_600_000, "44.6 MB")])
def test_sizes_are_those_a_person_reads(count: int, shown: str) -> None:
    assert size(count) == shown


def test_interrupting_the_imports_prints_no_traceback() -> None:
    script = (
        "import os, signal, sys, importlib.abc\n"
        "class Interrupt(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'deploy.local.command': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "import runpy; runpy.run_module('deploy.local', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def post_form(url: str, **fields: str) -> int:
    """Send a form as a browser does. Returns the status."""
    return httpx2.post(url, data=fields, timeout=60).status_code


def descendants(pid: int) -> list[psutil.Process]:
    return list(psutil.Process(pid).children(recursive=True))


@pytest.mark.timeout(600)
def test_make_run_once_makes_the_sample_reports_again_and_again_and_leaves_no_process(folder: Path) -> None:
    command = [sys.executable, "-m", "deploy.local", "--once", "--json", "--data", str(folder / "data")]
    for _ in range(2):
        done = subprocess.run(
            [*command, "--port", str(free_port())], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        document = json.loads(done.stdout)
        assert {job["status"] for job in document["jobs"]} == {"SUCCESS"}
        rows = {a["name"]: a["rows"] for job in document["jobs"] for a in job["artifacts"]}
        assert rows["flights-export.csv"] == 336_776
        assert all(Path(a["path"]).exists() for job in document["jobs"] for a in job["artifacts"])
    assert [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])] == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_whatever_ends_make_run_ends_everything(folder: Path, number: signal.Signals) -> None:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "--port", str(port), "--data", str(folder / "data")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if "Ctrl-C" in line:
            break
    assert f"  export TODOKE_URL=http://127.0.0.1:{port}\n  .venv/bin/todoke types\n  .venv/bin/todoke submit " in text
    family = descendants(process.pid)
    assert len(family) > 5
    os.kill(process.pid, number)

    process.wait(60)
    eventually(lambda: not any(_lives(p) for p in family), within_s=60, what=f"all of {family} end")


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
