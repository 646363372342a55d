"""A process that has imported everything and forks each service from itself: 15 ms per start instead of 0.8 s.

`Zygote` is the test's end of it. The forking end is a separate process with a single thread, because a fork copies only
the thread that makes it and leaves the locks of other threads held for ever.

It shares nothing with the worker's fork server (shared/reports/process), which is built to distrust what it forks: it
gives up its privileges, holds no environment and no secret, and kills what its children leave. This one gives each fork
an environment with the services' secrets. What they could share is ten lines about `SIGCHLD`.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import botocore.session

from shared.reports import warm_up
from shared.runtime.parent_death import end_with_parent

ROOT = Path(__file__).parents[3]
_PREPARED = (
    "services.api.__main__", "services.relay.__main__", "services.worker.__main__", "services.cli.migrate",
    "shared.artifacts.s3", "shared.reports.render", "shared.reports.process.sandbox",
    "shared.reports.process.fork_server", "moto.core", "encodings.idna",
    "tests.support.processes.watched",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What to become: a module run as by `python -m`, with its files watched if `watch` names a folder for that."""

    module: str
    arguments: Sequence[str]
    env: Mapping[str, str]
    log: str
    watch: str | None


class Forked:
    """One forked process, with the part of `subprocess.Popen` that the tests use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def end(self, code: int) -> None:
        """Record the end of the process."""
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        """Return its exit code; negative for a signal; None while it lives."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises TimeoutExpired."""
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still lives."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Zygote:
    """Forks services until the block ends. Safe to use from several threads."""

    def __init__(self, log: Path) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            os.set_inheritable(theirs.fileno(), True)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.processes.zygote", str(theirs.fileno())],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log.open("ab"), stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip
        self._answers = self._ours.makefile("r")
        self._asking = threading.Lock()
        self._forked: dict[int, Forked] = {}
        self._newest: Forked | None = None
        self._answered = threading.Condition()
        threading.Thread(target=self._listen, name="zygote", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in list(self._forked.values()):
            process.kill()
        self._process.terminate()
        self._process.wait(30)
        self._ours.close()

    def start(
        self,
        module: str,
        *,
        env: Mapping[str, str],
        log: Path,
        arguments: Sequence[str] = (),
        watch: Path | None = None,
    ) -> Forked:
        """Fork a process that runs `module`. Its log exists when this returns."""
        log.touch()
        request = Request(module, list(arguments), dict(env), str(log), str(watch) if watch else None)
        with self._asking:
            self._newest = None
            self._ours.sendall(json.dumps(asdict(request)).encode() + b"\n")
            with self._answered:
                assert self._answered.wait_for(lambda: self._newest is not None, 60), "the zygote does not answer"
                assert self._newest is not None
                return self._newest

    def _listen(self) -> None:
        for line in self._answers:
            answer = json.loads(line)
            with self._answered:
                if "code" in answer:
                    if process := self._forked.pop(answer["pid"], None):
                        process.end(answer["code"])
                else:
                    self._newest = self._forked[answer["pid"]] = Forked(answer["pid"])
                self._answered.notify_all()


def _serve(asked: socket.socket) -> Request | None:
    """Fork for every request. Returns twice: None in the zygote when its test has gone, the request in each child."""
    ends, wake = os.pipe()
    for end in (ends, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    buffered = ""
    while True:
        ready, _, _ = select.select([asked.fileno(), ends], [], [])
        if ends in ready:
            os.read(ends, 4096)
            _report_ends(asked)
        if asked.fileno() in ready:
            piece = asked.recv(1 << 16).decode()
            if not piece:
                return None
            *whole, buffered = (buffered + piece).split("\n")
            for line in whole:
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for descriptor in (ends, wake):
                        os.close(descriptor)
                    return Request(**json.loads(line))
                asked.sendall(json.dumps({"pid": pid}).encode() + b"\n")


def _report_ends(asked: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        asked.sendall(json.dumps({"pid": pid, "code": code}).encode() + b"\n")


def _become(request: Request) -> None:
    """Turn this fork into the service, as `python -m` would."""
    os.setsid()
    end_with_parent(signal.SIGKILL)
    with Path(request.log).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(request.env)
    sys.argv = [request.module, *request.arguments]
    if request.watch:
        watched: Any = importlib.import_module("tests.support.processes.watched")
        watched.watch(Path(request.watch), renders=request.module == "services.worker")
    sys.modules.pop(f"{request.module}.__main__", None)  # so that it runs, instead of counting as imported
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def _read_descriptions_once() -> None:
    """Let all forks share what botocore reads from its files: a tenth of a second for each of their sessions."""
    sessions: Any = botocore.session
    sessions.create_loader = functools.cache(sessions.create_loader)
    keys = {"aws_access_key_id": "none", "aws_secret_access_key": "none"}
    boto3.session.Session(**keys).client("sqs", region_name="eu-central-1")


def _main() -> None:
    for name in _PREPARED:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    _read_descriptions_once()
    warm_up.warm_up()  # otherwise each worker's fork server would do it again
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        request = _serve(asked)
    if request is not None:
        _become(request)


if __name__ == "__main__":
    _main()
