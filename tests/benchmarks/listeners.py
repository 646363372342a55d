"""Part of `make bench`: ten thousand event streams on one API process: their memory and their latency.

`python -m tests.benchmarks.listeners hold URL` is their client: it opens as many as a line of its stdin says,
and at the end of its stdin says how long each event took.
"""

import asyncio
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

import psutil
import psycopg
import uvloop

from tests.benchmarks import api
from tests.benchmarks.parts import Figure, Stage
from tests.support.sqs.fast_process import ROOT
from todoke import Todoke

TITLE = "10,000 streams of events on one API process"
STEPS = (2_500, 5_000, 7_500, 10_000)
JOBS = 100
"""Each is listened to by a hundred."""
_SPARE_FILES = 500
_OPENING = 50
"""Streams that are opened at the same time."""
_BEATS_S = 32
"""Two of the beats that break silence, for each."""
_POOL = 10
"""Connections of requests, whoever listens; one more looks for all who do."""
_SETTINGS = {"API_STREAMS_EACH": "10000", "API_MAX_CONNECTIONS": "12000", "API_DB_POOL_SIZE": str(_POOL)}


def run(stage: Stage) -> Iterator[Figure]:
    """Open them in steps, leave them alone for a while, and then end the jobs one after another."""
    _allow_files(STEPS[-1] + _SPARE_FILES)
    database = stage.database()
    with api.application(database, **_SETTINGS) as base, _client(base) as client, Todoke(base, "") as todoke:
        jobs = [todoke.jobs.create(idempotency_key=f"listened-{n}").id for n in range(JOBS)]
        process = psutil.Process(api.listening(base))
        memory = {0: process.memory_info().rss}
        for count in STEPS:
            _tell(client, [count, jobs])
            memory[count] = process.memory_info().rss
        time.sleep(_BEATS_S)
        rested, connections = process.memory_info().rss, _connections(database)
        for job in jobs:
            todoke.jobs.cancel(job)
        client.stdin.close()  # type: ignore[union-attr]
        delays = json.loads(client.stdout.read())  # type: ignore[union-attr]
    first, last = STEPS[0], STEPS[-1]
    yield Figure("streams that have heard of their job's end", len(delays), "", f"= {last:,}")
    yield Figure("memory for each, from 0 to 2,500", (memory[first] - memory[0]) / first / 1000, "kB")
    yield Figure("memory for each, from 2,500 to 10,000", (memory[last] - memory[first]) / (last - first) / 1000, "kB")
    yield Figure("memory of the process with all of them", memory[last] / 1e6, "MB")
    yield Figure("memory after two beats ÷ before", rested / memory[last], "", "≤ 1.05")
    yield Figure("database connections of the process", connections, "", f"≤ {_POOL} + 1")
    for percent in (50, 99):
        delay = statistics.quantiles(delays, n=100)[percent - 1]
        yield Figure(f"from the change in the database to the client, p{percent}", delay, "s")


def _allow_files(wanted: int) -> None:
    """For this process and those that it starts. Raises ValueError where the machine forbids so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


def _connections(database: str) -> int:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'todoke-api' AND datname = %s"
    with psycopg.connect(database) as conn:
        [[connections]] = conn.execute(asked, [conn.info.dbname])
    return int(connections)


@contextlib.contextmanager
def _client(base: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", __name__, "hold", base]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(60)


def _tell(client: "subprocess.Popen[str]", what: object) -> None:
    """Have it done."""
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(json.dumps(what) + "\n")
    client.stdin.flush()
    assert client.stdout.readline() == "done\n"


class _Client:
    """Listens to jobs, over a connection of its own for each stream.

    By hand: ten thousand of the client's streams would need more of this process than of the API that is measured.
    """

    def __init__(self, base: str) -> None:
        self._at = urlsplit(base)
        self._opening = asyncio.Semaphore(_OPENING)
        self._listening: list[asyncio.Task[None]] = []
        self.delays: list[float] = []

    async def open(self, count: int, jobs: list[str]) -> None:
        """Have so many streams, each of which has told of its job."""
        begun = [asyncio.Event() for _ in range(count - len(self._listening))]
        for n, event in enumerate(begun):
            self._listening.append(asyncio.create_task(self._listen(jobs[n % len(jobs)], event)))
        await asyncio.gather(*(event.wait() for event in begun))

    async def _listen(self, job: str, begun: asyncio.Event) -> None:
        async with self._opening:
            reader, writer = await asyncio.open_connection(self._at.hostname, self._at.port)
            writer.write(f"GET /v1/jobs/{job}/stream HTTP/1.1\r\nHost: {self._at.netloc}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1] != b"200":
                raise SystemExit(f"refused: {head.decode()}")
            await reader.readuntil(b"event: job\n")
        begun.set()
        await reader.readuntil(b"event: job\n")
        await reader.readuntil(b"data: ")
        job_as_told = json.loads(await reader.readline())
        self.delays.append(time.time() - datetime.fromisoformat(job_as_told["updatedAt"]).timestamp())
        writer.close()

    async def heard(self) -> list[float]:
        """The seconds that each event took, once all have come."""
        await asyncio.wait_for(asyncio.gather(*self._listening), 300)
        return self.delays


async def hold(base: str) -> None:
    """Do what stdin says; at its end, tell."""
    client = _Client(base)
    while line := await asyncio.to_thread(sys.stdin.readline):
        count, jobs = json.loads(line)
        await client.open(count, jobs)
        print("done", flush=True)
    print(json.dumps(await client.heard()))


if __name__ == "__main__":
    _allow_files(STEPS[-1] + _SPARE_FILES)
    uvloop.run(hold(sys.argv[2]))
