"""Part of `make bench`: a thousand long polls on one API process, and their effect on other requests.

`python -m tests.benchmarks.waiters hold URL CLIENTS` and `… ask METHOD URL SECONDS` are its two sorts of clients.
"""

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import psycopg
import uvloop

from deploy.local.processes import ready
from tests.benchmarks import api
from tests.benchmarks.parts import Figure, Stage
from tests.support.sqs.fast_process import ROOT
from todoke import Todoke

TITLE = "1,000 long polls on one API process, and requests beside them"
CLIENTS = 1_000
SECONDS = 3
TURNS = 2
"""In each round. Short ones, so that both sides meet the same minute of the machine."""
_CONNECTIONS = 4
_OPENING = 20
"""Clients that begin at the same time."""
_WAIT_S = 30
_QUIET_S = 3
"""Seconds after which their beginning is over."""
_SETTLE_S = 12
"""Seconds after which the threads have ended that answered the first thousand reads."""


_Taken = dict[str, list[float]]
"""Method → milliseconds of each request."""


class _Held(NamedTuple):
    """What the API process holds."""

    connections: int
    threads: int


def run(stage: Stage) -> Iterator[Figure]:
    """In turns, with the long polls and without them."""
    database = stage.database()
    alone: _Taken = {"POST": [], "GET": []}
    beside: _Taken = {"POST": [], "GET": []}
    with api.application(database) as base:
        for _ in range(stage.rounds * TURNS):
            _measure(base, alone)
            with _long_polls(base):
                _measure(base, beside)
        time.sleep(_SETTLE_S)
        without = _held(base, database)
        with _long_polls(base):
            time.sleep(_SETTLE_S)
            having = _held(base, database)
    for kind, name in (("POST", "POST /generate-report"), ("GET", "GET /v1/jobs/{id}")):
        for what, percent in (("p50", 50), ("p99", 99)):
            plain, busy = (_percentile(taken[kind], percent) for taken in (alone, beside))
            yield Figure(f"{name}, {what} without long polls", plain, "ms")
            yield Figure(f"{name}, {what} beside them ÷ without", busy / plain, "", "≤ 1.3")
    yield Figure("database connections that they add", having.connections - without.connections, "", "≤ 1")
    # Some of them are asked for anew at any time, and each such read takes a thread of the pool.
    yield Figure("threads that they add", having.threads - without.threads, "", "≤ 10")


def _measure(base: str, taken: _Taken) -> None:
    with Todoke(base, "") as todoke:
        job = todoke.jobs.create().id
    for kind, url in (("POST", f"{base}/generate-report"), ("GET", f"{base}/v1/jobs/{job}")):
        command = [sys.executable, "-m", __name__, "ask", kind, url, str(SECONDS)]
        done = subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True, check=True)
        taken[kind] += json.loads(done.stdout)


def _held(base: str, database: str) -> _Held:
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'todoke-api' AND datname = %s"
    with psycopg.connect(database) as conn:
        [[connections]] = conn.execute(asked, [conn.info.dbname])
    return _Held(connections, psutil.Process(api.listening(base)).num_threads())


@contextlib.contextmanager
def _long_polls(base: str) -> Iterator[None]:
    command = [sys.executable, "-m", __name__, "hold", base, str(CLIENTS)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert ready(f"{base}/readyz")  # behind all that they asked for at their beginning
        time.sleep(_QUIET_S)
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(60)


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


class _Connection:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    async def open(cls, url: str) -> "_Connection":
        at = urlsplit(url)
        return cls(*await asyncio.open_connection(at.hostname, at.port), at.netloc)

    async def ask(self, method: str, path: str, header: str = "") -> bytes:
        """The body of an answer of 200 or 202."""
        asked = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: 0\r\n{header}\r\n"
        self._writer.write(asked.encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        if head.split(b" ", 2)[1] not in {b"200", b"202"}:
            raise SystemExit(f"refused: {head.decode()}")
        return await self._reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))


async def hold(base: str, clients: int) -> None:
    """Wait for `clients` jobs that never end, each over a connection of its own. Some wait ends at any time."""
    opening = asyncio.Semaphore(_OPENING)
    begun = asyncio.Semaphore(0)

    async def one(n: int) -> None:
        first = f"Prefer: wait={n % _WAIT_S + 1}\r\n"
        async with opening:
            connection = await _Connection.open(base)
            # The same jobs in every turn.
            accepted = await connection.ask("POST", "/generate-report", f"Idempotency-Key: waiter-{n}\r\n")
            path = json.loads(accepted)["links"]["self"]
            waiting = asyncio.create_task(connection.ask("GET", path, first))
        begun.release()
        await waiting
        while True:
            await connection.ask("GET", path, f"Prefer: wait={_WAIT_S}\r\n")

    tasks = [asyncio.create_task(one(n)) for n in range(clients)]
    for _ in range(clients):
        await begun.acquire()
    print("waiting", flush=True)
    await asyncio.gather(*tasks)


async def ask(method: str, url: str, seconds: float) -> None:
    """Print how many milliseconds each request took, over some connections, as fast as answers come."""
    taken_ms: list[float] = []

    async def one(until: float) -> None:
        connection = await _Connection.open(url)
        while (began := time.perf_counter()) < until:
            await connection.ask(method, urlsplit(url).path)
            taken_ms.append((time.perf_counter() - began) * 1000)

    until = time.perf_counter() + seconds
    await asyncio.gather(*(one(until) for _ in range(_CONNECTIONS)))
    print(json.dumps(taken_ms))


def main() -> None:
    """Be one of the two sorts of clients."""
    if sys.argv[1] == "hold":
        uvloop.run(hold(sys.argv[2], int(sys.argv[3])))
    else:
        uvloop.run(ask(sys.argv[2], sys.argv[3], float(sys.argv[4])))


if __name__ == "__main__":
    main()
