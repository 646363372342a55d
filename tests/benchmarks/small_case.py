"""Whole attempts of a small report, as a worker makes them: `python -m tests.benchmarks.small_case DSN FORMAT TIMES`.
`plain-html` and `plain-xlsx` have rows alone, as what a user would write has.

Prints JSON: milliseconds of one attempt, by the clock (median) and by processor time: the worker's share, the fork
server's and that of every process it started, with isolation in force, files read back, stored on disk. And the page
faults of the processes that ended.
`REPORT_PREVIEW=off` leaves out what is kept beside the files.
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from services.worker.attempt import Attempts
from services.worker.cooldown import Cooldown
from services.worker.held import Held
from services.worker.scratch import Scratch
from shared.database.engine import create_engine
from shared.jobs.lease import Lease, StartedJob
from shared.jobs.succeed import Success
from shared.reports.process import child, tree
from shared.runtime.gc_tuning import search_seldom
from tests.benchmarks import small_table
from tests.support.sqs.double import InMemoryQueue
from tests.support.worker import worker_parts

_TICKS = os.sysconf("SC_CLK_TCK")
_CHILDRENS_FAULTS = 8
_UTIME = 11
"""Of what follows the name in /proc/…/stat; then stime, and the same of ended children."""


def main() -> None:
    """Measure one format."""
    dsn, format_, times = sys.argv[1], small_table.format_of(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory(prefix="todoke-small-") as folder:
        attempts = _attempts(dsn, Path(folder), plain=small_table.is_plain(sys.argv[2]))
        _run(attempts, format_)
        _run(attempts, format_)
        search_seldom()
        before, faults_before, walls = _cpu_s(), _faults(), []
        for _ in range(times):
            began = time.perf_counter()
            _run(attempts, format_)
            walls.append(time.perf_counter() - began)
        cpu_s, faults = (_cpu_s() - before) / times, (_faults() - faults_before) / times
    print(json.dumps({"cpu_ms": cpu_s * 1000, "wall_ms": statistics.median(walls) * 1000, "page_faults": faults}))


def _attempts(dsn: str, folder: Path, *, plain: bool) -> Attempts:
    engine = create_engine(dsn, application_name="small-case")
    parts = worker_parts(
        engine, InMemoryQueue(), folder, render=child.render, catalog=small_table.catalog(plain=plain),
        REPORT_SOURCE_URL=dsn,
        REPORT_PREVIEW=os.environ.get("REPORT_PREVIEW", "on"),
    )  # fmt: skip
    return Attempts(parts, Cooldown(), Scratch(folder, engine))


def _run(attempts: Attempts, format_: str) -> None:
    job = StartedJob(
        Lease(uuid4(), uuid4()), "acme", small_table.NAME, "1",
        small_table.PARAMETERS, [format_],
        attempt=1, max_attempts=3, seconds_left=600, seconds_waited=0, trace_context=None,
    )  # fmt: skip
    ended = attempts.run(Held(job, "", now=time.monotonic()))
    if not isinstance(ended, Success):
        raise SystemExit(f"{format_}: {ended}")


def _cpu_s() -> float:
    """Of this process and of all that it has started, ended or not."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    below = sum(sum(_told(pid, _UTIME, 4)) for pid in tree.tree_of(os.getpid())[1:]) / _TICKS
    return own.ru_utime + own.ru_stime + ended.ru_utime + ended.ru_stime + below


def _faults() -> int:
    """Of the ended processes that this one's children had started."""
    return sum(sum(_told(pid, _CHILDRENS_FAULTS, 1)) for pid in tree.tree_of(os.getpid())[1:])


def _told(pid: int, first: int, count: int) -> Sequence[int]:
    """The kernel's numbers about a process; none if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [int(one) for one in fields[first : first + count]]


if __name__ == "__main__":
    main()
