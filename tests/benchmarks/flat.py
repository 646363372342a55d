"""`make bench-flat`, and with a million rows a part of `make bench`: compares a small system with one that has millions
of rows, in turns, in one run.

Two databases of one server: one with 10,000 jobs and messages, one with `--rows` of each. Each measurement takes turns
between them, so that a slow minute of the machine meets both; medians count, and what is printed is the ratio.
"""

import argparse
import functools
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

import migrations
from deploy.local.postgres import EmbeddedPostgres
from services.relay.publisher import Publisher
from shared.database.engine import create_engine
from shared.jobs import listing, read, retention, sweep, unfinished
from shared.jobs.artifacts import artifacts_of
from shared.jobs.events import events_of
from shared.jobs.filters import JobFilter
from shared.jobs.states import JobStatus
from shared.jobs.submit import submit
from shared.jobs.viewer import Viewer
from shared.queues.interface import Outgoing, SendResult
from tests.benchmarks import pages
from tests.benchmarks.parts import Figure, Stage
from tests.support.jobs import a_submission
from tests.support.postgres import fill
from tests.support.relay import a_publisher
from tests.support.sqs.double import InMemoryQueue

TITLE = "A million waiting jobs and messages, beside ten thousand: large ÷ small"
SMALL = 10_000
_PAGE_MS = 200
"""What a page of the console may take, however many jobs there are, on a machine that does nothing else."""
_SETTINGS = {
    "fsync": "off", "full_page_writes": "off", "shared_buffers": "512MB", "max_wal_size": "16GB",
    "checkpoint_timeout": "1h", "autovacuum_naptime": "10s",
}  # fmt: skip
Look = Callable[["Side"], object]


class _Devoid(InMemoryQueue):
    """Accepts everything at once, so that only the relay and the database are measured."""

    def send(self, messages: Sequence[Outgoing], *, deadline_s: float) -> SendResult:
        del deadline_s
        return SendResult(frozenset(m.key for m in messages), ())


@dataclass
class Side:
    """One of the two databases."""

    rows: int
    url: str
    engine: Engine
    conn: Connection
    publisher: Publisher
    middle: UUID
    """A job in the middle of the finished ones."""
    unsent: int
    """Messages in the outbox."""
    visitor: TestClient
    """Of the console."""


def main() -> int:
    """Measure, print a table in Markdown, and write `--json`."""
    options = argparse.ArgumentParser(prog="make bench-flat", description=__doc__)
    options.add_argument("--rows", type=int, default=10_000_000, help="jobs, and messages, of the large side")
    options.add_argument("--seconds", type=float, default=2, help="of one turn")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--folder", type=Path, help="keep the databases here, to measure again")
    options.add_argument("--only", default="", help="measurements whose name has this regular expression in it")
    options.add_argument("--json", type=Path)
    given = options.parse_args()
    results = measure(given.rows, given.seconds, given.rounds, given.folder, given.only)
    print(table(results))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))
    for name, found in results.items():
        if name.startswith("page: ") and found["large"] > _PAGE_MS:
            _tell(f"{name}: more than {_PAGE_MS} at {given.rows:,} rows")
    return 0


def run(stage: Stage) -> Iterator[Figure]:
    """A tenth of what `make bench-flat` fills, and shorter turns."""
    for name, found in measure(1_000_000, 1, stage.rounds, stage.folder / "flat").items():
        yield Figure(
            name.removesuffix(", ms").replace(" /s", ""),
            found["ratio"],
            "",
            "≤ 1.3" if name.endswith("ms") else "≥ 0.9",
        )


