"""Renders every attempt in a process of its own, with a memory limit and a deadline, which dies with its worker.

Children are forked from a server process that has imported the formats already, because the imports take far longer
than a fork. A fresh child per attempt means that nothing of one report can reach the next.
"""

import atexit
import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from shared.reports import errors
from shared.reports.interface import Progress, RenderCancelled, RenderedFile, RenderRequest, ReportError
from shared.reports.process import sandbox
from shared.runtime import logs

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
"""The longest time until a request to stop is noticed."""
_KILL_WAIT_S = 5.0
_STOP_WAIT_S = 0.5

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["shared.reports.render", "shared.reports.process.sandbox"])
_bookkeeping = threading.Lock()
"""Held while a process is started or collected, because starting one collects every finished one, and collecting one in
two threads loses its exit code."""
_alive: set[Any] = set()


def render(
    request: RenderRequest,
    *,
    deadline_s: float,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
) -> tuple[RenderedFile, ...]:
    """Make the files in a child process and return them. Several threads may do so at once.

    Raises ReportError for every way in which a report can fail, and RenderCancelled within about 0.1 s once `cancel`
    is set. No child is left when this returns or raises.
    """
    end_at = time.monotonic() + deadline_s
    ours, theirs = _context.Pipe()
    process = _context.Process(
        target=sandbox.live, args=(theirs, request, logs.hand_over()), daemon=True, name="render"
    )
    with ours:
        try:
            _start(process)
        except (OSError, EOFError) as error:
            log.error("render.not_started", extra={"reason": repr(error)})
            raise errors.renderer_unavailable() from None
        finally:
            theirs.close()
        try:
            return _attend(
                process, ours, end_at, request, deadline_s=deadline_s, on_progress=on_progress, cancel=cancel
            )
        finally:
            _ask_to_stop(process, ours)
            _end(process)


def _start(process: Any) -> None:
    with _bookkeeping:
        _warm_up()
        process.start()
        _alive.add(process)


def _warm_up() -> None:
    """Start the fork server unless it runs, with the signals that ask a worker to stop blocked.

    A stop from a terminal or a service manager reaches every process of the service. Only the worker may answer it: a
    report that the grace period covers must not die of it. A process inherits the signals that its parent blocks.
    """
    resource_tracker.ensure_running()  # first: its start would lift the block again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _attend(
    process: Any,
    pipe: "Connection[Any, Any]",
    end_at: float,
    request: RenderRequest,
    *,
    deadline_s: float,
    on_progress: Callable[[Progress], None],
    cancel: threading.Event,
) -> tuple[RenderedFile, ...]:
    while True:
        if cancel.is_set():
            raise RenderCancelled("stopped by the worker")
        left_s = end_at - time.monotonic()
        if left_s <= 0:
            raise errors.attempt_timeout(deadline_s)
        _look_at_limits(process, request)
        if not wait([pipe, process.sentinel], timeout=min(left_s, _LOOK_EVERY_S)):
            continue
        match _receive(pipe):
            case Progress() as progress:
                on_progress(progress)
            case tuple() as files:
                _look_at_limits(process, request)
                return files
            case ReportError() as error:
                raise error
            case sandbox.Broken() as broken:
                log.error("render.broken", extra={"traceback": broken.traceback})
                raise broken.error
            case _:
                code = _exit_code(process)
                raise (
                    errors.cpu_limit_exceeded(deadline_s) if code == -signal.SIGXCPU else errors.renderer_crashed(code)
                )


def _look_at_limits(process: Any, request: RenderRequest) -> None:
    """Check what no limit of the kernel counts. Raises ReportError."""
    limits = request.report.limits
    if sandbox.memory_mb_of(process.pid) > limits.memory_mb:
        raise errors.memory_limit_exceeded(limits)
    if sandbox.scratch_mb_of(request.scratch) > limits.scratch_mb:
        raise errors.scratch_limit_exceeded(limits)


def _receive(pipe: "Connection[Any, Any]") -> object:
    """Return the child's next message, or None if it ended without one."""
    try:
        return pipe.recv() if pipe.poll() else None
    except (EOFError, OSError):
        return None


def _exit_code(process: Any) -> int | None:
    with _bookkeeping:
        process.join(_KILL_WAIT_S)
        code: int | None = process.exitcode
        return code


def _ask_to_stop(process: Any, pipe: "Connection[Any, Any]") -> None:
    """Give a child that is still at work the time that it needs to cancel its query on the server."""
    with contextlib.suppress(OSError):
        pipe.send("stop")
    wait([process.sentinel], timeout=_STOP_WAIT_S)


def _end(process: Any) -> None:
    with _bookkeeping:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if process.is_alive():
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()  # it may not have had a group of its own yet
        process.join(_KILL_WAIT_S)
        _alive.discard(process)


@atexit.register
def _end_all() -> None:
    """End every child before multiprocessing's own exit handler, which sends SIGTERM and waits for ever."""
    for process in list(_alive):
        _end(process)
