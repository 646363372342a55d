"""`make soak-memory`: the memory of each process under steady load, sampled until the time is up.

Real services over an embedded PostgreSQL and the SQS double on a socket. Jobs arrive at `--rate`; finished files expire
at once, so that retention works too. What counts is the slope after the first fifth of the time, when pools, caches and
imports have settled.
"""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.postgres import server
from tests.support.processes.services import Services
from tests.support.sqs.server import Door
from todoke import Todoke

Samples = dict[str, list[tuple[float, float]]]
"""Process → (seconds since the start, megabytes of its own)."""


def main() -> int:
    """Run, print a table in Markdown, and write `--json`."""
    options = argparse.ArgumentParser(prog="make soak-memory", description=__doc__)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--rate", type=float, default=5, help="jobs a second")
    options.add_argument("--every", type=float, default=10, help="seconds between samples")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    samples, answered = run(given.minutes * 60, given.rate, given.every)
    print(table(samples, answered, given.minutes))
    if given.json:
        given.json.write_text(json.dumps({"jobs": answered, "samples": samples}))
    return 0


def run(seconds: float, rate: float, every_s: float) -> tuple[Samples, int]:
    """Load the services for `seconds`. Returns the samples, and how many jobs were accepted."""
    with (
        tempfile.TemporaryDirectory(prefix="todoke-memory-") as folder,
        Door() as door,
        server.server() as base,
        server.database(base) as url,
    ):
        door.queues.make("memory", max_receive_count=20)
        queue_url = door.queue_url("memory")
        urls = dict.fromkeys(("api", "relay", "worker"), url)
        aws = door.environment()
        with Services(Path(folder), database_urls=urls, queue_url=queue_url, aws=aws, REPORT_SOURCE_URL=url,
                      ARTIFACT_KEEP_DAYS="0", JOB_KEEP_DAYS="1") as services:  # fmt: skip
            pids = {name: services.start(name).pid for name in urls}
            stop = threading.Event()
            load = _Load(services.url, rate, stop, door)
            load.start()
            samples = _sample(pids, seconds, every_s)
            stop.set()
            load.join()
            return samples, load.accepted


class _Load(threading.Thread):
    """A client that asks, looks, lists and downloads nothing."""

    def __init__(self, url: str, rate: float, stop: threading.Event, door: Door) -> None:
        super().__init__(name="load")
        self._url = url
        self._rate = rate
        self._stop_now = stop
        self._door = door
        self.accepted = 0

    def run(self) -> None:
        """Ask until told to stop."""
        with Todoke(self._url, "") as todoke:
            while not self._stop_now.wait(1 / self._rate):
                job = todoke.jobs.create("slow", {"seconds": 0}, formats=["csv"])
                self.accepted += 1
                todoke.jobs.get(job.id)
                todoke.jobs.list(status=["SUCCESS"])
                self._door.queues.calls.clear()  # the double remembers every call


def _sample(pids: Mapping[str, int], seconds: float, every_s: float) -> Samples:
    began = time.monotonic()
    samples: Samples = {name: [] for name in pids}
    pause = threading.Event()
    while (now := time.monotonic() - began) < seconds:
        for name, pid in pids.items():
            samples[name].append((round(now, 1), _own_mb(pid)))
        pause.wait(every_s)
    return samples


def _own_mb(pid: int) -> float:
    """Of the process itself, without what it maps from files; its children come and go. Raises when it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has ended")


def slope_mb_per_h(samples: Sequence[tuple[float, float]]) -> float:
    """Least squares over all but the first fifth."""
    settled = samples[len(samples) // 5 :]
    slope = statistics.linear_regression([s for s, _ in settled], [mb for _, mb in settled]).slope
    return slope * 3600


def table(samples: Samples, answered: int, minutes: float) -> str:
    """Markdown."""
    lines = [
        f"{answered:,} jobs in {minutes:g} minutes", "",
        "| process | after a fifth, MB | at the end, MB | most, MB | slope, MB an hour |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, values in samples.items():
        settled = values[len(values) // 5 :]
        lines.append(
            f"| {name} | {settled[0][1]:.0f} | {values[-1][1]:.0f} | {max(mb for _, mb in values):.0f} "
            f"| {slope_mb_per_h(values):+.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
