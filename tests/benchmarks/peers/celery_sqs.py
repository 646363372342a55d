"""Celery over SQS: results ignored unless asked for, ten messages fetched ahead, one thread of work (`solo`), as the
job is no work."""

import os
import sys

import celery_app
from clock import Clock

clock = Clock()
app = celery_app.made(prefetch=10, results=bool(os.environ.get("RESULTS")))


@app.task(name="noop")
def noop() -> None:
    clock.tick()


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        for _ in range(int(os.environ["JOBS"])):
            noop.apply_async()
    else:
        celery_app.work(app, "--pool=solo")
