"""Procrastinate with its asynchronous connector and 100 jobs at once, deleting jobs that succeeded."""

import asyncio
import logging
import os
import sys

import procrastinate

from clock import Clock

clock = Clock()
app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["DATABASE_URL"], min_size=4, max_size=20)
)


@app.task(name="noop")
async def noop() -> None:
    clock.tick()


async def main() -> None:
    logging.disable(logging.WARNING)
    jobs = int(os.environ["JOBS"])
    async with app.open_async():
        if sys.argv[1] == "submit":
            await app.schema_manager.apply_schema_async()
            for begin in range(0, jobs, 1000):
                await noop.batch_defer_async(*[{}] * min(1000, jobs - begin))
        else:
            await app.run_worker_async(concurrency=100, delete_jobs="successful", install_signal_handlers=False)


asyncio.run(main())
