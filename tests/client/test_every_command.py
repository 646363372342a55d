"""Every command as a process: in a pipe, on a terminal, with a closed reader, and stopped by Ctrl-C."""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from tests.client.documented_api import example, serving_documented
from tests.client.fake_api import World
from tests.client.forked import ForkedCommands
from tests.client.samples import JOB_ID
from tests.client.terminal import LIMIT_S, Screen
from tests.support.certificates import self_signed
from tests.support.eventually import eventually
from todoke.cli.app import application

_ESCAPES = re.compile(r"\x1b")
_COLOURS = re.compile(r"\x1b\[(?:3|4|9|10)[0-9](?:;[0-9;]*)?m|\x1b\[[0-9;]*;3[0-9]m")
_OTHER = "5fea7756-0ea4-451a-a703-a558b933e274"


@dataclass(frozen=True)
class Case:
    """A call, and what becomes of it. `{job}`, `{home}` and `{url}` stand for what each run has of its own."""

    line: str
    code: int = 0
    data: bool = True
    """Something is written to stdout."""
    is_json: bool = True
    """It has `-o json`."""
    asks: bool = True
    """It speaks to the API."""


CASES = [
    Case("submit calendar -p from=2026-01-31 --wait --into {home}/out"),
    Case("estimate calendar -p from=2026-01-31"),
    Case("retry {job} --wait"),
    Case("submit-many {home}/tonight.jsonl"),
    Case("jobs --all"),
    Case("show {job}"),
    Case("watch {job}"),
    Case("why {job}"),
    Case("events {job}"),
    Case("cancel {job}"),
    Case("keep {job}"),
    Case("delete {job} --yes"),
    Case("rows {job}"),
    Case("download {job} --into {home}/out"),
    Case("verify {home}/calendar.csv", is_json=False, asks=False),
    Case("types"),
    Case("login --at {url}", data=False, is_json=False),
    Case("logout --as other", data=False, is_json=False, asks=False),
    Case("profile list", asks=False),
    Case("profile use other", data=False, is_json=False, asks=False),
    Case("profile show", asks=False),
    Case("me"),
    Case("audit"),
    Case("help output", is_json=False, asks=False),
    Case("keys list"),
    Case("keys create ci --scope jobs:read"),
    Case("keys rotate k1"),
    Case("keys revoke k1", data=False, is_json=False),
    Case("bulk cancel --yes", code=6),  # the example has one that was refused
    Case("bulk retry --dry-run"),
    Case("bulk delete --yes --wait", code=6),
    Case("bulk run {job} --wait", code=6),
    Case("bulk get {job}"),
    Case("bulk list"),
    Case("bulk results {job}"),
    Case("bulk stop {job}"),
    Case("schedules list"),
    Case("schedules show {job}"),
    Case("schedules create Mondays calendar --cron '0 7 * * MON'"),
    Case("schedules update {job} --every 2h"),
    Case("schedules next calendar --every 2h"),
    Case("schedules pause {job}"),
    Case("schedules resume {job}"),
    Case("schedules run {job}"),
    Case("schedules backfill {job} --from 2026-01-01T00:00Z --to 2026-02-01T00:00Z"),
    Case("schedules ticks {job}"),
    Case("schedules delete {job} --yes", data=False, is_json=False),
    Case("share create {job} slow.csv"),
    Case("share list"),
    Case("share show {job}"),
    Case("share revoke {job}", data=False, is_json=False),
    Case("webhooks list"),
    Case("webhooks show {job}"),
    Case("webhooks create https://hooks.example.com/todoke --event job.succeeded"),
    Case("webhooks update {job} --event job.failed"),
    Case("webhooks test {job}"),
    Case("webhooks rotate {job} --overlap 12h"),
    Case("webhooks deliveries {job}"),
    Case("webhooks delivery {job} {job}"),
    Case("webhooks redeliver {job} {job}"),
    Case("webhooks listen --forward-to {url}/told --count 1"),
    Case("webhooks delete {job} --yes", data=False, is_json=False),
    Case("admin gates"),
    Case("admin pause source warehouse --reason 'it moves'"),
    Case("admin resume source warehouse"),
    Case("admin cap tenant acme --running 4"),
    Case("admin uncap tenant acme", data=False, is_json=False),
    Case("admin overview"),
    Case("admin queues -o json", is_json=False),
    Case("admin workers"),
    Case("admin dead-letters list"),
    Case("admin dead-letters redrive a --reason mended --yes", code=5),  # the example has one that is not there
    Case("admin dead-letters drop a --reason 'not ours' --yes", code=5),
    Case("admin parked list"),
    Case("admin parked requeue 7 --reason mended --yes", code=5),
    Case("admin parked drop 7 --reason 'not ours' --yes", code=5),
]
KEY = b"todoke_of_a_test"


@pytest.fixture(scope="module")
def commands() -> Iterator[ForkedCommands]:
    with ForkedCommands() as commands:
        yield commands


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    world.rows = example("GET", f"/v1/jobs/{JOB_ID}/rows")[1]
    return world


@pytest.fixture(scope="module")
def url(world: World) -> Iterator[str]:
    with serving_documented(world) as url:
        yield url


@pytest.fixture(scope="module")
def silent() -> Iterator[tuple[str, World]]:
    """A server that hears, and says nothing."""
    world = World()
    world.silent = True
    with serving_documented(world) as url:
        yield url, world
        world.released.set()


@pytest.fixture(scope="module")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that a run trusts: reading the system's hundred costs each a tenth of a second."""
    return self_signed(tmp_path_factory.mktemp("tls"), "127.0.0.1")[0]


