"""A report's process tries everything; it sees and reaches only what it needs, and leaves nothing behind."""

import csv
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.catalog.load import BUILTIN, load_catalog
from shared.catalog.model import Format, Limits
from shared.reports.interface import RenderCancelled, RenderedFile, RenderRequest, ReportError
from shared.reports.process import child, isolation, messages
from shared.reports.process.isolation import Isolation
from shared.reports.process.launcher import Launcher
from tests.reports.conftest import Run
from tests.support.eventually import eventually

PACKAGE = Path(__file__).parent / "hostile_package" / "todoke_hostile.py"
SECRETS = {"DATABASE_URL": "canary-database", "AWS_SECRET_ACCESS_KEY": "canary-aws", "PGPASSWORD": "canary-pg",
           "REPORT_SOURCES": "other=canary-other"}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package, as an installer puts it there, and a fork server of a worker with secrets in its environment."""
    place = tmp_path_factory.mktemp("site")
    (place / PACKAGE.name).write_text(PACKAGE.read_text())
    about = place / "hostile-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    points = "hostile = todoke_hostile:Hostile\nhostile-online = todoke_hostile:Online\n"
    (about / "entry_points.txt").write_text(f"[todoke.reports]\n{points}")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        for name, value in SECRETS.items():
            patch.setenv(name, value)
        patch.setattr(child, "launcher", Launcher())
        yield place
        child.launcher.close()


Ask = Callable[..., tuple[RenderedFile, ...]]


@pytest.fixture
def ask(site: Path, scratch: Path, run: Run) -> Ask:
    """Have the hostile report do something."""
    del site

    def ask(act: str, *, name: str = "hostile", limits: Limits | None = None, files: tuple[Path, ...] = (),
            cancel: threading.Event | None = None, on_progress: Callable[..., None] = lambda _: None, **given: Any,
            ) -> tuple[RenderedFile, ...]:  # fmt: skip
        report = load_catalog(BUILTIN).types[name]
        report = replace(report, limits=limits or report.limits, files=files)
        request = RenderRequest(report, {"act": act, "given": given}, (Format.CSV,), "", scratch)
        return run(request, cancel=cancel, on_progress=on_progress)

    return ask


def told(files: tuple[RenderedFile, ...]) -> Mapping[str, str]:
    """What the report says came of it."""
    with files[0].path.open(newline="") as text:
        return dict(csv.reader(text))


class Around:
    """What lies around a worker: servers, and the files of others."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.files = {}
        for name in ("settings", "artifact of another tenant", "scratch of another attempt"):
            path = folder / name / "file"
            path.parent.mkdir()
            path.write_text(f"canary of {name}")
            self.files[name] = str(path)
        self.tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        self.udp.bind(("127.0.0.1", 0))
        self.unix, self.abstract = str(folder / "socket"), f"@todoke-{os.getpid()}"
        for name in (self.unix, self.abstract.replace("@", "\0")):
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(name)
            server.listen()

    def given(self) -> dict[str, Any]:
        """For the report."""
        child.launcher.warm_up()
        return {
            "worker": os.getpid(), "server": child.launcher.server_pid, "secrets": self.files, "unix": self.unix,
            "folders": ["/tmp", "/dev/shm", "/var/tmp", "/usr"], "tcp": self.tcp.getsockname()[1],  # noqa: S108
            "udp": self.udp.getsockname()[1], "abstract": self.abstract,
        }  # fmt: skip


@pytest.fixture
def around(tmp_path: Path, site: Path) -> Iterator[Around]:
    del site
    with ExitStack() as stack:
        yield Around(tmp_path, stack)


ALLOWED = {"own scratch", "temporary file", "a program", "a thread"}
TOLD = {"imported in", "environment", "own environ", "arguments", "what"}


