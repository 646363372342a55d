"""The cost of confining a report's process: `python -m tests.benchmarks.isolation` prints milliseconds for each step.

Namespaces, which Todoke does not use, stand beside it where the user may make them.
"""

import ctypes
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from shared.reports.process import isolation, kernel, landlock, seccomp, tree
from shared.reports.process.confinement import Needs, confine

_TIMES = 100
_NEW_PID, _NEW_NET, _NEW_USER = 0x20000000, 0x40000000, 0x10000000
_libc = ctypes.CDLL(None, use_errno=True)


def _each(act: Callable[[], object]) -> tuple[float, float]:
    """Medians in a process of its own each: processor time of the act, and all time from fork to end."""
    acts, wholes = [], []
    for _ in range(_TIMES):
        reading, writing = os.pipe()
        began = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            before = time.process_time()
            act()
            os.write(writing, repr(time.process_time() - before).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        wholes.append(time.perf_counter() - began)
        os.close(writing)
        acts.append(float(os.read(reading, 99) or b"nan"))
        os.close(reading)
    return statistics.median(acts) * 1000, statistics.median(wholes) * 1000


def _unshare(what: int) -> None:
    if _libc.unshare(what) == 0 and what & _NEW_PID and (pid := os.fork()) == 0:
        os._exit(0)
    elif what & _NEW_PID:
        os.waitpid(pid, 0)


def main() -> None:
    """Print the table."""
    found = isolation.found()
    isolation.prepare()
    with tempfile.TemporaryDirectory() as folder:
        needs = Needs("postgresql://u@127.0.0.1/x", {}, folder, None, [], network=False)
        allowed, _ = confine(needs)

        def files() -> None:
            landlock.restrict(found.landlock, readable=allowed.readable, writable=allowed.writable, ports=allowed.ports)

        def calls() -> None:
            kernel.give_up_privileges()
            seccomp.refuse(allowed.sockets)

        def all_of_it() -> None:
            kernel.give_up_privileges()
            found.enter(confine(needs)[0])

        for name, act in (
            ("nothing", lambda: None), ("what may be reached", lambda: confine(needs)), ("Landlock", files),
            ("seccomp", calls), ("all of it", all_of_it), ("a pid namespace", lambda: _unshare(_NEW_PID)),
            ("a network namespace", lambda: _unshare(_NEW_NET)), ("a user namespace", lambda: _unshare(_NEW_USER)),
            ("the worker's look at a process", lambda: tree.use_of(os.getpid(), enough_mb=1 << 20)),
        ):  # fmt: skip
            alone, whole = _each(act)
            print(f"{name:32} {alone:8.3f} ms, from fork to end {whole:8.3f} ms")


if __name__ == "__main__":
    main()