class Runs:
    """Starts one case under different circumstances."""

    def __init__(self, commands: ForkedCommands, url: str, home: Path, certificate: Path) -> None:
        self._commands = commands
        self._url = url
        self._home = home
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", "TODOKE_URL": url,
            "SSL_CERT_FILE": str(certificate),
        }  # fmt: skip

    def arguments(self, case: Case, job: str, *more: str) -> list[str]:
        """What to call."""
        self._furnish()
        return [*shlex.split(case.line.format(job=job, home=self._home, url=self._url)), *more]

    def in_a_pipe(self, arguments: list[str], *, read: bool = True) -> tuple[int, str, str]:
        """The exit code, and what was written. Without `read` nobody reads the data."""
        out, err = self._home / "stdout", self._home / "stderr"
        with ExitStack() as stack:
            wanted, typed = os.pipe()
            os.write(typed, KEY + b"\n")
            os.close(typed)
            stack.callback(os.close, wanted)
            error = stack.enter_context(err.open("wb")).fileno()
            if read:
                data = stack.enter_context(out.open("wb")).fileno()
            else:
                gone, data = os.pipe()
                os.close(gone)
                stack.callback(os.close, data)
            self._commands.start(arguments, self._environment, [wanted, data, error])
        code = self._ended(lambda: None)
        return code, out.read_text() if read else "", err.read_text()

    def on_a_terminal(self, arguments: list[str], **more: str) -> Screen:
        """The screen."""
        screen = Screen()
        self._commands.start(arguments, {**self._environment, **more}, [screen.slave] * 3)
        os.close(screen.slave)
        return screen

    def end(self, screen: Screen) -> int:
        """The exit code, once all is on the screen."""
        code = self._ended(screen.read)
        screen.read()
        screen.close()
        return code

    def _ended(self, meanwhile: Callable[[], object]) -> int:
        def look() -> tuple[int] | None:
            meanwhile()
            return self._commands.ended()

        found = eventually(look, within_s=LIMIT_S, what="it ends")
        assert found is not None
        return found[0]

    def _furnish(self) -> None:
        """Files that commands are given."""
        (self._home / "tonight.jsonl").write_text('{"reportType": "calendar"}\n')
        config = self._home / ".config/todoke/config.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.touch(0o600)
        config.write_text('[profiles.default]\nurl = "http://localhost:8000"\n[profiles.other]\napi_key = "k"\n')
        content = b"day\n2026-01-31\n"
        (self._home / "calendar.csv").write_bytes(content)
        file = {
            "name": "calendar.csv", "format": "csv", "mediaType": "text/csv", "rows": 1, "sizeBytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        made = {"jobId": JOB_ID, "reportType": "calendar", "reportVersion": "1", "files": [file]}
        (self._home / "manifest.json").write_text(json.dumps({"manifest": made}))


@pytest.fixture
def runs(commands: ForkedCommands, url: str, tmp_path: Path, one_certificate: Path) -> Runs:
    return Runs(commands, url, tmp_path, one_certificate)


def a_job(case: Case, world: World) -> str:
    world.ends = ["SUCCESS"] if case.line.startswith("download") else ["PROCESSING", "SUCCESS"]
    return str(world.new()["jobId"])


def leaves(command: object = None, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands."""
    command = command or get_command(application())
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path)
        return
    for name, one in inner.items():
        yield from leaves(one, (*path, name))


def test_no_command_is_forgotten() -> None:
    known = set(leaves())
    found = [name for case in CASES for name in known if f"{case.line} ".startswith(f"{name} ")]
    assert sorted(found) == sorted(known)
    assert len(CASES) == len(known)


every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.line.partition(" {")[0])


@every
def test_in_a_pipe_data_is_data_and_nothing_moves(case: Case, runs: Runs, world: World) -> None:
    form = ("-o", "json") if case.is_json else ()
    code, out, err = runs.in_a_pipe(runs.arguments(case, a_job(case, world), *form))

    assert code == case.code, err
    assert not _ESCAPES.search(out + err)
    assert "Traceback" not in err
    assert bool(out) == case.data, err
    if case.is_json:
        decoder, rest = json.JSONDecoder(), out.strip()
        while rest:
            _, at = decoder.raw_decode(rest)
            rest = rest[at:].strip()


@every
def test_on_a_terminal_without_colours(case: Case, runs: Runs, world: World) -> None:
    screen = runs.on_a_terminal(runs.arguments(case, a_job(case, world)), NO_COLOR="1")
    if case.line.startswith("login"):
        screen.until("API key")
        screen.type(KEY + b"\n")
    assert runs.end(screen) == case.code, screen.shown
    assert "Traceback" not in screen.shown
    assert _COLOURS.search(screen.shown) is None
    assert KEY.decode() not in screen.shown


@every
def test_without_a_reader_it_ends_in_silence(case: Case, runs: Runs, world: World) -> None:
    code, _, err = runs.in_a_pipe(runs.arguments(case, a_job(case, world)), read=False)
    assert code == (141 if case.data else case.code), err
    assert "Traceback" not in err
    assert "Broken pipe" not in err


@pytest.mark.parametrize("case", [case for case in CASES if case.asks], ids=lambda case: case.line.partition(" {")[0])
def test_ctrl_c_leaves_a_server_that_says_nothing(
    case: Case, silent: tuple[str, World], commands: ForkedCommands, tmp_path: Path, one_certificate: Path
) -> None:
    url, world = silent
    runs = Runs(commands, url, tmp_path, one_certificate)
    before = len(world.asked)
    screen = runs.on_a_terminal(runs.arguments(case, JOB_ID))
    if case.line.startswith("login"):
        screen.until("API key")
        screen.type(KEY + b"\n")
    eventually(lambda: len(world.asked) > before, within_s=LIMIT_S, what="it asks")
    screen.type(b"\x03")
    assert runs.end(screen) == 130, screen.shown
    assert "Traceback" not in screen.shown
