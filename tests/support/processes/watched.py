"""Records what a forked service does to files, and its answers, by name, and breaks them where a plan says so.

Runs inside the service, but outside its code: it wraps `os.link`, `os.rename` and similar functions, which pathlib,
shutil and tempfile all call. It does not handle statements and queue calls: those are seen on the wire.

In the watched folder, `plan.json` has the faults (the test may change it at any time), `seen` gets a line per effect,
and `done-N-M` marks the M-th fault of plan N as carried out, once, in whichever process.
"""

import builtins
import errno
import faulthandler
import functools
import importlib
import io
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from shared.reports.interface import Progress
from tests.support.faults.plan import Fault

_PLACES = (("/artifacts/", "store"), ("/todoke-extracts/", "extract"), ("/scratch/", "scratch"))
_RANDOM = re.compile(r"^(\.part-).*|^(todoke-)(?!extracts).*|^[0-9a-f]{8}-[0-9a-f-]{27}$")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _named(path: str) -> str | None:
    """Return a name such as `store slow.csv`: the place and the name of a file, without random parts."""
    for fragment, place in _PLACES:
        if not path.endswith(" (deleted)") and fragment in f"{path}/":
            leaf = path.rstrip("/").rpartition("/")[2]
            return f"{place} {_RANDOM.sub(lambda m: (m[1] or m[2] or 'id') + '*', leaf)}"
    return None


def _path_of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - pathlib itself is watched


def _absolute(path: Any, dir_fd: int | None) -> str:
    plain = _path_of(path) if isinstance(path, int) else os.fsdecode(path)
    if dir_fd is not None and not plain.startswith("/"):
        return f"{_path_of(dir_fd)}/{plain}"
    return os.path.join(os.getcwd(), plain)  # noqa: PTH109, PTH118 - pathlib itself is watched


class Watch:
    """Counts and breaks. A report's child starts its own counts, because it is forked without any."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._plan: dict[str, Any] = {"number": -1, "faults": []}
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._open = os.open
        self.in_a_child = False

    def at(self, effect: str) -> Fault | None:
        """Record an effect that is about to happen, and return its fault."""
        name = f"child {effect}" if self.in_a_child else effect
        with self._lock:
            self._write("seen", name + "\n", os.O_APPEND)
            self._look()
            self._counts[name] += 1
            for number, (wanted, nth, fault) in enumerate(self._plan["faults"]):
                if (wanted, nth) == (name, self._counts[name]) and self._first(number):
                    return Fault(fault)
        return None

    def _look(self) -> None:
        descriptor = self._open(f"{self._folder}/plan.json", os.O_RDONLY)
        plan = json.loads(os.read(descriptor, 1 << 16))
        os.close(descriptor)
        if plan["number"] != self._plan["number"]:
            self._plan = plan
            self._counts.clear()

    def _first(self, number: int) -> bool:
        try:
            self._write(f"done-{self._plan['number']}-{number}", "", os.O_EXCL)
        except FileExistsError:
            return False
        return True

    def _write(self, name: str, text: str, flags: int) -> None:
        descriptor = self._open(f"{self._folder}/{name}", os.O_WRONLY | os.O_CREAT | flags, 0o644)
        os.write(descriptor, text.encode())
        os.close(descriptor)

    def around(self, effect: str, act: Callable[[], Any], *, cut_short: Callable[[], None] | None = None) -> Any:
        """Run `act`, or what the plan makes of it."""
        fault = self.at(effect)
        match fault:
            case Fault.KILL_BEFORE:
                os.kill(os.getpid(), signal.SIGKILL)
            case Fault.STALL_BEFORE:
                os.kill(os.getpid(), signal.SIGSTOP)
            case Fault.ERROR:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            case Fault.PARTIAL if cut_short is not None:
                cut_short()
        try:
            return act()
        finally:  # a failure (the folder exists already) is an answer, too
            match fault:
                case Fault.KILL_AFTER:
                    os.kill(os.getpid(), signal.SIGKILL)
                case Fault.STALL_AFTER:
                    os.kill(os.getpid(), signal.SIGSTOP)


def watch(folder: Path, *, renders: bool) -> None:
    """Wrap everything that leaves a trace in a file, from now on and in what this process forks."""
    one = Watch(folder)
    faulthandler.register(signal.SIGUSR1)  # for the log of one that does not end
    _set_clock(float(os.environ.get("CLOCK_OFFSET_S", "0")))
    _shorten_pauses()
    _watch_names(one)
    _watch_opening(one)
    _watch_answers(one)
    if renders:
        _fork_the_fork_server(one, folder)


def _set_clock(offset_s: float) -> None:
    """Set this host's wall clock wrong. The monotonic clock continues unchanged, as it would."""
    real, real_ns = time.time, time.time_ns
    if offset_s:
        time.time = lambda: real() + offset_s
        time.time_ns = lambda: real_ns() + int(offset_s * 1e9)


_PAUSES_S = {
    ("services.worker.worker", "_LAST_WRITES_S"): 2.0,
    ("services.worker.fitness", "_PROBE_EVERY_S"): 0.1,
    ("services.worker.cooldown", "_FIRST_S"): 1.0,
    ("services.worker.cooldown", "_FIRST_OF_ALL_S"): 0.3,
    ("services.relay.assembly", "_RETENTION_EVERY_S"): 0.2,
}
"""Pauses that no operator needs to set, and that a stage with one worker would repeat: a minute for each attempt that
found a full disk.
"""


