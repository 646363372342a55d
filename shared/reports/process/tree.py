"""The processes of a report, according to /proc: its child, and everything that the child has started."""

import contextlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

_PROC = "/proc"
MOST_TASKS = 512
"""Processes and threads of one report together. Correct ones have a few per core; a container has a limit of its
own."""


@dataclass(frozen=True, slots=True)
class Use:
    """What the processes of a report use together. All is 0 where it cannot be determined."""

    memory_mb: int
    """Without files. No kernel limit counts this for several processes (cgroups do, and a container has one)."""
    tasks: int
    """Processes and threads."""


def use_of(pid: int, *, enough_mb: int, inherited_mb: int = 0) -> Use:
    """Return what `pid` and its descendants use. Above `enough_mb` it is measured exactly: shared pages count once.

    `inherited_mb` does not count: `pid` has it from the process that it was forked from.
    """
    pids = tree_of(pid)
    rough = [_fields(one, "status") for one in pids]
    tasks = sum(fields.get("Threads", 0) for fields in rough)
    memory_kb = sum(fields.get("RssAnon", 0) + fields.get("RssShmem", 0) for fields in rough)
    if len(pids) > 1 and (memory_kb >> 10) - inherited_mb > enough_mb:
        exact = [_fields(one, "smaps_rollup") for one in pids]
        memory_kb = sum(fields.get("Pss_Anon", 0) + fields.get("Pss_Shmem", 0) for fields in exact) or memory_kb
    return Use(max(0, (memory_kb >> 10) - inherited_mb), tasks)


def memory_mb_of(pid: int) -> int:
    """Return how much memory `pid` alone has, without files."""
    return _fields(pid, "status").get("RssAnon", 0) >> 10


def cpu_s_of(pid: int) -> float:
    """Return the processor time of all threads of `pid` so far; 0 if it cannot be determined."""
    with contextlib.suppress(OSError):
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    return 0.0


_CPU_CLOCK = 2
"""What clock_getcpuclockid(3) makes of a process id: the clock of its processor time (<linux/posix-timers.h>)."""


def tree_of(pid: int) -> Sequence[int]:
    """Return `pid` and its descendants; if there are more than allowed, only as many as prove it."""
    found = [pid]
    for one in found:
        if len(found) > MOST_TASKS:
            break
        found += children_of(one)
    return found


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`. They may have ended, and wait to be collected."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"{_PROC}/{pid}/task"):  # noqa: PTH208 - see _read
            with contextlib.suppress(OSError):
                found += map(int, _read(f"{_PROC}/{pid}/task/{task}/children").split())
    return found


def _read(name: str) -> bytes:
    """Return the whole file. Raises OSError."""
    # With a path and a decoder for each this took five times as long, and the fork server reads these files for each
    # attempt.
    with open(name, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def _fields(pid: int, file: str) -> dict[str, int]:
    """Return the needed numbers of one file by name: the number of threads, all others in kilobytes."""
    with contextlib.suppress(OSError):
        return {name.decode(): int(number) for name, number in _FIELD.findall(_read(f"{_PROC}/{pid}/{file}"))}
    return {}


_FIELD = re.compile(rb"^(Threads|RssAnon|RssShmem|Pss_Anon|Pss_Shmem):\s*([0-9]+)", re.MULTILINE)
