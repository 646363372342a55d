"""A week's jobs: several hundred, with their history, files, failures and counts."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.ids import uuid7
from shared.jobs import lease as leases
from shared.jobs.artifacts import Artifact
from shared.jobs.cancel import cancel
from shared.jobs.finish import Failure, fail
from shared.jobs.lease import Lease
from shared.jobs.rollups import ACCEPT, COUNT, ENDED
from shared.jobs.succeed import Success, succeed
from shared.jobs.viewer import Viewer
from tests.support.jobs import a_job

TENANT = "kawabata-trading"
PEOPLE = ("mika.sato", "t.okonkwo", "finance-nightly", "佐々木 美香")
_WEEK_S = 7 * 86_400
_JOBS = 260
_PERIOD = {"from": "2026-10-01", "to": "2026-10-31"}
_ASKED: Mapping[str, Mapping[str, Any]] = {
    "monthly-sales": {"month": "2026-10-01", "region": "Kansai"},
    "invoices": {"customer": "JP204411", "due": "2026-11-30", "least": "12345678901.25"},
    "general-ledger": {**_PERIOD, "accounts": ["1110", "1120", "1340", "2110", "2150", "5100", "5210", "7000"]},
    "stock-on-hand": {"at": "2026-11-28T23:59:59+09:00", "warehouses": ["Funabashi", "Tosu"]},
    "payroll-summary": {"month": "2026-10-01", "with_bonus": True},
    "shipment-delays": {**_PERIOD, "at_least_h": 24},
    "tax-declaration": {"year": 2026},
}
_SECONDS = {"general-ledger": 340.0, "web-sessions": 95.0, "order-lines": 21.0, "monthly-sales": 8.0}
_ROWS = {"general-ledger": 18_204_993, "web-sessions": 4_120_775, "monthly-sales": 96}
_FAILURES = (
    ("source_timeout", "the query was cancelled after 600 s", "Ask for fewer days, or raise limits.timeout_s."),
    ("source_unavailable", "connection to server at \"10.20.4.7\", port 5432 failed: Connection refused", ""),
    ("too_many_rows", "the query gave more than 5,000,000 rows", "Narrow the parameters, or raise limits.max_rows."),
    ("worker_lost", "the worker that ran it has been silent for 60 s", "Look at the worker's log: it may lack memory."),
)  # fmt: skip


class Week(NamedTuple):
    """Jobs of the scene that pictures are taken of."""

    waits: UUID
    runs: UUID
    retries: UUID
    done: UUID
    failed: UUID
    cancelled: UUID
    expired: UUID


def a_week(conn: Connection, formats: Mapping[str, Sequence[str]]) -> Week:
    """Make the jobs; `formats` are those of each report type. `conn` belongs to a superuser."""
    dice, now = random.Random(7), datetime.now(UTC)
    names = list(formats)
    for n in range(_JOBS, 0, -1):
        name = dice.choices(names, [5, 3, 2, 4, 1, 3, 4, 1, 2, 2, 1, 2])[0]
        at = now - timedelta(seconds=_WEEK_S * (n / _JOBS) ** 1.3 + 900)
        _ended(conn, _asked(conn, name, formats[name], at, dice), at, dice, name, formats[name])
    week = _today(conn, formats, now, dice)
    ended = f"ended AS (SELECT {ENDED} FROM jobs WHERE finished_at IS NOT NULL)"
    conn.execute(text(f"WITH {ended}, came AS (SELECT created_at FROM jobs), {COUNT}, {ACCEPT} SELECT"))
    return week


def _today(conn: Connection, formats: Mapping[str, Sequence[str]], now: datetime, dice: random.Random) -> Week:
    """The jobs that pictures show alone: one in each state."""

    def asked(name: str, minutes: float, **more: Any) -> UUID:
        return _asked(conn, name, formats[name], now - timedelta(minutes=minutes), dice, **more)

    expired = asked("ad-spend", 60 * 24 * 6, keep_artifacts_s=86_400, keep_s=90 * 86_400)
    _succeed(conn, expired, now - timedelta(days=6), 12, "ad-spend", ["csv"])
    failed = asked("general-ledger", 14, requester=PEOPLE[0])
    _lost(conn, failed, now - timedelta(minutes=13.8), 95)
    _fail(conn, failed, now - timedelta(minutes=11), 600, *_FAILURES[0])
    done = asked("monthly-sales", 9, requester=PEOPLE[0], labels={"team": "finance", "run": "month-end"})
    _lost(conn, done, now - timedelta(minutes=8.9), 40)
    _succeed(conn, done, now - timedelta(minutes=7.5), 31, "monthly-sales", formats["monthly-sales"])
    cancelled = asked("web-sessions", 6, requester=PEOPLE[0])
    cancel(conn, cancelled, Viewer(TENANT))
    retries = asked("invoices", 5, requester=PEOPLE[0])
    held = leases.start(conn, [retries], worker="worker-7f9c", lease_s=60).started[0].lease
    fail(conn, [Failure(held, "source_unavailable", _FAILURES[1][1], retryable=True, delay_s=180)])
    runs = asked("general-ledger", 3, requester=PEOPLE[0])
    leases.start(conn, [runs], worker="worker-7f9c", lease_s=3600)
    conn.execute(
        text("UPDATE jobs SET progress = CAST(:progress AS jsonb) WHERE id = :id"),
        {
            "id": runs,
            "progress": '{"phase": "writing xlsx", "rows": 11234567, "percent": 61.7, "total_rows": 18204993,'
            ' "eta_s": 131.5}',
        },
    )
    waits = asked("order-lines", 0.4, requester=PEOPLE[0])
    asked("stock-on-hand", 0.2, requester=PEOPLE[3])
    return Week(waits, runs, retries, done, failed, cancelled, expired)


def _asked(conn: Connection, name: str, formats: Sequence[str], at: datetime, dice: random.Random, **more: Any) -> UUID:
    made = UUID(int=int(at.timestamp() * 1000) << 80 | uuid7().int & (1 << 80) - 1)
    chosen = list(formats[: dice.randint(1, len(formats))])
    fields = {
        "id": made, "tenant": TENANT, "report_type": name, "report_version": "4f09c1d27ab3", "formats": chosen,
        "parameters": _ASKED.get(name, _PERIOD), "requester": dice.choices(PEOPLE, [5, 2, 3, 1])[0],
        "keep_artifacts_s": 30 * 86_400, "keep_s": 90 * 86_400, **more,
    }  # fmt: skip
    job_id = a_job(conn, **fields)
    conn.execute(text("UPDATE jobs SET created_at = :at WHERE id = :id"), {"id": job_id, "at": at})
    conn.execute(text("DELETE FROM outbox WHERE payload::json ->> 'jobId' = :id"), {"id": str(job_id)})
    return job_id


def _ended(
    conn: Connection, job_id: UUID, at: datetime, dice: random.Random, name: str, formats: Sequence[str]
) -> None:
    took = _SECONDS.get(name, 4.0) * dice.uniform(0.6, 1.9)
    match dice.random():
        case luck if luck < 0.05:
            cancel(conn, job_id, Viewer(TENANT))
            _shift(conn, job_id, [at + timedelta(seconds=took)])
        case luck if luck < 0.14:
            _fail(conn, job_id, at + timedelta(seconds=2), took, *dice.choice(_FAILURES))
        case _:
            _succeed(conn, job_id, at + timedelta(seconds=dice.uniform(0.1, 6)), took, name, formats)


def _start(conn: Connection, job_id: UUID) -> Lease:
    return leases.start(conn, [job_id], worker="worker-7f9c", lease_s=60).started[0].lease


def _lost(conn: Connection, job_id: UUID, at: datetime, took: float) -> None:
    """An attempt whose worker went silent: the job waits again."""
    held = _start(conn, job_id)
    message = "the worker that ran it has been silent for 60 s"
    fail(conn, [Failure(held, "worker_lost", message, retryable=True, delay_s=0)])
    _shift(conn, job_id, [at, at + timedelta(seconds=took)])


def _fail(conn: Connection, job_id: UUID, at: datetime, took: float, code: str, message: str, hint: str) -> None:
    fail(conn, [Failure(_start(conn, job_id), code, message, retryable=False, delay_s=0, hint=hint)])
    _shift(conn, job_id, [at, at + timedelta(seconds=took)])


def _succeed(conn: Connection, job_id: UUID, at: datetime, took: float, name: str, formats: Sequence[str]) -> None:
    asked = conn.execute(text("SELECT formats FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one()
    rows = _ROWS.get(name, 48_211)
    files = [
        Artifact(
            f"{name}.{each}",
            each,
            "application/octet-stream",
            rows * {"csv": 61, "xlsx": 38, "pdf": 90, "parquet": 11}.get(each, 120) + 8_211,
            hashlib.sha256(f"{job_id}{each}".encode()).hexdigest(),
            rows,
        )
        for each in asked
    ]
    cost = {"cpu_seconds": round(took * 0.8, 2), "peak_memory_mb": 212, "bytes_read": 1 << 24, "bytes_written": 1 << 22}
    phases = {"querying": took * 0.5, "reading": took * 0.2}
    phases |= {f"writing {one}": took * 0.2 / len(formats) for one in formats} | {"storing": took * 0.02}
    succeed(conn, [Success(_start(conn, job_id), files, took, cost=cost, phases=phases)])
    _shift(conn, job_id, [at, at + timedelta(seconds=took)])


def _shift(conn: Connection, job_id: UUID, moments: Sequence[datetime]) -> None:
    """Let the latest changes of the job have happened at these moments."""
    newest = conn.execute(text("SELECT version FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one()
    conn.execute(text("SET session_replication_role = replica"))
    for n, moment in enumerate(moments):
        conn.execute(
            text("UPDATE job_transitions SET at = :at WHERE job_id = :id AND version = :version"),
            {"id": job_id, "at": moment, "version": newest - len(moments) + 1 + n},
        )
    conn.execute(
        text("""
            UPDATE jobs
               SET updated_at = :last,
                   started_at = CASE WHEN attempt > 0 THEN least(started_at, CAST(:first AS timestamptz)) END,
                   finished_at = CASE WHEN finished_at IS NOT NULL THEN CAST(:last AS timestamptz) END
             WHERE id = :id"""),
        {"id": job_id, "first": moments[0], "last": moments[-1]},
    )
    conn.execute(text("RESET session_replication_role"))
