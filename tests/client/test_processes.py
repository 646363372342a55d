"""The command line as processes: on a terminal, in a pipe, interrupted, and while its server dies and comes back."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.client.fake_api import World, serving
from tests.support.eventually import eventually
from tests.support.installed import ROOT, run_with

_LIMIT_S = 60
_FROM = ("-p", "from=2026-01-31")


def environment(url: str, tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "client"), "HOME": str(tmp_path), "TODOKE_URL": url,
        "TERM": "xterm", "COLUMNS": "100", **more,
    }  # fmt: skip


def start(url: str, tmp_path: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "todoke.cli", *arguments], env=environment(url, tmp_path, **more), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, url: str, tmp_path: Path, *arguments: str, **more: str) -> None:
        self._master, slave = pty.openpty()
        self.resize(100)

        def own() -> None:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [sys.executable, "-m", "todoke.cli", *arguments], env=environment(url, tmp_path, **more), stdin=slave,
            stdout=slave, stderr=slave, preexec_fn=own,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def resize(self, columns: int) -> None:
        """As a person drags the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def until(self, pattern: str) -> None:
        """Read until this is shown."""
        eventually(lambda: re.search(pattern, self._read()), within_s=_LIMIT_S, what=f"shows {pattern}")

    def end(self) -> int:
        """Read all, and return the exit code."""
        eventually(lambda: (self._read(), self.process.poll() is not None)[1], within_s=_LIMIT_S, what="it ends")
        self._read()
        os.close(self._master)
        return self.process.wait(_LIMIT_S)

    def _read(self) -> str:
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [], 0.02)[0]:
                piece = os.read(self._master, 65_536)
                if not piece:
                    break
                self.shown += piece.decode(errors="replace")
        return self.shown


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with serving(world) as url:
        yield url


MOVES = re.compile(r"\x1b\[[0-9;?]*[A-HJKSTfhlsu]")
COLOURS = re.compile(r"\x1b\[(?:3|4|9|10)[0-9](?:;[0-9;]*)?m|\x1b\[[0-9;]*;3[0-9]m")


def test_a_terminal_sees_a_bar_that_moves_and_ctrl_c_leaves_a_job_that_goes_on(
    world: World, url: str, tmp_path: Path
) -> None:
    world.ends = ["PROCESSING"]
    terminal = Terminal(url, tmp_path, "submit", "calendar", *_FROM, "--wait")
    terminal.until("reading 5 of 10 rows")
    assert MOVES.search(terminal.shown)
    terminal.resize(40)
    terminal.process.send_signal(signal.SIGWINCH)
    terminal.type(b"\x03")

    assert terminal.end() == 130
    [job_id] = world.jobs
    assert f"left: the job goes on. To wait again: todoke watch {job_id}" in " ".join(terminal.shown.split())
    assert "Traceback" not in terminal.shown
    assert [path for path in world.posts() if "cancel" in path] == []
    world.ends = ["SUCCESS"]
    again = start(url, tmp_path, "watch", job_id)
    assert again.wait(_LIMIT_S) == 0


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours_gets_none(
    name: str, value: str, world: World, url: str, tmp_path: Path
) -> None:
    terminal = Terminal(url, tmp_path, "submit", "calendar", *_FROM, "--wait", **{name: value})

    assert terminal.end() == 0
    assert "SUCCESS" in terminal.shown
    assert COLOURS.search(terminal.shown) is None
    assert (MOVES.search(terminal.shown) is None) == (name == "TERM")


def test_off_a_terminal_nothing_moves(world: World, url: str, tmp_path: Path) -> None:
    process = start(url, tmp_path, "submit", "calendar", *_FROM, "--wait", "-o", "id")
    out, err = process.communicate(timeout=_LIMIT_S)

    assert process.returncode == 0
    assert out == f"{next(iter(world.jobs))}\n"
    assert "\x1b" not in err
    assert [line.split("  ")[2] for line in err.splitlines()[1:]] == ["PENDING", "PROCESSING", "SUCCESS"]