def _shorten_pauses() -> None:
    for (module, name), seconds in _PAUSES_S.items():
        assert hasattr(sys.modules[module], name), f"{module} has no {name} any more"
        setattr(sys.modules[module], name, seconds)


def _watch_names(one: Watch) -> None:
    def stand_before(function: str, verb: str, position: int) -> None:
        original = getattr(os, function)

        @functools.wraps(original)
        def watched(*arguments: Any, **keywords: Any) -> Any:
            target = arguments[position] if position < len(arguments) else keywords["dst"]
            named = _named(_absolute(target, keywords.get("dst_dir_fd", keywords.get("dir_fd"))))
            if named is None:
                return original(*arguments, **keywords)
            place, _, leaf = named.partition(" ")

            def half() -> None:
                os.ftruncate(target, os.fstat(target).st_size // 2)

            cut_short = half if function == "fsync" and isinstance(target, int) else None
            return one.around(f"{place} {verb} {leaf}", lambda: original(*arguments, **keywords), cut_short=cut_short)

        setattr(os, function, watched)

    for function, verb, position in (
        ("link", "link", 1), ("rename", "rename", 1), ("replace", "rename", 1), ("unlink", "unlink", 0),
        ("remove", "unlink", 0), ("mkdir", "mkdir", 0), ("rmdir", "rmdir", 0), ("fsync", "fsync", 0),
    ):  # fmt: skip
        stand_before(function, verb, position)


def _watch_opening(one: Watch) -> None:
    real_os_open, real_open = os.open, io.open

    def opened(path: Any, act: Callable[[], Any], dir_fd: int | None = None) -> Any:
        named = None if isinstance(path, int) else _named(_absolute(path, dir_fd))
        if named is None:
            return act()
        place, _, leaf = named.partition(" ")
        return one.around(f"{place} create {leaf}", act)

    def os_open(path: Any, flags: int, *arguments: Any, **keywords: Any) -> Any:
        def act() -> Any:
            return real_os_open(path, flags, *arguments, **keywords)

        unnamed = flags & os.O_TMPFILE == os.O_TMPFILE
        return opened(path, act, keywords.get("dir_fd")) if flags & _WRITING and not unnamed else act()

    def plain_open(file: Any, mode: str = "r", *arguments: Any, **keywords: Any) -> Any:
        def act() -> Any:
            return real_open(file, mode, *arguments, **keywords)

        return opened(file, act) if set(mode) & set("wax+") and "opener" not in keywords else act()

    os.open = os_open
    io.open = plain_open
    builtins.open = plain_open


def _watch_answers(one: Watch) -> None:
    """Wrap what a report's child sends to its worker, and what the API sends to a client."""
    messages: Any = importlib.import_module("shared.reports.process.messages")

    send: Any = messages.send

    def watched_send(line: Any, what: Any, scratch: Any) -> None:
        if isinstance(what, Progress | messages.SourceRead | messages.Chart):
            send(line, what, scratch)
        else:
            answer = "sends files" if isinstance(what, tuple) else "sends an error"
            one.around(answer, lambda: send(line, what, scratch))

    messages.send = watched_send
    from starlette.responses import Response

    call = Response.__call__

    async def watched_call(response: Any, scope: Any, receive: Any, sending: Any) -> None:
        if scope["method"] != "POST":
            await call(response, scope, receive, sending)
            return
        fault = one.at(f"answer {response.status_code}")
        if fault is Fault.KILL_BEFORE:
            os.kill(os.getpid(), signal.SIGKILL)
        await call(response, scope, receive, sending)
        if fault is Fault.KILL_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)

    response: Any = Response
    response.__call__ = watched_call


class _Forked:
    """A fork server, with the part of `subprocess.Popen` that the launcher uses."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def poll(self) -> int | None:
        return self._wait(os.WNOHANG)

    def wait(self, timeout: float | None = None) -> int | None:
        del timeout
        return self._wait(0)

    def _wait(self, how: int) -> int | None:
        try:
            pid, status = os.waitpid(self.pid, how)
        except ChildProcessError:
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None


def _fork_the_fork_server(one: Watch, folder: Path) -> None:
    """Start the fork server as a fork of this process, which has imported the renderers already.

    Done now, while there is one thread; the worker then finds it running. Children may write to the watched folder.
    """
    from shared.reports.process import child, fork_server, launcher

    sandbox: Any = importlib.import_module("shared.reports.process.sandbox")
    become, confine = fork_server._become, sandbox.confine

    def watched_become(line: int, output: int) -> NoReturn:
        one.in_a_child = True
        become(line, output)

    def watched_confine(needs: Any) -> Any:
        allowed, source = confine(needs)
        return replace(allowed, writable=[*allowed.writable, str(folder)]), source

    def start(control: int) -> Any:
        if pid := os.fork():
            return _Forked(pid)
        for low, high in ((3, control), (control + 1, 4096)):
            os.closerange(low, high)
        try:
            fork_server.main(control)
        finally:
            os._exit(0)

    fork_server._become, sandbox.confine = watched_become, watched_confine
    launcher._start = start
    child.launcher.warm_up()
