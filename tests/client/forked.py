"""The command line, forked from a process that has imported it: a run costs what the command does,
without the start.
"""

import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import termios
import traceback
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from shared.runtime.parent_death import end_with_parent
from tests.support.installed import ROOT

_LIMIT_S = 60


class ForkedCommands:
    """Runs commands, one at a time, until the block ends.

    The forking end is a process of its own with one thread: a fork copies only the thread that makes it, and leaves
    the others' locks held for ever.
    """

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self._ours.settimeout(_LIMIT_S)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.client.forked", str(theirs.fileno())],
                cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT / 'client'}:{ROOT}"}, stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()], start_new_session=True,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()
        self._process.kill()
        self._process.wait(_LIMIT_S)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], descriptors: Sequence[int]) -> None:
        """Fork `todoke` with these arguments, on copies of these three descriptors."""
        wanted = json.dumps({"arguments": list(arguments), "environment": dict(environment)})
        socket.send_fds(self._ours, [wanted.encode()], list(descriptors))

    def ended(self) -> tuple[int] | None:
        """The exit code of the command that was started, negative for a signal; None while it runs."""
        readable, _, _ = select.select([self._ours], [], [], 0)
        return (int(self._ours.recv(64)),) if readable else None


def _serve(asked: socket.socket) -> tuple[dict[str, object], list[int]] | None:
    """Fork for every request. Returns twice: None in the parent when the test has gone, the request in each child."""
    while True:
        content, descriptors, _, _ = socket.recv_fds(asked, 1 << 16, 3)
        if not content:
            return None
        pid = os.fork()
        if pid == 0:
            return json.loads(content), descriptors
        for one in descriptors:
            os.close(one)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            asked.sendall(str(code).encode())


def _become(wanted: dict[str, object], descriptors: list[int]) -> None:
    """Turn this fork into the command, as a start of `todoke` would have."""
    os.setsid()
    end_with_parent(signal.SIGKILL)
    for number, one in enumerate(descriptors):
        os.dup2(one, number)
        os.close(one)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(wanted["environment"])  # type: ignore[call-overload]
    sys.argv = ["todoke", *wanted["arguments"]]  # type: ignore[misc]


def _run() -> None:
    """Run the command, and end as an interpreter does, but for what it takes apart then, for a tenth of a second."""
    code = 120
    try:
        code = importlib.import_module("todoke.cli.app").run(sys.argv[1:])
        sys.stdout.flush()
    finally:
        if (error := sys.exc_info()[1]) is not None:
            traceback.print_exception(error)
        os._exit(code)


def _import_all() -> None:
    """Import all that commands need; the parser and the HTTP client import a part of it when they first work."""
    import getpass  # noqa: F401
    import pkgutil

    import rich.progress  # noqa: F401

    import todoke

    for found in pkgutil.walk_packages(todoke.__path__, "todoke."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
    with contextlib.suppress(todoke.ConnectionFailed), todoke.Todoke("http://127.0.0.1:9", max_retries=0) as client:
        client.types.list()
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module("todoke.cli.app").run(["help", "output"])


if __name__ == "__main__":
    _import_all()
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        request = _serve(listening)
    if request is not None:
        _become(*request)
        _run()
