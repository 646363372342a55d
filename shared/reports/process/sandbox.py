"""Becomes the process that makes one report: it is confined first, and only then loads anything of the report."""

import contextlib
import os
import pickle
import resource
import signal
import socket
import struct
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Literal

from shared.catalog.model import Limits
from shared.failures import FailureCode
from shared.reports import charts
from shared.reports.errors import memory_limit_exceeded
from shared.reports.explain import explain
from shared.reports.interface import RenderedFile, RenderRequest, ReportError
from shared.reports.process import chart_process, kernel, messages
from shared.reports.process.confinement import Needs, confine
from shared.reports.process.isolation import Isolation
from shared.reports.process.worker_listener import WorkerListener
from shared.reports.sources import scram
from shared.runtime import logs
from shared.runtime.parent_death import end_with_parent

_RESERVE_MB = 1024
"""Address space that engines reserve and hardly use, which RLIMIT_DATA counts all the same: 640 MB of V8 for the code
of charts (vl-convert 1.9), the rest of DuckDB for thread stacks and freed memory (2.0)."""
_STACK_BYTES = 16 << 20
"""More private memory than any thread requests at its start."""
_LENGTH = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Task:
    """The task of a child. It comes from the worker, and is trusted."""

    needs: Needs
    isolation: Isolation
    path: Sequence[str]
    """Where Python looks for modules."""
    log_level: str | None
    """The log level; None for a command, which does not log."""
    request: bytes | None
    """The RenderRequest, pickled: it may refer to classes of a package, whose code must not run before the lock-down.
    None for the process that draws charts."""
    login: scram.Login = scram.AS_EVER
    """How it logs in to its source, if that is PostgreSQL."""


def assign(line: socket.socket, request: RenderRequest, isolation: Isolation, login: scram.Login) -> None:
    """Tell the child at the other end of the line to make a report. Called by the worker. Raises OSError."""
    _send(line, Task(Needs.of(request), isolation, sys.path, logs.level(), pickle.dumps(request), login))


def assign_charts(line: socket.socket, fonts: Path | None, isolation: Isolation) -> None:
    """Tell the child at the other end of the line to draw charts. Called by the worker. Raises OSError."""
    _send(line, Task(Needs.of_charts(fonts), isolation, sys.path, logs.level(), None))


def _send(line: socket.socket, task: Task) -> None:
    packed = pickle.dumps(task)
    line.sendall(_LENGTH.pack(len(packed)) + packed)


def live(line: socket.socket) -> None:
    """Do what the worker assigns."""
    task = _received(line)
    sys.path[:] = task.path
    logs.take_over(task.log_level)
    if task.request is None:
        enter(task.needs, task.isolation)
        limit_memory(chart_process.MEMORY_MB + _RESERVE_MB)
        chart_process.serve(line, Path(task.needs.files[0]) if task.needs.files else None)
    else:
        _report(line, task, task.request)


def _report(line: socket.socket, task: Task, request_: bytes) -> None:
    """Make one report, sending progress and then one outcome: the files, a ReportError, or Broken."""
    scratch = Path(task.needs.scratch or "")

    def tell(message: messages.Told) -> None:
        messages.send(line, message, scratch)

    outcome: Sequence[RenderedFile] | ReportError | messages.Broken
    limits = Limits()
    try:
        source = enter(task.needs, task.isolation)
        charts.draw_by(WorkerListener(line, tell).draw)
        if task.login.tells_salt:
            scram.log_in_by(task.login.keys, lambda salt: tell(messages.SaltMet(salt)))
        request = replace(pickle.loads(request_), source_dsn=source, scratch=scratch)  # noqa: S301 - the worker's
        limits = request.report.limits
        # If only libpq is at work, the kernel can enforce the limit to the megabyte.
        limit_memory(limits.memory_mb + (0 if task.needs.copied else _RESERVE_MB))
        _limit_work(limits)
        from shared.reports.render import render_files

        outcome = render_files(request, tell, lambda sent_bytes: tell(messages.SourceRead(sent_bytes)))
    except BaseException as error:  # noqa: BLE001 - it must reach the worker, whatever it is
        explained = explained_here(error, limits)
        foreseen = explained is error or explained.code != "renderer_failed"
        outcome = explained if foreseen else messages.Broken(explained, traceback.format_exc())
    with contextlib.suppress(BrokenPipeError):
        tell(outcome)


def explained_here(error: BaseException, limits: Limits) -> ReportError:
    """Explain the error, considering that this process may have had no memory for a thread: the kernel says EAGAIN
    then.
    """
    explained = explain(error, limits)
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    has_room = most == resource.RLIM_INFINITY or most - _data_bytes() >= _STACK_BYTES
    return explained if has_room or explained.code != FailureCode.WORKER_EXHAUSTED else memory_limit_exceeded(limits)


def _received(line: socket.socket) -> Task:
    [length] = _LENGTH.unpack(line.recv(_LENGTH.size, socket.MSG_WAITALL))
    task: Task = pickle.loads(line.recv(length, socket.MSG_WAITALL))  # noqa: S301 - the worker's
    return task


def enter(needs: Needs, isolation: Isolation) -> str:
    """Turn this process into one in which a report may run.

    Returns the URL of the report's source, as it is reached now.
    """
    os.setsid()  # so that signals to the worker, or from a terminal, do not reach it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(signal.SIGKILL)
    kernel.collect_orphans()  # so that everything it starts counts as its own, whatever ends in between
    if kernel.LINUX:
        # When the machine runs out of memory, the kernel should kill a report and not its worker.
        with contextlib.suppress(OSError), _opened("oom_score_adj", "wb") as file:
            file.write(b"500")
    _limit(resource.RLIMIT_CORE, 0)  # a core file would hold the source's password
    os.environ.update(needs.environment)
    allowed, source = confine(needs)
    os.environ["TMPDIR"] = tempfile.tempdir = needs.scratch or "/nowhere"
    os.chdir(needs.scratch or "/")
    isolation.enter(allowed)
    return source


def limit_memory(memory_mb: int) -> None:
    """Limit private writable memory only: RLIMIT_AS would also count mapped libraries, which cost nothing.

    What this process has by now is not counted: it came with the fork. Linux counts private mappings since 4.7
    (setrlimit(2), read 2026-11-23); macOS does not enforce it.
    """
    _limit(resource.RLIMIT_DATA, (memory_mb << 20) + _data_bytes())


def _data_bytes() -> int:
    """The private writable memory of this process, used or not."""
    with contextlib.suppress(OSError), _opened("statm", "rb") as file:
        return int(file.read().split()[5]) * resource.getpagesize()
    return 0


def _opened(name: str, mode: Literal["rb", "wb"]) -> FileIO:
    """Open a file in which the kernel describes this process, without a path object and a decoder, whose 30 pages would
    have to be copied first.
    """
    return open(f"/proc/self/{name}", mode, buffering=0)  # noqa: PTH123


def _limit_work(limits: Limits) -> None:
    """Limit processor time, to what no correct report reaches before its deadline, and the size of a single file.

    The worker limits all files together.
    """
    cores = os.cpu_count() or 1
    _limit(resource.RLIMIT_CPU, int(limits.timeout_s * cores) + 1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write fails with EFBIG
    _limit(resource.RLIMIT_FSIZE, limits.scratch_mb << 20)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(what, (most, most))
