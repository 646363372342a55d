"""PgQueuer, as its own benchmark tool runs it: asyncpg, uvloop, a batch of 100 in flight."""

import asyncio
import os
import sys

import asyncpg
import uvloop
from pgqueuer import AsyncpgDriver, Job, PgQueuer, Queries

from clock import Clock


async def main() -> None:
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    driver = AsyncpgDriver(connection)
    jobs = int(os.environ["JOBS"])
    if sys.argv[1] == "submit":
        queries = Queries(driver)
        await queries.install()
        for begin in range(0, jobs, 1000):
            many = min(1000, jobs - begin)
            await queries.enqueue(["noop"] * many, [None] * many, [0] * many)
        return
    clock = Clock()
    pgq = PgQueuer(driver)

    @pgq.entrypoint("noop")
    async def noop(_: Job) -> None:
        clock.tick()

    await pgq.run(batch_size=100)


uvloop.run(main()) if sys.platform != "win32" else asyncio.run(main())
