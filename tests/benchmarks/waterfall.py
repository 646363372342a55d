"""Part of `make bench`: where the time between the 202 of a small CSV and its end is spent, on real processes.

One client asks for one report at a time and waits for its end, as `todoke` does: by the job's stream.
Database, queue and client run on one machine, whose clock tells all times.
"""

import json
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.benchmarks.parts import Figure, Stage
from tests.support.processes.services import Services

TITLE = "From the 202 to the end of a small CSV, as a client that waits sees it, one job at a time"
_TIMES = 60
_WARM = 5
_STEPS = (
    ("202 → the worker has the job (relay, queue, poll, start)", "accepted", "started"),
    ("the worker has the job → its report's process is asked", "started", "asked"),
    ("… → the source is asked (process, isolation, connection)", "asked", "querying"),
    ("… → the rows are written (the query is in this)", "querying", "verifying"),
    ("… → the file is read back and the process has ended", "verifying", "storing"),
    ("… → stored, and the outcome handed over", "storing", "stored"),
    ("… → the job's row is final", "stored", "finished"),
    ("… → the client knows", "finished", "told"),
)


def run(stage: Stage) -> Iterator[Figure]:
    """Each step's median, and the whole."""
    folder = Path(stage.folder) / "waterfall"
    folder.mkdir()
    url, queue_url = stage.database(), stage.queue()
    urls = dict.fromkeys(("api", "relay", "worker"), url)
    settings = {"WORKER_LEASE_S": "30", "WORKER_HEARTBEAT_S": "5", "WORKER_POLL_S": "20", "LOG_LEVEL": "DEBUG"}
    with Services(
        folder, database_urls=urls, queue_url=queue_url, aws=stage.sqs.environment(), zygote=None,
        REPORT_SOURCE_URL=url, **settings,
    ) as services:  # fmt: skip
        for name in urls:
            services.start(name)
        moments = [_one(services, f"waterfall-{n}") for n in range(_TIMES + _WARM)][_WARM:]
        _add_from_log(moments, (folder / "worker.log").read_text())
    yield from figures(moments)


def figures(moments: Sequence[Mapping[str, float]]) -> Iterator[Figure]:
    """Of each job: the name of a moment → its time, in seconds."""
    for title, begin, end in _STEPS:
        taken = sorted(one[end] - one[begin] for one in moments if begin in one and end in one)
        if taken:
            yield Figure(title, statistics.median(taken) * 1000, "ms")
    whole = sorted(one["told"] - one["accepted"] for one in moments)
    yield Figure("from the 202 to the client: p50", statistics.median(whole) * 1000, "ms", "≤ query + 60")
    yield Figure("from the 202 to the client: p99", whole[int(len(whole) * 0.99)] * 1000, "ms", "≤ query + 150")


def _one(services: Services, key: str) -> dict[str, Any]:
    accepted = services.todoke.jobs.create("slow", {"seconds": 0}, formats=["csv"], idempotency_key=key)
    at = time.time()
    job = services.todoke.jobs.wait(accepted.id, timeout=60)
    told = time.time()
    return {"id": job.id, "accepted": at, "told": told, "started": _time(job.raw["startedAt"]),
            "finished": _time(job.raw["finishedAt"])}  # fmt: skip


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _add_from_log(moments: Sequence[dict[str, Any]], log: str) -> None:
    """What the worker logs at DEBUG of each phase."""
    by_id = {one["id"]: one for one in moments}
    for line in log.splitlines():
        if '"report.phase' in line or '"attempt.started"' in line:
            said = json.loads(line)
            if (one := by_id.get(said.get("job_id"))) is not None:
                phase = said.get("phase", "asked").partition(" ")[0]
                ended = said["event"] == "report.phase_ended"
                one.setdefault("stored" if ended and phase == "storing" else phase, _time(said["time"]))
