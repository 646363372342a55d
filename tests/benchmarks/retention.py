"""`make bench-retention`, and with shorter turns a part of `make bench`.

What removing old files, jobs and keys costs the submissions beside it, in one run.
Turns with and without retention at work alternate over one database whose jobs have all expired, so that every slice
removes as much as it can. The store forgets at once: disks and S3 are not what is measured.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection

import migrations
from deploy.local.postgres import EmbeddedPostgres
from services.relay.retention import Retention
from shared.artifacts.disk import DiskStore
from shared.database.engine import create_engine
from shared.jobs.submit import submit
from tests.benchmarks.parts import Figure, Stage
from tests.support.jobs import a_submission
from tests.support.postgres import fill

TITLE = "Retention at work beside submissions"
_DAY_S = 86_400
_EVERY_S = 0.004
"""Eight submissions this often are 2,000 a second: what they wait is told where nobody is out of breath."""


class _Forgetful(DiskStore):
    """Deletes nothing, at once."""

    def delete(self, keys: Sequence[str]) -> Mapping[str, str]:
        del keys
        return {}


@dataclass(frozen=True, slots=True)
class Turn:
    """Submissions of one turn."""

    per_s: float
    p50_ms: float
    p99_ms: float
    removed_per_s: float


def main() -> int:
    """Measure, print a table in Markdown, and write `--json`."""
    options = argparse.ArgumentParser(prog="make bench-retention", description=__doc__)
    options.add_argument("--jobs", type=int, default=300_000, help="expired jobs to begin with")
    options.add_argument("--seconds", type=float, default=3, help="of one turn")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    results = measure(given.jobs, given.seconds, given.rounds)
    print(table(results))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))
    return 0


def run(stage: Stage) -> Iterator[Figure]:
    """What submissions notice."""
    found = measure(150_000, 2, stage.rounds)
    yield Figure("files, jobs and keys removed", found["removed_per_s"]["with"], "a second")
    for name, what in _NAMES.items():
        if name != "removed_per_s":
            yield Figure(f"{what}: with ÷ without", found[name]["ratio"])


def measure(jobs: int, seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    """Medians over the rounds, without and with retention, and their ratio."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="todoke-retention-")))
        server = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        server.create_database("todoke")
        url = server.dsn("todoke")
        migrations.upgrade(url)
        engine = create_engine(url, application_name="bench", pool_size=4)
        stack.callback(engine.dispose)
        conn = stack.enter_context(engine.connect())
        fill.jobs(conn, jobs, age_s=30 * _DAY_S, keep_artifacts_s=0, keep_s=0)
        fill.keys(conn)
        conn.execute(text("VACUUM ANALYZE"))
        beside = _Beside(url, folder / "store")
        stack.callback(beside.stop)
        rounds_of: dict[float, list[tuple[Turn, Turn]]] = {0.0: [], _EVERY_S: []}
        for _ in range(rounds):
            for every_s, turns in rounds_of.items():
                turns.append((_turn(conn, seconds, every_s, None), _turn(conn, seconds, every_s, beside)))
    at_full_speed, at_a_pace = rounds_of.values()
    return {
        "per_s": _compared(at_full_speed, "per_s"),
        **{name: _compared(at_a_pace, name) for name in ("p50_ms", "p99_ms", "removed_per_s")},
    }


def _turn(conn: Connection, seconds: float, every_s: float, beside: "_Beside | None") -> Turn:
    took: list[float] = []
    with beside.at_work() if beside else nullcontext([0]) as removed:
        began = time.perf_counter()
        while (now := time.perf_counter()) - began < seconds:
            submit(conn, [a_submission(idempotency_key=f"{now}-{n}", keep_s=_DAY_S) for n in range(8)])
            took.append(time.perf_counter() - now)
            time.sleep(max(0.0, began + len(took) * every_s - time.perf_counter()))
    took.sort()
    return Turn(
        8 * len(took) / seconds, 1000 * took[len(took) // 2], 1000 * took[len(took) * 99 // 100], removed[0] / seconds
    )


class _Beside:
    """Retention in a process of its own, as in a relay: what it shares with the submissions is PostgreSQL."""

    def __init__(self, url: str, folder: Path) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._going, self._resting = spawn.Event(), spawn.Event()
        self._removed = spawn.Value("q", 0)
        work = (url, folder, self._going, self._resting, self._removed)
        self._process = spawn.Process(target=_remove, args=work, daemon=True)
        self._process.start()

    @contextmanager
    def at_work(self) -> Iterator[list[int]]:
        """For as long as the block lasts. Afterwards the list has how many files, jobs and keys were removed."""
        assert self._resting.wait(60)
        before, removed = self._removed.value, [0]
        self._resting.clear()
        self._going.set()
        yield removed
        self._going.clear()
        assert self._resting.wait(60)
        removed[0] = self._removed.value - before

    def stop(self) -> None:
        """For good."""
        self._process.terminate()
        self._process.join(60)


def _remove(url: str, folder: Path, going: Event, resting: Event, removed: "Synchronized[int]") -> None:
    engine = create_engine(url, application_name="retention")
    retention = Retention(engine, _Forgetful(folder), keep_keys_s=_DAY_S)
    while True:
        resting.set()
        going.wait()
        while going.is_set():
            removed.value += retention.run_once()


_NAMES = {
    "per_s": "submissions a second (8 at once, with keys)", "p50_ms": "their commit at 2,000 a second, p50 ms",
    "p99_ms": "their commit at 2,000 a second, p99 ms", "removed_per_s": "files, jobs and keys removed a second",
}  # fmt: skip


def _compared(turns: Sequence[tuple[Turn, Turn]], name: str) -> dict[str, float]:
    without, with_ = (statistics.median(getattr(turn[n], name) for turn in turns) for n in (0, 1))
    return {"without": without, "with": with_, "ratio": with_ / without if without else 0}


def table(results: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown."""
    lines = ["| | without | with retention | with / without |", "|---|---:|---:|---:|"]
    for name, r in results.items():
        lines.append(f"| {_NAMES[name]} | {r['without']:,.1f} | {r['with']:,.1f} | {r['ratio']:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
