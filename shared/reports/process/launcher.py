"""The worker's end of the fork server: starts it, requests children, and learns how they ended."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.reports.process import tree
from shared.reports.process.fork_server import ASKED, ENDED, FORK, KILL, STATUS

# What Python, locales and TLS read. Nothing secret may be among these: every report's process can read them. libpq's
# and AWS's variables are sent to those children alone whose source needs them.
_ENVIRONMENT = ("LC_", "LANG", "TZ", "PATH", "HOME", "PYTHON", "LD_LIBRARY_PATH", "SSL_CERT_")
_ENDED_S = 5.0
_STARTED_S = 60.0
"""The longest time until the fork server has forked its first child, before which it must import everything."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process that makes one report, as its worker sees it."""

    pid: int
    line: socket.socket
    output: int
    """Where its output can be read. The reader must close it."""
    status: int
    inherited_mb: int
    """Memory that it shares with the fork server, which does not count as its own."""

    told: "list[Ended]" = field(default_factory=list)
    """How it ended, once that was read."""

    def end(self, timeout_s: float) -> "Ended | None":
        """Return how it ended; None if it has not ended within the time, or if that cannot be known."""
        if not self.told and _readable(self.status, timeout_s):
            read = os.read(self.status, ENDED.size)
            if len(read) == ENDED.size:
                code, cpu_s, most_kb = ENDED.unpack(read)
                self.told.append(Ended(code, cpu_s, max(0, (most_kb >> 10) - self.inherited_mb)))
        return self.told[0] if self.told else None

    def ended(self, timeout_s: float) -> bool:
        """True once it, and everything that it started, has ended."""
        return bool(self.told) or _readable(self.status, timeout_s)

    def let_go(self) -> None:
        """Release it."""
        _close(self.line, self.status)


@dataclass(frozen=True, slots=True)
class Ended:
    """The kernel's report on an ended child."""

    code: int
    """Its exit code, negative for a signal."""
    cpu_s: float
    """Processor time, including processes that it waited for."""
    peak_mb: int
    """Its peak memory, without what it inherited from the fork server."""


class Launcher:
    """Forks children. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._inherited_mb = 0

    @property
    def server_pid(self) -> int | None:
        """The fork server's id; None before the first child."""
        return self._server.pid if self._server else None

    def launch(self) -> Child:
        """Start a child. Raises OSError."""
        ours, theirs = socket.socketpair()
        status, status_end = os.pipe()
        output, output_end = os.pipe()
        given = (theirs.fileno(), status_end, output_end)
        try:
            with self._lock:
                control = self._running()
                socket.send_fds(control, [ASKED.pack(FORK, 0)], given)
        except BaseException:
            _close(ours, status, output)
            raise
        finally:
            theirs.close()
            os.close(status_end)
            os.close(output_end)
        pid = _number(status) if _readable(status, _STARTED_S) else None
        if pid is None or pid < 0:
            _close(ours, status, output)
            if pid is not None:  # it is alive, and so are its children
                raise OSError(-pid, os.strerror(-pid))
            self._end(control)  # it is dead, or frozen: the next child gets another
            raise OSError("the fork server started no process")
        return Child(pid, ours, output, status, self._inherited_mb or self._measured())

    def _measured(self) -> int:
        """Return the megabytes that children inherit.

        It has forked one already, so its imports and preparations are complete.
        """
        self._inherited_mb = tree.memory_mb_of(self.server_pid) if self.server_pid else 0
        return self._inherited_mb

    def kill(self, child: Child) -> None:
        """Kill the child, and everything that it started, if it has not ended."""
        with self._lock, contextlib.suppress(OSError):  # without a server it is dead already, or about to be
            if self._control is not None:
                self._control.sendall(ASKED.pack(KILL, child.pid))

    def close(self) -> None:
        """End the fork server with everything that it has forked, and wait for that. The next child starts another."""
        self._end(self._control)

    def _end(self, control: socket.socket | None) -> None:
        """End the fork server behind this socket, unless another thread has already ended and replaced it."""
        with self._lock:
            if self._control is None or self._control is not control or self._server is None:
                return
            self._control.close()
            try:
                self._server.wait(_ENDED_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._control = self._server = None

    def warm_up(self) -> None:
        """Start the fork server unless it is running. Raises OSError."""
        with self._lock:
            self._running()

    def _running(self) -> socket.socket:
        if self._control is None or self._server is None or self._server.poll() is not None:
            if self._control is not None:
                self._control.close()
            self._control, theirs = socket.socketpair()
            with theirs, _stop_signals_blocked():
                self._server = _start(theirs.fileno())
            self._inherited_mb = 0
        return self._control


@contextlib.contextmanager
def _stop_signals_blocked() -> Iterator[None]:
    """Block the signals that stop a worker, for what is started meanwhile, which inherits the mask.

    A stop from a terminal or a service manager reaches every process of the service. Only the worker may react to it: a
    report covered by the grace period must not die of it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(control: int) -> "subprocess.Popen[bytes]":
    environment = {name: value for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)}
    program = (
        f"import sys; sys.path[:] = {sys.path!r}; from shared.reports.process.fork_server import main; main({control})"
    )
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", program], env=environment, pass_fds=[control], stdin=subprocess.DEVNULL
    )


def _close(line: socket.socket, *descriptors: int) -> None:
    line.close()
    for descriptor in descriptors:
        os.close(descriptor)


def _readable(descriptor: int, timeout_s: float) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    return bool(waiting.poll(max(0.0, timeout_s) * 1000))


def _number(status: int) -> int | None:
    """Return the next number that the fork server has written; None if it is gone."""
    told = os.read(status, STATUS.size)
    return STATUS.unpack(told)[0] if len(told) == STATUS.size else None
