"""The command line as processes: on a terminal, in a pipe, interrupted, and while its server dies and comes back."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.client.fake_api import Handler, World, serving
from tests.client.terminal import LIMIT_S, Terminal
from tests.support.eventually import eventually
from tests.support.http_server import LoopbackServer
from tests.support.installed import ROOT, run_with

_FROM = ("-p", "from=2026-01-31")


def environment(url: str, tmp_path: Path, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "client"), "HOME": str(tmp_path), "TODOKE_URL": url,
        "TERM": "xterm", "COLUMNS": "100", **more,
    }  # fmt: skip


def start(url: str, tmp_path: Path, *arguments: str, talk: Path | None = None, **more: str) -> subprocess.Popen[str]:
    """A process; what it says on stderr goes into a file if there is one."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(talk.open("w")) if talk else subprocess.PIPE
        return subprocess.Popen(
            [sys.executable, "-m", "todoke.cli", *arguments], env=environment(url, tmp_path, **more), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file,
        )  # fmt: skip


def requests(talk: Path) -> int:
    """How many requests a command with --verbose has begun."""
    return sum(line.startswith("> ") for line in talk.read_text().splitlines())


def until_refused(talk: Path, tries: int) -> None:
    """Wait until so many more requests have begun: nobody listens."""
    wanted = requests(talk) + tries
    eventually(lambda: requests(talk) >= wanted, within_s=LIMIT_S, what=f"{tries} more tries")


def terminal(url: str, tmp_path: Path, *arguments: str, **more: str) -> Terminal:
    """The command on a terminal."""
    return Terminal([sys.executable, "-m", "todoke.cli", *arguments], environment(url, tmp_path, **more))


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
    screen = terminal(url, tmp_path, "submit", "calendar", *_FROM, "--wait")
    screen.until("reading 5 of 10 rows")
    assert MOVES.search(screen.shown)
    screen.resize(40)
    screen.process.send_signal(signal.SIGWINCH)
    screen.type(b"\x03")

    assert screen.end() == 130
    [job_id] = world.jobs
    assert f"Stopped waiting; the job continues. To wait again: todoke watch {job_id}" in " ".join(screen.shown.split())
    assert "Traceback" not in screen.shown
    assert [path for path in world.posts() if "cancel" in path] == []
    world.ends = ["SUCCESS"]
    again = start(url, tmp_path, "watch", job_id)
    assert again.wait(LIMIT_S) == 0


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_wants_no_colours_gets_none(
    name: str, value: str, world: World, url: str, tmp_path: Path
) -> None:
    screen = terminal(url, tmp_path, "submit", "calendar", *_FROM, "--wait", **{name: value})

    assert screen.end() == 0
    assert "SUCCESS" in screen.shown
    assert COLOURS.search(screen.shown) is None
    assert (MOVES.search(screen.shown) is None) == (name == "TERM")


def test_off_a_terminal_nothing_moves(world: World, url: str, tmp_path: Path) -> None:
    process = start(url, tmp_path, "submit", "calendar", *_FROM, "--wait", "-o", "id")
    out, err = process.communicate(timeout=LIMIT_S)

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

    assert process.wait(LIMIT_S) in ({0, 141} if arguments == ("--help",) else {141})
    assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ci_that_is_interrupted_takes_its_job_along(
    number: signal.Signals, world: World, url: str, tmp_path: Path
) -> None:
    world.ends = ["PROCESSING"]
    process = start(url, tmp_path, "submit", "calendar", *_FROM, "--wait", "--cancel-on-interrupt")
    eventually(lambda: [job for job in world.jobs.values() if job["looks"]], within_s=LIMIT_S, what="it waits")
    process.send_signal(number)

    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == f"{next(iter(world.jobs))}: CANCELLED"


