"""Part of `make bench`: one, two and four workers, then relays, against one database.

The processor time that a job costs is what another process could make worse: locks, retries, idle polls. The rate
itself is bounded by the cores, which load, database and queue share here.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.database.engine import create_engine
from shared.queues.sqs import SqsQueue
from shared.runtime.loop import run_until
from shared.runtime.stopping import stop_on_signals
from tests.benchmarks import counting
from tests.benchmarks.parts import Figure, Stage
from tests.support.eventually import eventually
from tests.support.relay import a_publisher
from tests.support.sqs.fast_process import ROOT

TITLE = "Scaling out: processes of one kind against one database"
_PROCESSES = (1, 2, 4)
_LEFT = {
    "worker": "SELECT count(*) FROM jobs WHERE finished_at IS NULL",
    "relay": "SELECT count(*) FROM outbox",
}


def run(stage: Stage) -> Iterator[Figure]:
    """Each number of processes in turn, in as many rounds as asked for."""
    for kind in _LEFT:
        rounds = [[_measure(stage, kind, many) for many in _PROCESSES] for _ in range(max(1, stage.rounds - 1))]
        alone = statistics.median(once[0][1] for once in rounds)
        for n, many in enumerate(_PROCESSES):
            yield Figure(f"{many} {kind}(s)", statistics.median(once[n][0] for once in rounds), "a second")
            cost = statistics.median(once[n][1] for once in rounds)
            yield Figure(f"{many} {kind}(s): processor time each, ÷ one {kind}'s", cost / alone)


def _measure(stage: Stage, kind: str, many: int) -> tuple[float, float]:
    """Jobs or messages a second, and seconds of the processes' time for each, from a third of the way to the end."""
    url, queue_url = stage.database(), stage.queue()
    engine = create_engine(url, application_name="bench")
    with engine.connect() as conn:
        counting.submit_jobs(conn, stage.jobs)
        if kind == "worker":
            publisher = a_publisher(engine, SqsQueue(queue_url, region=counting.REGION))
            while publisher.run_once():
                pass
        command = [sys.executable, "-m", "tests.benchmarks.scaling", kind, url, queue_url, str(stage.folder)]
        processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(many)]
        try:
            eventually(
                lambda: _left(conn, kind) < stage.jobs * 2 / 3, within_s=200, what="a third is done", every_s=0.1
            )
            began, left, used = time.monotonic(), _left(conn, kind), _cpu_s(processes)
            eventually(lambda: _left(conn, kind) == 0, within_s=200, what="all is done", every_s=0.1)
            seconds, used = time.monotonic() - began, _cpu_s(processes) - used
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(60)
    engine.dispose()
    return left / seconds, used / left


def _left(conn: Connection, kind: str) -> int:
    return int(conn.execute(text(_LEFT[kind])).scalar_one())


def _cpu_s(processes: Sequence[subprocess.Popen[bytes]]) -> float:
    times = [psutil.Process(process.pid).cpu_times() for process in processes]
    return float(sum(each.user + each.system for each in times))


def _serve(kind: str, url: str, queue_url: str, folder: str) -> None:
    """One process, until SIGTERM."""
    stop = stop_on_signals()
    if kind == "worker":
        with counting.worker(url, queue_url, Path(folder), counting.Counted()):
            stop.wait()
        return
    engine = create_engine(url, application_name="bench")
    publisher = a_publisher(engine, SqsQueue(queue_url, region=counting.REGION))
    run_until(stop, publisher.run_once, idle_s=0.1, busy_s=0.005)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
