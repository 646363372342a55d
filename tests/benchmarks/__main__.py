"""`make bench`: the cost and the throughput of jobs, measured in one run, as a table and as JSON.

Each part is a module with `TITLE` and `run(stage)`; a part measures what it compares in turns, so that a slow minute
of the machine meets all of it. Rates mean something on a quiet machine only; counts and ratios always do.
"""

import argparse
import importlib
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.local.postgres import EmbeddedPostgres
from tests.benchmarks.parts import Figure, Stage, environment
from tests.support.sqs.fast_process import FastSqs

PARTS = (
    "cost",
    "idle",
    "at_rest",
    "peers_beside",
    "small",
    "reports_drained",
    "waterfall",
    "relaying",
    "schedules",
    "sqs_clients",
    "submission",
    "api",
    "identity",
    "reading",
    "waiters",
    "listeners",
    "scaling",
    "flat",
    "retention",
    "where",
    "limits",
)
"""In the order of the table. A new part is a new module, named here."""


def main() -> int:
    """Measure, print, and write what `--out` and `--json` name."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    options.add_argument("--jobs", type=int, default=20_000, help="jobs or messages of one measurement")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--out", type=Path, help="write the table here, as Markdown")
    options.add_argument("--json", type=Path, help="write the figures here")
    given = options.parse_args()
    sections = _measure(given.only, given.jobs, given.rounds)
    table = _table(sections)
    print(table)
    if given.out:
        given.out.write_text(table)
    if given.json:
        figures = {title: [figure.as_json() for figure in found] for title, found in sections.items()}
        given.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    return 0


def _measure(parts: Sequence[str], jobs: int, rounds: int) -> dict[str, list[Figure]]:
    sections = {}
    with (
        tempfile.TemporaryDirectory(prefix="todoke-bench-", ignore_cleanup_errors=True) as folder,
        EmbeddedPostgres(Path(folder) / "postgres", settings={"shared_buffers": "256MB"}) as postgres,
        FastSqs(Path(folder)) as sqs,
        environment(sqs.environment()),
    ):
        stage = Stage(postgres, sqs, Path(folder), jobs, rounds)
        for name in parts:
            part = importlib.import_module(f"tests.benchmarks.{name}")
            began = time.monotonic()
            sections[part.TITLE] = list(part.run(stage))
            stage.clear()
            print(f"  {name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    return sections


def _table(sections: dict[str, list[Figure]]) -> str:
    lines = [f"Python {platform.python_version()}, {os.cpu_count()} cores, PostgreSQL 18 with fsync.", ""]
    for title, figures in sections.items():
        lines += [f"## {title}", "", "| what | figure | aim |", "|---|---:|---|"]
        lines += [f"| {f.what} | {f.text} | {f.aim} |" for f in figures]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
