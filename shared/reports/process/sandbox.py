"""Runs a child: bounded in memory, without the worker's secrets, gone when the worker is gone."""

import contextlib
import os
import resource
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from shared.catalog.model import Format, Limits
from shared.reports.explain import explain
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.stop import stop
from shared.runtime import logs
from shared.runtime.parent_death import end_with_parent

_RESERVE_MB = 1024
"""Address space that engines take and hardly touch, which RLIMIT_DATA counts all the same: 640 MB of V8 for the code of
charts (vl-convert 1.9), the rest of DuckDB for thread stacks and freed memory (2.0)."""
# What libpq, locales and TLS read. The rest of the worker's environment (job database, cloud keys) is not for reports.
_ENVIRONMENT = ("PG", "LC_", "LANG", "TZ", "PATH", "HOME", "TMPDIR", "SSL_CERT_")


@dataclass(frozen=True, slots=True)
class Broken:
    """A failure that nobody foresaw, with the traceback that the operator needs."""

    error: ReportError
    traceback: str


def live(pipe: "Connection[Any, Any]", request: RenderRequest, handover: logs.Handover | None = None) -> None:
    """Render, sending progress and then one outcome: the files, a ReportError, or Broken."""
    logs.take_over(handover)
    limits = request.report.limits
    # Nothing but libpq works on a CSV alone: there the kernel can hold the limit to the megabyte.
    reserve_mb = 0 if request.formats == (Format.CSV,) else _RESERVE_MB
    enter(pipe, limits.memory_mb + reserve_mb, cloud_keys=request.source_dsn.startswith("s3://"))
    _limit_work(limits)
    outcome: object
    try:
        from shared.reports.render import render_files

        outcome = render_files(request, pipe.send)
    except BaseException as error:  # noqa: BLE001 - it must reach the worker, whatever it is
        explained = explain(error, limits)
        foreseen = explained is error or explained.code != "renderer_failed"
        outcome = explained if foreseen else Broken(explained, traceback.format_exc())
    with contextlib.suppress(BrokenPipeError):
        pipe.send(outcome)


def enter(pipe: "Connection[Any, Any]", memory_mb: int, *, cloud_keys: bool = False) -> None:
    """Make this process one that a report may run in. `cloud_keys` leaves it the keys of AWS."""
    os.setsid()  # the worker kills the whole group: what a report starts ends with it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_the_worker(pipe)
    for name in set(os.environ):
        if not name.startswith((*_ENVIRONMENT, "AWS_") if cloud_keys else _ENVIRONMENT):
            del os.environ[name]
    _limit(resource.RLIMIT_CORE, 0)  # a core file would hold the source's password
    _limit_memory(memory_mb)


def _die_with_the_worker(pipe: "Connection[Any, Any]") -> None:
    """End this process when the worker ends, in two ways: a thread watches the pipe, the kernel the fork server."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            pipe.poll(None)  # the worker writes nothing but the wish to stop: readable means that, or closed
        stop()
        os._exit(1)

    if sys.platform == "linux":
        # For a child that never lets go of the interpreter lock. The fork server is its parent and ends when no
        # process holds the server's "alive" pipe: each child does, so that one orphan would keep both alive.
        with contextlib.suppress(AttributeError, OSError, TypeError):
            os.close(forkserver._forkserver._forkserver_alive_fd)  # type: ignore[attr-defined] # noqa: SLF001 - no public name
        end_with_parent(signal.SIGKILL)
        with contextlib.suppress(OSError):
            # When the machine runs out of memory, the kernel takes a report and not its worker.
            Path("/proc/self/oom_score_adj").write_text("500")
    threading.Thread(target=watch, daemon=True, name="worker-watch").start()


def memory_mb_of(pid: int) -> int:
    """Return the process's own memory in use, without files and shared pages; 0 where it cannot be told.

    The worker looks ten times per second, because no kernel limit counts this (cgroups do, and a container has one).
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) >> 10
    return 0


def scratch_mb_of(folder: Path) -> int:
    """Return the megabytes on disk below `folder`, each file once however many names it has."""
    sizes: dict[int, int] = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # gone again
            status = path.lstat()
            sizes[status.st_ino] = status.st_blocks * 512
    return sum(sizes.values()) >> 20


def _limit_memory(memory_mb: int) -> None:
    """Limit private writable memory only: RLIMIT_AS would also count mapped libraries, which cost nothing.

    Linux counts private mappings since 4.7 (setrlimit(2), read 2026-11-23); macOS does not enforce it.
    """
    _limit(resource.RLIMIT_DATA, memory_mb << 20)


def _limit_work(limits: Limits) -> None:
    """Limit processor time, to what no honest report reaches before its deadline, and the size of any one file.

    The worker limits all files together.
    """
    cores = os.cpu_count() or 1
    _limit(resource.RLIMIT_CPU, int(limits.timeout_s * cores) + 1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then a write answers EFBIG
    _limit(resource.RLIMIT_FSIZE, limits.scratch_mb << 20)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(what, (most, most))