def measure(
    rows: int, seconds: float, rounds: int, folder: Path | None = None, only: str = ""
) -> dict[str, dict[str, float]]:
    """Every measurement by name, or those with `only` in it: what each side did, and the ratio."""
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="todoke-flat-")))
        server = stack.enter_context(EmbeddedPostgres(place, settings=_SETTINGS))
        small, large = (stack.enter_context(_side(server, n)) for n in (SMALL, rows))
        looks = {name: look for name, look in _looks(seconds).items() if re.search(only, name)}
        results = {name: _in_turns(look, small, large, rounds) for name, look in looks.items()}
        held = {name: look for name, look in looks.items() if name in _HELD}
        if not held:
            return results
        with _snapshot(small), _snapshot(large):
            sizes = [_sizes(large)]
            for name, look in held.items():
                # Twice the rounds: what the first ones killed cannot be vacuumed, and the later ones step around it.
                results[f"{name}, snapshot held"] = _in_turns(look, small, large, 2 * rounds)
            sizes.append(_sizes(large))
        for name, before in sizes[0].items():
            _tell(
                f"{name} of the large side: {before:,.0f} MB before the snapshot was held, {sizes[1][name]:,.0f} after"
            )
    return results


@contextmanager
def _side(server: EmbeddedPostgres, rows: int) -> Iterator[Side]:
    name = f"flat_{rows}"
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        is_new = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None
    server.create_database(name)
    url = server.dsn(name)
    migrations.upgrade(url)
    engine = create_engine(url, application_name="bench", pool_size=4)
    with engine.connect() as conn:
        if is_new:
            _fill(conn, rows)
        while unfinished.advance_floor(conn):
            pass
        conn.execute(text("SET statement_timeout = 0"))
        publisher = a_publisher(engine, _Devoid())
        nth = {"n": rows // 8}
        middle = conn.execute(text("SELECT id FROM jobs WHERE tenant = 'acme' ORDER BY id OFFSET :n LIMIT 1"), nth)
        unsent = conn.execute(text("SELECT count(*) FROM outbox")).scalar_one()
        with tempfile.TemporaryDirectory() as files, pages.visitor(url, conn, Path(files)) as visitor:
            yield Side(rows, url, engine, conn, publisher, middle.scalar_one(), unsent, visitor)
    engine.dispose()


def _fill(conn: Connection, rows: int) -> None:
    began = time.monotonic()
    fill.jobs(conn, rows // 4, age_s=3600, labels_every=max(1, rows // 160))  # forty of them on either side
    fill.jobs(conn, 2, status="FAILED", age_s=7200)
    for status in ("FAILED", "PENDING"):
        fill.jobs(conn, 1, tenant="rare", status=status, age_s=7200)
    fill.jobs(conn, rows, tenant="waiting", status="PENDING", age_s=60)
    fill.jobs(conn, 50, tenant="running", status="PROCESSING", age_s=50)
    fill.outbox(conn, rows)
    conn.execute(text("SET statement_timeout = 0"))
    conn.execute(text("VACUUM ANALYZE"))
    took = time.monotonic() - began
    _tell(f"filled {rows // 4:,} finished jobs, {rows:,} waiting ones and as many messages in {took:.0f} s")


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _looks(seconds: float) -> dict[str, Look]:
    """What is measured: a rate per second, or seconds by the call."""
    return {
        "submissions, alone /s": lambda side: _rate(seconds, lambda: _submit(side, 1)),
        "submissions, 32 at once /s": lambda side: _rate(seconds, lambda: _submit(side, 32)),
        "relay, messages /s": lambda side: _relay_rate(side, seconds),
        "GET a job, ms": lambda side: _ms(lambda: _get(side)),
        "its history, ms": lambda side: _ms(lambda: events_of(side.conn, side.middle, Viewer("acme"))),
        "list, ms": lambda side: _ms(lambda: listing.list_jobs(side.conn, Viewer("acme"), size=20)),
        "list, far down, ms": lambda side: _ms(
            lambda: listing.list_jobs(side.conn, Viewer("acme"), size=20, before=side.middle)
        ),
        "list by state, no match, ms": lambda side: _ms(
            lambda: listing.list_jobs(
                side.conn, Viewer("acme"), size=20, wanted=JobFilter(statuses=[JobStatus.CANCELLED])
            )
        ),
        "list by report type, rare, ms": lambda side: _ms(
            lambda: listing.list_jobs(side.conn, Viewer("acme"), size=20, wanted=JobFilter(report_type="rare"))
        ),
        **{
            f"list of {name}, ms": functools.partial(_list, wanted, tenant)
            for name, (tenant, wanted) in _FILTERS.items()
        },
        **{f"page: {name}, ms": functools.partial(_page, path) for name, path in pages.PATHS.items()},
        "sweep, one slice, ms": lambda side: _ms(lambda: sweep.expire(side.conn)),
        "retention, one slice, ms": lambda side: _ms(lambda: retention.forget_jobs(side.conn)),
    }


_HELD = ("submissions, alone /s", "submissions, 32 at once /s", "relay, messages /s")
"""What is measured again while a snapshot is held."""
_UNENDED = [JobStatus.PENDING, JobStatus.PROCESSING]
_FILTERS = {
    "the failed, two of them": ("acme", JobFilter(statuses=[JobStatus.FAILED])),
    "the failed, one of millions": ("rare", JobFilter(statuses=[JobStatus.FAILED])),
    "those with a code, rare": ("acme", JobFilter(error_code="boom")),
    "the unfinished, one of millions": ("rare", JobFilter(statuses=_UNENDED)),
    "the unfinished, all of them": ("waiting", JobFilter(statuses=_UNENDED)),
    "those with a label, forty of them": ("acme", JobFilter(labels={"team": "finance"})),
    "those that repeat a job, none": ("acme", JobFilter(retry_of=UUID(int=1))),
    "an hour long ago": ("acme", JobFilter(created_before=datetime.now(UTC) - timedelta(days=30))),
}
"""By name: whose jobs, and which."""


def _list(wanted: JobFilter, tenant: str, side: "Side") -> float:
    return _ms(lambda: listing.list_jobs(side.conn, Viewer(tenant), size=20, wanted=wanted))


def _page(path: str, side: "Side") -> float:
    return _ms(lambda: pages.open_page(side.visitor, path, side.middle))


def _in_turns(look: Look, small: Side, large: Side, rounds: int) -> dict[str, float]:
    turns = [(look(small), look(large)) for _ in range(rounds)]
    of_small, of_large = (statistics.median(float(str(turn[n])) for turn in turns) for n in (0, 1))
    return {"small": of_small, "large": of_large, "ratio": of_large / of_small}


def _rate(seconds: float, act: Callable[[], int]) -> float:
    done = 0
    began = time.monotonic()
    while (spent := time.monotonic() - began) < seconds:
        done += act()
    return done / spent


def _ms(act: Callable[[], object]) -> float:
    """Median of 50 calls."""
    took = []
    for _ in range(50):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


def _submit(side: Side, together: int) -> int:
    side.unsent += together
    return len(submit(side.conn, [a_submission(tenant="new") for _ in range(together)]))


def _get(side: Side) -> None:
    job = read.get(side.conn, side.middle, Viewer("acme"))
    assert job is not None
    artifacts_of(side.conn, [job], tenant="acme")


def _relay_rate(side: Side, seconds: float) -> float:
    """Messages a second; the backlog is filled up again, off the clock, before it has lost half of its size."""
    sent, spent = 0, 0.0
    goal = SMALL // 2
    while spent < seconds:
        if side.unsent < side.rows / 2 + goal:
            fill.outbox(side.conn, side.rows - side.unsent)
            side.unsent = side.rows
        began = time.perf_counter()
        now = 0
        while now < goal:
            now += side.publisher.run_once()
        spent += time.perf_counter() - began
        sent += now
        side.unsent -= now
    return sent / spent


@contextmanager
def _snapshot(side: Side) -> Iterator[None]:
    """A transaction that sees the past and so keeps it: a long report on the same server, or a forgotten psql."""
    with psycopg.connect(side.url) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM api_keys")
        yield


def _sizes(side: Side) -> dict[str, float]:
    query = text(
        "SELECT pg_total_relation_size('outbox') / 1e6 AS outbox, pg_total_relation_size('jobs') / 1e6 AS jobs"
    )
    return dict(side.conn.execute(query).one()._mapping)


def table(results: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown."""
    lines = ["| | small | large | large / small |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {r['small']:,.2f} | {r['large']:,.2f} | {r['ratio']:.2f} |" for name, r in results.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
