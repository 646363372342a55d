"""`python -m tests.benchmarks.leases`: the cost per job of other ways to find unfinished or running jobs.

Each alternative in a database of its own: WAL bytes per job of its submission, start and success, in batches, and how
many of the updates stayed heap-only. Counts, not times: any machine gives the same.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.database.engine import create_engine
from shared.jobs import lease, unfinished
from shared.jobs.artifacts import Artifact
from shared.jobs.submit import submit
from shared.jobs.succeed import Success, succeed
from tests.support.jobs import a_submission
from tests.support.postgres import server

_JOBS = 3_200

_NONE = "none (what Todoke does)"
_LISTED = "none, and every job lives so long that it is listed"

ALTERNATIVES: Mapping[str, Sequence[str]] = {
    _NONE: (),
    _LISTED: (),
    "an index of unfinished jobs": ("CREATE INDEX unfinished ON jobs (id) WHERE finished_at IS NULL",),
    "an index of running jobs": ("CREATE INDEX running ON jobs (id) WHERE status = 'PROCESSING'",),
    "an index of starts in the history": ("CREATE INDEX starts ON job_transitions (at) WHERE verb = 'start'",),
    "a table of running jobs, kept by a trigger": (
        "CREATE TABLE running (job_id uuid PRIMARY KEY)",
        """CREATE FUNCTION keep_running() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               INSERT INTO running SELECT id FROM after WHERE verb = 'start' ON CONFLICT DO NOTHING;
               DELETE FROM running USING after WHERE after.status <> 'PROCESSING' AND running.job_id = after.id;
               RETURN NULL; END $$""",
        """CREATE TRIGGER keep_running AFTER UPDATE ON jobs REFERENCING NEW TABLE AS after
           FOR EACH STATEMENT EXECUTE FUNCTION keep_running()""",
    ),
}


def main() -> int:
    """Measure each and print a table in Markdown."""
    print("| to find unfinished or running jobs | WAL bytes a job | of which start | heap-only updates |")
    print("|---|---:|---:|---:|")
    with server.server() as base:
        for name, statements in ALTERNATIVES.items():
            with server.database(base) as url:
                total, start, heap_only = _measure(url, statements, listed=name == _LISTED)
                print(f"| {name} | {total:,.0f} | {start:,.0f} | {heap_only:.0%} |")
    return 0


def _measure(url: str, statements: Sequence[str], *, listed: bool) -> tuple[float, float, float]:
    """WAL bytes per job in all, those of `start`, and the share of heap-only updates."""
    engine = create_engine(url, application_name="bench")
    with engine.connect() as conn:
        for statement in (*statements, "CHECKPOINT"):
            conn.execute(text(statement))
        marks = [_position(conn)]
        ids = []
        for _ in range(_JOBS // 32):
            batch = [a_submission() for _ in range(32)]
            submit(conn, batch)
            ids += [each.id for each in batch]
        while listed and unfinished.advance_floor(conn, list_after_s=-1):
            pass
        marks.append(_position(conn))
        tens = [ids[at : at + 10] for at in range(0, len(ids), 10)]
        started = [lease.start(conn, ten, worker="w", lease_s=60).started for ten in tens]
        marks.append(_position(conn))
        file = Artifact("report.csv", "csv", "text/csv", 1, "0" * 64, 1)
        for ten in started:
            succeed(conn, [Success(job.lease, [file], 0.1) for job in ten])
        unfinished.prune(conn)
        marks.append(_position(conn))
        conn.execute(text("SELECT pg_stat_force_next_flush()"))
        heap_only = conn.execute(
            text("SELECT n_tup_hot_upd::float8 / n_tup_upd FROM pg_stat_user_tables WHERE relname = 'jobs'")
        ).scalar_one()
    engine.dispose()
    return (marks[3] - marks[0]) / _JOBS, (marks[2] - marks[1]) / _JOBS, heap_only


def _position(conn: Connection) -> float:
    return float(conn.execute(text("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")).scalar_one())


if __name__ == "__main__":
    raise SystemExit(main())