def test_a_server_that_dies_and_comes_back_makes_no_second_job_and_no_torn_file(world: World, tmp_path: Path) -> None:
    world.content = bytes(range(256)) * 4_000
    world.ends = ["PROCESSING"]
    talk = tmp_path / "talk"
    with serving(world) as url:
        port = urlsplit(url).port or 0
        arguments = ("submit", "-v", "calendar", *_FROM, "--wait=5m", "--into", str(tmp_path / "out"))
        process = start(url, tmp_path, *arguments, talk=talk)
        eventually(lambda: [job for job in world.jobs.values() if job["looks"]], within_s=LIMIT_S, what="it waits")
        world.dead = True
    until_refused(talk, 2)  # not only lost
    world.dead = False
    world.ends = ["SUCCESS"]
    world.hold_after = 300_000
    with serving(world, port):
        assert world.held.wait(LIMIT_S), "the download has begun"
        world.dead = True
        assert [path.name.endswith(".part") for path in (tmp_path / "out").iterdir()] == [True]
    world.released.set()
    until_refused(talk, 1)  # of the four tries of a download
    world.dead, world.hold_after = False, None
    with serving(world, port):
        out, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 0, talk.read_text()
    assert out == f"{tmp_path / 'out' / 'calendar.csv'}\n"
    assert (tmp_path / "out" / "calendar.csv").read_bytes() == world.content
    assert len(world.jobs) == 1
    ranges = [headers.get("Range") for _, path, headers, _ in world.asked if "/artifacts/" in path]
    assert ranges[0] is None
    assert ranges[-1] == "bytes=300000-"


class BelowAPath(Handler):
    """A reverse proxy's end of a connection: the API is below /reports, and nothing is beside it."""

    def _do(self, method: str) -> None:
        if not self.path.startswith("/reports/v1/"):
            self.answer(404, b"<html>nothing here</html>", {"Content-Type": "text/html"})
            return
        self.path = self.path.removeprefix("/reports")
        super()._do(method)


@pytest.mark.parametrize("end", ["", "/"])
def test_behind_a_proxy_with_a_path_all_is_found_below_it(end: str, world: World, tmp_path: Path) -> None:
    with LoopbackServer(type("Served", (BelowAPath,), {"world": world})) as server:
        arguments = ("submit", "calendar", *_FROM, "--wait", "--into", str(tmp_path / "out"))
        out, err = start(f"{server.url}/reports{end}", tmp_path, *arguments).communicate(timeout=LIMIT_S)
        beside = start(server.url, tmp_path, "jobs")
        _, told = beside.communicate(timeout=LIMIT_S)

    assert out == f"{tmp_path / 'out' / 'calendar.csv'}\n", err
    assert (tmp_path / "out" / "calendar.csv").read_bytes() == world.content
    assert (beside.returncode, "404" in told, "Traceback" in told) == (5, True, False), told


def test_a_submission_that_nobody_hears_at_first_is_one_job(world: World, tmp_path: Path) -> None:
    with serving(world) as url:
        port = urlsplit(url).port or 0
    talk = tmp_path / "talk"
    process = start(url, tmp_path, "submit", "-v", "calendar", "-o", "id", talk=talk)
    until_refused(talk, 2)
    with serving(world, port):
        out, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 0, talk.read_text()
    assert out.split() == list(world.jobs)


def test_a_submission_whose_answer_is_lost_is_one_job(world: World, url: str, tmp_path: Path) -> None:
    world.lost_answers = 2
    process = start(url, tmp_path, "submit", "calendar", "-o", "id")
    out, err = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 0, err
    assert len(world.posts()) == 3
    assert out.split() == list(world.jobs)


def test_a_hostile_server_writes_nothing_to_a_terminal_but_words(world: World, url: str, tmp_path: Path) -> None:
    world.ends = ["FAILED"]
    screen = terminal(url, tmp_path, "watch", world.new()["jobId"], TERM="dumb")
    assert screen.end() == 3
    assert "\x1b" not in screen.shown
    assert "no �[31mtable" in screen.shown


def test_an_error_is_a_problem_document_for_a_script(world: World, url: str, tmp_path: Path) -> None:
    world.problem = (503, "database_unavailable")
    process = start(url, tmp_path, "jobs", "-o", "json")
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (75, "")
    assert json.loads(err)["code"] == "database_unavailable"


def test_without_its_extra_the_command_says_how_to_get_it() -> None:
    ran = run_with({"todoke"}, "import sys; sys.path.insert(0, 'client'); from todoke.cli import main; main()")
    assert (ran.returncode, ran.stderr) == (1, "todoke: the command line is an extra: pip install 'todoke[cli]'\n")
