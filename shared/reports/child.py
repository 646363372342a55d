"""Every attempt renders in a process of its own, with a memory limit and a deadline, which dies with its worker.

Children are forked from a server process that has the renderers imported already: about 15 ms each instead of
0.8 s of imports. A fresh child an attempt means that nothing of one report can reach the next.
"""

import contextlib
import ctypes
import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from shared.reports import errors
from shared.reports.interface import Progress, RenderCancelled, RenderedFile, RenderRequest, ReportError

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
"""How soon a wish to stop is noticed."""
_KILL_WAIT_S = 5.0

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["shared.reports.render"])


def render(
    request: RenderRequest,
    *,
    deadline_s: float,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
) -> tuple[RenderedFile, ...]:
    """Make the files in a child process and wait for it.

    Raises ReportError for every way a report can fail, and RenderCancelled within about 0.1 s once `cancel` is
    set. Whatever happens, no child is left when this returns.
    """
    ours, theirs = _context.Pipe()
    process = _context.Process(target=_child, args=(theirs, request), daemon=True, name="render")
    process.start()
    theirs.close()
    try:
        return _attend(process, ours, deadline_s=deadline_s, on_progress=on_progress, cancel=cancel)
    finally:
        process.kill()
        process.join(_KILL_WAIT_S)
        ours.close()


def _attend(
    process: Any,
    pipe: "Connection[Any, Any]",
    *,
    deadline_s: float,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
) -> tuple[RenderedFile, ...]:
    end_at = time.monotonic() + deadline_s
    while True:
        if cancel.is_set():
            raise RenderCancelled("stopped by the worker")
        if time.monotonic() >= end_at:
            raise errors.attempt_timeout(deadline_s)
        if not wait([pipe, process.sentinel], timeout=_LOOK_EVERY_S):
            continue
        try:
            message = pipe.recv() if pipe.poll() else None
        except (EOFError, ConnectionResetError):
            message = None
        match message:
            case Progress():
                on_progress(message)
            case tuple():
                return message
            case ReportError():
                raise message
            case _:
                process.join(_KILL_WAIT_S)
                raise errors.renderer_died(process.exitcode)


def _child(pipe: "Connection[Any, Any]", request: RenderRequest) -> None:
    """The child's whole life."""
    _die_with_the_worker(pipe)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the worker decides
    limits = request.report.limits
    try:
        _limit_memory(limits.memory_mb)
        from shared.reports.render import render_files

        outcome: object = render_files(request, pipe.send)
    except BaseException as error:  # noqa: BLE001 - it must reach the worker, whatever it is
        outcome = errors.explain(error, limits)
        if outcome.code == "renderer_failed":
            traceback.print_exc(file=sys.stderr)
    with contextlib.suppress(BrokenPipeError):
        pipe.send(outcome)
    pipe.close()


def _die_with_the_worker(pipe: "Connection[Any, Any]") -> None:
    """The worker never writes to the pipe: when it becomes readable, the worker is gone."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            pipe.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="worker-watch").start()
    if sys.platform == "linux":
        # Covers a child that holds the interpreter lock in C. Its parent, the fork server, ends with the worker.
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _limit_memory(memory_mb: int) -> None:
    """Private writable memory only: RLIMIT_AS would also count mapped libraries, which cost nothing."""
    limit = memory_mb * 1024 * 1024
    with contextlib.suppress(ValueError, OSError):  # macOS knows the limit but does not enforce it
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