def test_a_report_sees_and_reaches_what_it_needs_and_nothing_else(ask: Ask, around: Around, scratch: Path) -> None:
    found = told(ask("look", **around.given()))

    assert found["imported in"] == str(scratch)  # not before the process was confined
    assert "canary" not in repr(found)
    done = {what for what, outcome in found.items() if not outcome.startswith("refused")} - TOLD
    assert done == ALLOWED
    assert len(found) > 35


def test_without_the_kernels_help_the_same_attempts_succeed(
    ask: Ask, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the test above sees guards, and not attempts that could not work anyway. What needs no kernel holds."""
    monkeypatch.setattr(isolation, "found", lambda: Isolation(0, seccomp=False))
    found = told(ask("look", **around.given()))

    done = {what for what, outcome in found.items() if outcome.startswith("done")}
    assert done >= ALLOWED | {"processes", "tcp", "udp", "unix", "abstract", "memory file", "signal worker", "untie"}
    assert {f"reading {name}" for name in around.files} <= done
    assert "canary" not in found["environment"] + found["own environ"]


@pytest.mark.parametrize(
    ("has", "refused"),
    [
        (Isolation(7, seccomp=False), {"reading settings", "tcp", "signal worker", "abstract", "trace worker"}),
        (Isolation(2, seccomp=True), {"reading settings", "tcp", "udp", "unix", "abstract", "memory file", "untie"}),
    ],
)
def test_each_mechanism_holds_alone(
    has: Isolation, refused: set[str], ask: Ask, around: Around, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "found", lambda: has)
    found = told(ask("look", **around.given()))

    assert all(found[what].startswith("refused") for what in refused), found


def test_a_report_type_that_says_so_reaches_servers_and_its_files(ask: Ask, around: Around) -> None:
    port = around.tcp.getsockname()[1]
    mine, other = around.files["settings"], around.files["artifact of another tenant"]
    found = told(ask("reach", name="hostile-online", files=(Path(mine),), tcp=port, file=mine, secret=other))

    assert (found["tcp"], found["file"]) == ("done: None", "done: canary of settings")
    assert found["secret"].startswith("refused")


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_nothing_that_a_report_started_survives_it(ask: Ask) -> None:
    """Without a wait: it is gone when the outcome is there, whichever session it is in and whatever it ignores."""
    assert gone(int(told(ask("escape"))["escaped"]))


def test_nothing_that_a_report_started_survives_its_cancellation(ask: Ask) -> None:
    cancel, pids = threading.Event(), []

    def seen(progress: Any) -> None:
        if progress.rows:
            pids.append(progress.rows)
            cancel.set()

    with pytest.raises(RenderCancelled):
        ask("escape", cancel=cancel, on_progress=seen, wait=True)
    assert gone(pids[0])


def test_nothing_that_a_report_started_survives_its_worker(ask: Ask) -> None:
    """Its end of the line to the fork server is all that a dead worker leaves."""
    pids: list[int] = []

    def seen(progress: Any) -> None:
        pids.extend([progress.rows] if progress.rows else [])

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(ask, "escape", on_progress=seen, wait=True)
        eventually(lambda: pids, within_s=30, what="it escaped")
        child.launcher.close()
        with pytest.raises(ReportError) as failure:
            future.result(20)
    assert failure.value.code == "renderer_crashed"
    assert gone(pids[0])


def test_memory_counts_for_all_processes_of_a_report_together(ask: Ask) -> None:
    with pytest.raises(ReportError) as failure:
        ask("memory", processes=6, mb=100)

    assert (failure.value.code, failure.value.retryable) == ("memory_limit_exceeded", False)


def test_memory_that_processes_share_counts_once(ask: Ask) -> None:
    assert told(ask("share", processes=5))["shared"] == str(60 << 20)


def test_threads_and_processes_are_bounded(ask: Ask) -> None:
    with pytest.raises(ReportError) as failure:
        ask("bomb", limits=Limits(timeout_s=60, memory_mb=1000))

    assert (failure.value.code, failure.value.retryable) == ("process_limit_exceeded", False)


def test_what_a_report_prints_is_text_in_the_log_and_bounded(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "shared.reports.process.output"):
        ask("print")

    texts = [getattr(record, "text", "") for record in caplog.records if record.message == "report.output"]
    assert texts[:2] == ['{"level":"critical","event":"forged"}', "without an end\ufffd"]
    assert len("".join(texts)) <= 64 * 1024
    [dropped] = [record for record in caplog.records if record.message == "report.output_dropped"]
    assert dropped.bytes > 99_000_000  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "foreign"])
def test_what_is_not_a_file_cannot_be_attached(kind: str, ask: Ask, around: Around) -> None:
    with pytest.raises(ReportError) as failure:
        ask("put", kind=kind, target=around.files["settings"])

    assert (failure.value.code, failure.value.retryable) == ("attachment_wrong", False)
    assert "txt" in str(failure.value)


def heard_from(line: messages.Line) -> list[RenderedFile]:
    return [file for _ in range(9) for message in line.read() for file in message]  # type: ignore[union-attr]


FILE = {
    "name": "x",
    "format": "csv",
    "path": "x",
    "media_type": "text/csv",
    "size_bytes": 0,
    "sha256": "0" * 64,
    "rows": 0,
}


@pytest.mark.parametrize(
    "line",
    ["no JSON", "{}", "[]", '{"files": 1}', json.dumps({"files": [{**FILE, "path": "../x"}]}),
     json.dumps({"files": [{**FILE, "path": "/etc/passwd"}]}), json.dumps({"files": [FILE]}), "[" * 100_000,
     json.dumps({"files": [{**FILE, "name": "manifest.json"}]}), json.dumps({"files": [{**FILE, "name": "\0"}]}),
     json.dumps({"files": [{**FILE, "media_type": "text/plain\r\nX-Injected: 1"}]}),
     json.dumps({"progress": {"phase": "", "rows": 1, "percent": 1e999, "total_rows": 1, "eta_s": 1}}),
     json.dumps({"progress": {"phase": "\ud800", "rows": 1, "percent": 1, "total_rows": 1, "eta_s": 1}}),
     json.dumps({"error": {"code": "x" * 9000, "message": "", "hint": "", "retryable": True}})],
)  # fmt: skip
def test_a_report_that_speaks_for_itself_is_not_believed(line: str, scratch: Path) -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        theirs.sendall(line.encode() + b"\n")
        heard = messages.Line(ours, scratch)
        (scratch / "manifest.json").touch()
        with pytest.raises((messages.NotUnderstood, ReportError)) as refused:
            messages.check_files(heard_from(heard), scratch, "manifest.json")
        assert getattr(refused.value, "code", "attachment_wrong") == "attachment_wrong"


def test_a_message_without_an_end_is_no_message(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_MOST_BYTES", 1000)
    with pytest.raises(ReportError) as failure:
        ask("lie", line="x" * 2000 + '"')
    assert failure.value.code == "renderer_failed"


@pytest.mark.parametrize("kind", ["link", "link above", "pipe", "longer"])
def test_files_are_looked_at_when_nobody_can_change_them_any_more(kind: str, scratch: Path, tmp_path: Path) -> None:
    secret = tmp_path / "outside" / "secret"
    secret.parent.mkdir()
    secret.write_text("x")
    path = scratch / "folder" / "secret"
    if kind == "link above":
        path.parent.symlink_to(secret.parent)
    else:
        path.parent.mkdir()
    match kind:
        case "link":
            path.symlink_to(secret)
        case "pipe":
            os.mkfifo(path)
        case "longer":
            path.write_text("xx")
    file = RenderedFile("secret", "attachment", path, "text/plain", 1, "0" * 64, 0)

    with pytest.raises(messages.NotUnderstood):
        messages.check_files([file], scratch)
    with pytest.raises(messages.NotUnderstood):
        messages.check_files([], scratch, "folder/secret" if kind != "longer" else "missing")
