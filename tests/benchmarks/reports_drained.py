"""Part of `make bench`: small reports per second with one worker of two slots, beside Celery with two processes.

Celery runs what a user would write (`peers/small_reports.py`), in processes that stay warm, and keeps a row for each
result. Todoke's reports are made in a process each, read back, and stored with manifest and preview.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import counting, small_table
from tests.benchmarks.parts import Figure, Stage
from tests.benchmarks.peers_beside import python_of_peers, submit_and_work

TITLE = "Small reports a second by one worker with two slots, the database on the same machine"
_PEER = Path(__file__).parent / "peers" / "celery_reports.py"
_AIMS = {"csv": "≥ 60", "plain-xlsx": "", "xlsx": "≥ 25", "pdf": "≥ 6"}
_PEERS = {"csv": "csv", "plain-xlsx": "xlsx", "pdf": "pdf"}
"""Who makes the same: the whole workbook has charts, figures and groups, and no peer here."""
_JOBS = {"csv": 400, "plain-xlsx": 300, "xlsx": 150, "pdf": 60}


def run(stage: Stage) -> Iterator[Figure]:
    """Medians of the rounds, each report by both in turns."""
    ours: dict[str, list[float]] = {name: [] for name in _AIMS}
    theirs: dict[str, list[float]] = {name: [] for name in _PEERS}
    for _ in range(stage.rounds):
        for name in _AIMS:
            ours[name].append(_ours(stage, name))
            if name in _PEERS:
                theirs[name].append(_peer(stage, name))
    for name, aim in _AIMS.items():
        rate = _median(ours[name])
        yield Figure(name, rate, "reports/s", aim)
        if name in _PEERS:
            peer = _median(theirs[name])
            yield Figure(f"{name}: Celery + SQS", peer, "reports/s")
            yield Figure(f"{name} ÷ Celery + SQS", rate / peer)


def _ours(stage: Stage, name: str) -> float:
    url = stage.database()
    small_table.create(url)
    env = {"DATABASE_URL": url, "QUEUE_URL": stage.queue(), "JOBS": str(_JOBS[name]), "REPORT": name}
    return submit_and_work([sys.executable, "-m", "tests.benchmarks.todoke_case"], env)["rate"]


def _peer(stage: Stage, name: str) -> float:
    url = stage.empty_database()
    small_table.create(url)
    env = {
        "DATABASE_URL": url, "QUEUE_URL": stage.queue(), "JOBS": str(_JOBS[name]), "REPORT": _PEERS[name],
        "SQS_HOST": stage.sqs.url.removeprefix("http://"), "AWS_REGION": counting.REGION,
        "TMPDIR": os.fspath(stage.folder),
    }  # fmt: skip
    return submit_and_work([str(python_of_peers()), str(_PEER)], env)["rate"]


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]
