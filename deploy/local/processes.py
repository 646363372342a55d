"""Child processes that end with their parent, whatever ends it."""

import contextlib
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from shared.errors import TodokeError
from shared.runtime.parent_death import end_with_parent


class LocalFailure(TodokeError):
    """The local system cannot start or continue. The message says what to do."""


def spawn(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    log: Path,
    orphan_signal: int = signal.SIGTERM,
    cwd: Path | None = None,
    user: str | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` with its output going to `log`, in a session of its own.

    Because of the session, Ctrl-C reaches only this process, which stops the command in order. On Linux the command
    gets `orphan_signal` when the thread that called this ends, so call it from the main thread.
    """
    options = identity(user)
    if sys.platform == "linux":
        options["preexec_fn"] = partial(end_with_parent, orphan_signal)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            list(command), env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
            start_new_session=True, **options,
        )  # fmt: skip


def identity(user: str | None) -> dict[str, Any]:
    """Return the arguments with which subprocess runs a command as `user`, including groups; none for None."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


class Process(Protocol):
    """A child process, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative for a signal; None until it has ended and `poll` or `wait` was called."""

    def poll(self) -> int | None:
        """Check whether it has ended. Returns its exit code."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises TimeoutExpired."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal, unless it has ended."""

    def kill(self) -> None:
        """SIGKILL."""


def ask(process: Process, number: int = signal.SIGTERM) -> None:
    """Send the process a signal, unless it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)


def stop(process: Process, *, number: int = signal.SIGTERM, timeout_s: float = 15) -> bool:
    """Ask the process to end, and kill it after `timeout_s`. True if it ended by itself."""
    ask(process, number)
    return ends(process, timeout_s=timeout_s)


def ends(process: Process, *, timeout_s: float) -> bool:
    """Wait for a process that was asked to end, and kill it after `timeout_s`. True if it ended by itself.

    Asking again would be wrong: a second signal tells a service to abandon its work.
    """
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
        return False
    return True


_PORTS = range(15_000, 32_000)
"""Below the port ranges that Linux (32768 and up), macOS and IANA (49152 and up) use for outgoing connections."""


def free_port() -> int:
    """Return a TCP port on which nothing listens at this moment.

    It is not proposed by the kernel, which may give the same one to an outgoing connection before our service binds it.
    """
    for port in random.sample(_PORTS, 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise LocalFailure(f"none of 200 ports tried between {_PORTS.start} and {_PORTS.stop} is free on 127.0.0.1")


def is_free(port: int) -> bool:
    """True if a server could listen on `port` of 127.0.0.1 now.

    A server that has just ended does not occupy the port.
    """
    if port not in _PORTS:
        return False
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def require_free(port: int) -> None:
    """Raise LocalFailure with the remedy if something listens on `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LocalFailure(
                f"port {port} cannot be used ({error.strerror}): stop what listens there, or choose another "
                f'with `make run ARGS="--port {port + 1}"`'
            ) from None


def ready(url: str) -> bool:
    """True if a health or readiness URL answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(
    ready: Callable[[], bool], *, what: str, process: subprocess.Popen[bytes], log: Path, timeout_s: float
) -> None:
    """Wait until `ready()`. Raises LocalFailure with the end of the log if the process ends or time runs out."""
    give_up_at = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None:
            raise LocalFailure(f"{what} ended with exit code {process.returncode}. {tail(log)}")
        if time.monotonic() > give_up_at:
            raise LocalFailure(f"{what} was not ready after {timeout_s:g} s. {tail(log)}")
        time.sleep(0.05)


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log, for an error message."""
    if not log.exists():
        return f"It wrote no log ({log})."
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return f"The end of {log}:\n  " + "\n  ".join(text)
