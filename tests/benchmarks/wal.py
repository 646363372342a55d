"""`python -m tests.benchmarks.wal`: the WAL records of a job, by table, index and kind of record.

The load is that of `make bench ARGS="--only cost"`: one relay, one worker, a report of no work. PostgreSQL's own
pg_waldump reads what they wrote, page images left out, so that a checkpoint in between changes nothing.
"""

import argparse
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import Connection

from deploy.local import postgres
from shared.database.engine import create_engine
from tests.benchmarks import counting
from tests.benchmarks.parts import Stage, environment
from tests.support.sqs.fast_process import FastSqs

_RECORD = re.compile(r"^rmgr: (\S+) +len \(rec/tot\): +\d+/ *(\d+), .*?desc: (\w+)(?:.*?rel \d+/(\d+)/(\d+))?")

Place = tuple[str, str]
"""What was written to, and by which kind of record."""


def main() -> int:
    """Measure and print a table in Markdown."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=4000)
    jobs = options.parse_args().jobs
    with (
        tempfile.TemporaryDirectory(prefix="todoke-wal-", ignore_cleanup_errors=True) as folder,
        postgres.EmbeddedPostgres(
            Path(folder) / "postgres",
            settings={"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "max_wal_size": "8GB"},
        ) as server,
        FastSqs(Path(folder)) as sqs,
        environment(sqs.environment()),
    ):
        stage = Stage(server, sqs, Path(folder), jobs, 1)
        url = stage.database()
        engine = create_engine(url, application_name="bench")
        with engine.connect() as conn:
            begin = _position(conn)
            cost = counting.measure(url, stage.queue(), jobs)
            end = _position(conn)
            names = _names(conn)
        engine.dispose()
        sizes: Counter[Place] = Counter()
        counts: Counter[Place] = Counter()
        for place, size in _records(Path(folder) / "postgres" / "data" / "pg_wal", begin, end, names):
            sizes[place] += size
            counts[place] += 1
    print(f"{cost.wal_bytes:,.0f} bytes of WAL a job; {cost.dead_rows:.2f} dead rows\n")
    print("| written to | record | a job | bytes a job |\n|---|---|---:|---:|")
    for (relation, record), size in sizes.most_common():
        if size / jobs >= 1:
            print(f"| {relation} | {record} | {counts[relation, record] / jobs:.3f} | {size / jobs:,.0f} |")
    return 0


def _records(folder: Path, begin: str, end: str, names: dict[str, str]) -> Iterator[tuple[Place, int]]:
    command = [str(postgres._binaries() / "pg_waldump"), "-p", str(folder), "-s", begin, "-e", end]
    dumped = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in dumped.stdout.splitlines():
        found = _RECORD.match(line)
        assert found, line
        manager, size, kind, _, node = found.groups()
        relation = names.get(node, node) if node else "-"
        yield (relation, f"{manager} {kind}"), (int(size) + 7) // 8 * 8


def _names(conn: Connection) -> dict[str, str]:
    rows = conn.execute(text("SELECT pg_relation_filenode(oid)::text AS node, relname FROM pg_class"))
    return {row.node: row.relname for row in rows if row.node}


def _position(conn: Connection) -> str:
    return str(conn.execute(text("SELECT pg_current_wal_insert_lsn()")).scalar_one())


if __name__ == "__main__":
    raise SystemExit(main())
