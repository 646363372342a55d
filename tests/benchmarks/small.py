"""Part of `make bench` and `make bench-reports`: the cost of small reports, beside what a user would write."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import migrations
from tests.benchmarks import small_table
from tests.benchmarks.parts import Figure, Stage
from tests.benchmarks.peers_beside import python_of_peers
from tests.support.sqs.fast_process import ROOT

TITLE = "Small reports (185 rows, a query of a millisecond): processor time of a whole attempt, the database's left out"
_PEERS = Path(__file__).parent / "peers" / "small_reports.py"
_NAMES = {
    "csv": "pandas", "jsonl": "pandas", "plain-html": "pandas", "plain-xlsx": "pandas + XlsxWriter",
    "pdf": "matplotlib + ReportLab",
}  # fmt: skip
_AIMS = {"plain-xlsx": 1.0, "pdf": 0.33}
_WHOLE = {"html", "xlsx"}
"""With figures, charts, a table and groups, which no peer here makes: told for their cost."""
_TIMES = {"pdf": 8}


def run(stage: Stage) -> Iterator[Figure]:
    """Medians of the rounds: a new worker process and a new warm process of the peers in each, in turns."""
    dsn = stage.empty_database()
    small_table.create(dsn)
    yield from figures(dsn, stage.rounds)


def figures(dsn: str, rounds: int) -> Iterator[Figure]:
    """The same over a source that has the table already. The worker's own tables are in it, too."""
    migrations.upgrade(dsn)
    ours: dict[str, list[Any]] = {}
    theirs: list[Any] = []
    for _ in range(rounds):
        theirs.append(_told([str(python_of_peers()), str(_PEERS), dsn, "12"]))
        for name in ("csv", "jsonl", "parquet", "plain-html", "plain-xlsx", "html", "xlsx", "pdf"):
            case = [sys.executable, "-m", "tests.benchmarks.small_case", dsn, name, str(_TIMES.get(name, 25))]
            ours.setdefault(name, []).append(_told(case))
    xlsx = _median([found["xlsx"]["cpu_ms"] for found in theirs])
    for name, found in ours.items():
        cpu = _median([one["cpu_ms"] for one in found])
        yield Figure(f"{name}: processor time", cpu, "ms")
        yield Figure(f"{name}: from start to stored", _median([one["wall_ms"] for one in found]), "ms")
        if name in _NAMES:
            peer = _median([one[name.removeprefix("plain-")]["cpu_ms"] for one in theirs])
            yield Figure(f"{name}: {_NAMES[name]}, in a warm process", peer, "ms")
        if name in _AIMS:
            yield Figure(f"{name} ÷ {_NAMES[name]}", cpu / peer, "", f"≤ {_AIMS[name]:g}")
        else:
            yield Figure(f"{name} ÷ pandas + XlsxWriter's workbook", cpu / xlsx, "", "" if name in _WHOLE else "≤ 1")


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _told(command: list[str]) -> Any:
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    return json.loads(done.stdout.splitlines()[-1])
