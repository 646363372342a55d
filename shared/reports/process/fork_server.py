"""The process that forks a child for each attempt. It has imported all formats, and has never held a secret.

The worker starts it as a program of its own, with an environment without secrets: what a process inherits by a fork
cannot be hidden from it. It holds no capabilities, and is the parent of last resort of everything that its children
start, however they try to escape: when a child ends, what it left behind is killed before the end is reported.
"""

import contextlib
import errno
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from typing import NoReturn

from shared.reports.process import gaps, huge_pages, immortal, isolation, kernel, spare, tree
from shared.runtime.gc_tuning import search_seldom

FORK, KILL = b"f", b"k"
"""The worker's requests: fork a child (whose line, status and output are passed along), or kill the one with this
id."""
ASKED = struct.Struct("=cq")
STATUS = struct.Struct("=q")
"""The child's id, when it has begun; or why there is none, as a negative error number."""
ENDED = struct.Struct("=qdq")
"""Its exit code when it has ended, negative for a signal; its seconds of processor time; its peak memory in
kilobytes."""
_PRELOADED = ("shared.reports.render", "shared.reports.process.sandbox")
_WARM_UP = "shared.reports.warm_up"
_LAST_WORDS_S = 0.5
"""How long the children of a worker that is gone may take to cancel their queries."""
_STRAYS_S = 5.0


def main(control: int) -> NoReturn:
    """Serve the worker at the other end of the socket `control` until it is gone."""
    for name in _PRELOADED:
        # A format whose package is missing fails only its own reports.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    _warm_up()
    kernel.collect_orphans()
    kernel.give_up_privileges()
    isolation.prepare()
    gc.collect()
    immortal.make()
    search_seldom()  # children share what is frozen by this, until somebody writes to it
    gaps.fill()
    huge_pages.use()
    with socket.socket(fileno=control) as asked:
        _Server(asked).run()
    os._exit(0)  # libraries would log complaints about what they hold at the end


def _warm_up() -> None:
    """Prepare what can be prepared. Each report finds and reports errors in this by itself."""
    try:
        importlib.import_module(_WARM_UP).warm_up()
    except Exception:  # noqa: BLE001 - reports can be made without
        traceback.print_exc()


class _Server:
    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._statuses: dict[int, int] = {}
        """Each child's id → where its exit code must be written."""
        self._spares = spare.Spares(lambda *others: spare.fork(lambda: self._forget(*others), _become))
        self._ends, self._wake = os.pipe()
        for end in (self._ends, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> None:
        """Fork and collect children until the worker is gone, and then end everything."""
        waiting = select.poll()
        waiting.register(self._asked, select.POLLIN)
        waiting.register(self._ends, select.POLLIN)
        self._spares.have_one()
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll()}
            if self._ends in ready:
                os.read(self._ends, 4096)
                self._collect()
            if self._asked.fileno() in ready and not self._answer():
                break
        self._end_all()

    def _answer(self) -> bool:
        """Carry out a request of the worker. False if it is gone."""
        try:
            asked, descriptors, _, _ = socket.recv_fds(self._asked, ASKED.size, 3)
        except ConnectionError:
            return False
        if len(asked) < ASKED.size:
            return False
        what, pid = ASKED.unpack(asked)
        if what == FORK:
            self._fork(*descriptors)
            # Here and not whenever one has died: whatever kills it may kill the next one, and so on forever.
            self._spares.have_one()
        elif pid in self._statuses:  # not collected yet, so the id is still its own
            _kill(pid)
        return True

    def _fork(self, line: int, status: int, output: int) -> None:
        """Let a child begin with its line and its output; its end will be written to `status`."""
        try:
            pid = self._spares.begin(line, output, status)
        except OSError as error:
            _write(status, STATUS.pack(-(error.errno or errno.ECHILD)))
            os.close(status)
        else:
            self._statuses[pid] = status
            _write(status, STATUS.pack(pid))
        os.close(line)
        os.close(output)

    def _forget(self, *others: int) -> None:
        """Close what belongs to the server, and the descriptors of other children."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._asked.close()
        for descriptor in (self._ends, self._wake, *self._statuses.values(), *others):
            os.close(descriptor)

    def _collect(self) -> None:
        while True:
            try:
                pid, ended, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._spares.ended(pid)
            status = self._statuses.pop(pid, None)
            if status is not None:
                self._kill_strays()
                cpu_s = used.ru_utime + used.ru_stime
                _write(status, ENDED.pack(os.waitstatus_to_exitcode(ended), cpu_s, _kb(used.ru_maxrss)))
                os.close(status)

    def _kill_strays(self) -> None:
        """Kill what ended children left behind. The kernel makes this process the parent of all of it."""
        give_up_at = time.monotonic() + _STRAYS_S
        ours = {*self._statuses, *self._spares.pids}
        while strays := [pid for pid in tree.children_of(os.getpid()) if pid not in ours]:
            for pid in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in strays:
                with contextlib.suppress(ChildProcessError):
                    while os.waitpid(pid, os.WNOHANG)[0] == 0 and time.monotonic() < give_up_at:
                        time.sleep(0.001)
            if time.monotonic() >= give_up_at:
                return  # stuck in the kernel, on a disk that does not answer

    def _end_all(self) -> None:
        """End the children, which have noticed that their worker is gone.

        Those that do not end by themselves are killed.
        """
        give_up_at = time.monotonic() + _LAST_WORDS_S
        while self._statuses and time.monotonic() < give_up_at:
            self._collect()
            time.sleep(0.005)
        for pid in self._statuses:
            _kill(pid)
        self._statuses.clear()
        self._spares.let_go()
        self._kill_strays()


def _become(line: int, output: int) -> NoReturn:
    """Become a child: its output goes to the worker, and nothing to the worker's own log."""
    from shared.reports.process import sandbox

    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with socket.socket(fileno=line) as end:
        sandbox.live(end)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(0)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # it may not have had a group of its own yet


def _write(status: int, told: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # the worker no longer reads
        os.write(status, told)


def _kb(most: int) -> int:
    """Convert getrusage(2)'s peak memory to kilobytes: on macOS it is in bytes."""
    return most if kernel.LINUX else most >> 10
