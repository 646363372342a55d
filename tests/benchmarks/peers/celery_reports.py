"""Celery over SQS making the reports of `small_reports.py`: two processes (`prefork`), results in PostgreSQL.

REPORT names the report. The files stay in a folder of the worker's.
"""

import multiprocessing
import os
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import celery_app
import small_reports
from clock import Clock

app = celery_app.made(prefetch=1, results=True)
folder = Path(tempfile.gettempdir()) / "celery-reports"
done = multiprocessing.Value("i", 0)
"""Of both processes, which are forked from this one."""


@app.task(name="report")
def report(name: str) -> None:
    place = folder / uuid.uuid4().hex
    place.mkdir(parents=True)
    getattr(small_reports, name)(os.environ["DATABASE_URL"], place)
    with done.get_lock():
        done.value += 1


def tell() -> None:
    """Have the clock see what the processes have done."""
    clock, seen = Clock(), 0
    while True:
        while seen < done.value:
            seen += 1
            clock.tick()
        time.sleep(0.01)


if __name__ == "__main__":
    if sys.argv[1] == "submit":
        for _ in range(int(os.environ["JOBS"])):
            report.apply_async([os.environ["REPORT"]])
    else:
        threading.Thread(target=tell, daemon=True).start()
        celery_app.work(app, "--pool=prefork", "--concurrency=2")