@pytest.mark.parametrize("arguments", [("jobs", "--all"), ("download",), ("--help",)])
def test_a_reader_that_leaves_is_no_error(arguments: tuple[str, ...], world: World, url: str, tmp_path: Path) -> None:
    world.content = b"x" * 5_000_000
    world.ends = ["SUCCESS"]
    ids = [world.new()["jobId"] for _ in range(3_000)]
    if arguments == ("download",):
        arguments = ("download", ids[0], "--file", "-")
    process = start(url, tmp_path, *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    assert os.read(process.stdout.fileno(), 10)
    process.stdout.close()

    assert process.wait(_LIMIT_S) in ({0, 1} if arguments == ("--help",) else {141})
    assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ci_that_is_interrupted_takes_its_job_along(
    number: signal.Signals, world: World, url: str, tmp_path: Path
) -> None:
    world.ends = ["PROCESSING"]
    process = start(url, tmp_path, "submit", "calendar", *_FROM, "--wait", "--cancel-on-interrupt")
    eventually(lambda: [job for job in world.jobs.values() if job["looks"]], within_s=_LIMIT_S, what="it waits")
    process.send_signal(number)

    out, err = process.communicate(timeout=_LIMIT_S)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == f"{next(iter(world.jobs))}: CANCELLED"


def test_a_server_that_dies_and_comes_back_makes_no_second_job_and_no_torn_file(world: World, tmp_path: Path) -> None:
    world.content = bytes(range(256)) * 4_000
    world.ends = ["PROCESSING"]
    with serving(world) as url:
        port = urlsplit(url).port or 0
        process = start(url, tmp_path, "submit", "calendar", *_FROM, "--wait=5m", "--into", str(tmp_path / "out"))
        eventually(lambda: [job for job in world.jobs.values() if job["looks"]], within_s=_LIMIT_S, what="it waits")
        world.dead = True
    time.sleep(0.5)  # refused connections, not only lost ones
    world.dead = False
    world.ends = ["SUCCESS"]
    world.hold_after = 300_000
    with serving(world, port):
        assert world.held.wait(_LIMIT_S), "the download has begun"
        world.dead = True
        assert [path.name.endswith(".part") for path in (tmp_path / "out").iterdir()] == [True]
    world.released.set()
    time.sleep(0.5)
    world.dead, world.hold_after = False, None
    with serving(world, port):
        out, err = process.communicate(timeout=_LIMIT_S)

    assert process.returncode == 0, err
    assert out == f"{tmp_path / 'out' / 'calendar.csv'}\n"
    assert (tmp_path / "out" / "calendar.csv").read_bytes() == world.content
    assert len(world.jobs) == 1
    ranges = [headers.get("Range") for _, path, headers, _ in world.asked if "/artifacts/" in path]
    assert ranges[0] is None
    assert ranges[-1] == "bytes=300000-"


def test_a_submission_whose_answer_is_lost_is_one_job(world: World, tmp_path: Path) -> None:
    with serving(world) as url:
        port = urlsplit(url).port or 0
    process = start(url, tmp_path, "submit", "calendar", "-o", "id")
    time.sleep(0.3)
    with serving(world, port):
        out, err = process.communicate(timeout=_LIMIT_S)

    assert process.returncode == 0, err
    assert out.split() == list(world.jobs)


def test_a_hostile_server_writes_nothing_to_a_terminal_but_words(world: World, url: str, tmp_path: Path) -> None:
    world.ends = ["FAILED"]
    terminal = Terminal(url, tmp_path, "watch", world.new()["jobId"], TERM="dumb")
    assert terminal.end() == 3
    assert "\x1b" not in terminal.shown
    assert "no �[31mtable" in terminal.shown


def test_an_error_is_a_problem_document_for_a_script(world: World, url: str, tmp_path: Path) -> None:
    world.problem = (503, "database_unavailable")
    process = start(url, tmp_path, "jobs", "-o", "json")
    out, err = process.communicate(timeout=_LIMIT_S)
    assert (process.returncode, out) == (75, "")
    assert json.loads(err)["code"] == "database_unavailable"


def test_without_its_extra_the_command_says_how_to_get_it() -> None:
    ran = run_with({"todoke"}, "import sys; sys.path.insert(0, 'client'); from todoke.cli import main; main()")
    assert (ran.returncode, ran.stderr) == (1, "todoke: the command line is an extra: pip install 'todoke[cli]'\n")
