"""awa (a queue in Rust with handlers in Python): one queue, 100 jobs at once."""

import asyncio
import os
import sys
from dataclasses import dataclass

from awa import AsyncClient

from clock import Clock


@dataclass
class Noop:
    pass


async def main() -> None:
    client = AsyncClient(os.environ["DATABASE_URL"])
    jobs = int(os.environ["JOBS"])
    if sys.argv[1] == "submit":
        await client.migrate()
        for begin in range(0, jobs, 1000):
            await client.insert_many_copy([Noop()] * min(1000, jobs - begin), queue="noop")
        return
    clock = Clock()

    @client.task(Noop, queue="noop")
    async def noop(_: object) -> None:
        clock.tick()

    await client.start([("noop", 100)])
    await asyncio.Event().wait()


asyncio.run(main())
