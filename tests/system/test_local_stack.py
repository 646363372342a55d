"""What `make run` stands on."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.local.postgres import EmbeddedPostgres
from deploy.local.processes import LocalFailure, free_port, require_free
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder() -> Path:
    """A folder that PostgreSQL's own account can reach."""
    import tempfile

    return Path(tempfile.mkdtemp(prefix="todoke-test-"))


def test_data_survives_a_stop_and_a_kill(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    with server:
        server.create_database("kept")
        with psycopg.connect(server.dsn("kept")) as conn:
            conn.execute("CREATE TABLE t AS SELECT 42 AS answer")
    server.start()
    server.kill()
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
    assert f"curl -X POST http://127.0.0.1:{port}/generate-report" in text
    family = descendants(process.pid)
    assert len(family) > 5
    os.kill(process.pid, number)

    process.wait(60)
    eventually(lambda: not any(_lives(p) for p in family), within_s=60, what=f"all of {family} end")


def _lives(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
