"""Jobs for tests, and the passing of time."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.ids import uuid7
from shared.jobs import lease
from shared.jobs.lease import StartedJob
from shared.jobs.submission import Capped, IdempotencyKey, Submission
from shared.jobs.submit import submit


def a_submission(*, idempotency_key: str | None = None, **changes: Any) -> Submission:
    """Return a request for the built-in calendar. Its content is in the digests of its key."""
    fields: dict[str, Any] = {
        "id": uuid7(),
        "tenant": "acme",
        "report_type": "calendar",
        "report_version": "1",
        "parameters": {"from": "2026-01-01", "to": "2026-01-31"},
        "formats": ["csv"],
        "max_attempts": 3,
        "max_crashes": 2,
        "deadline_s": 3600.0,
        "keep_artifacts_s": 3600,
        "keep_s": 7200,
    }
    fields |= changes
    if idempotency_key is not None:
        asked = repr([fields["report_type"], fields["parameters"], fields["formats"]])
        fields["idempotency_key"] = IdempotencyKey(idempotency_key, f"bytes of {asked}", f"meaning of {asked}")
    return Submission(**fields)


def a_job(conn: Connection, **changes: Any) -> UUID:
    """Create a waiting job."""
    submission = a_submission(**changes)
    [answer] = submit(conn, [submission])
    assert not isinstance(answer, Capped)
    return submission.id


def started(conn: Connection, job_id: UUID, *, worker: str = "w1", lease_s: float = 60) -> StartedJob:
    """Start a waiting job."""
    result = lease.start(conn, [job_id], worker=worker, lease_s=lease_s)
    assert len(result.started) == 1, result
    return result.started[0]


def expire_lease(conn: Connection, job_id: UUID) -> None:
    """Let time pass until the lease has run out."""
    conn.execute(
        text("UPDATE jobs SET lease_until = clock_timestamp() - interval '1 s' WHERE id = :id"), {"id": job_id}
    )


def pass_time(conn: Connection, job_id: UUID, column: str) -> None:
    """Let time pass until the moment in `column` is a minute ago."""
    conn.execute(
        text(f"UPDATE jobs SET {column} = clock_timestamp() - interval '1 min' WHERE id = :id"), {"id": job_id}
    )


def row(conn: Connection, job_id: UUID) -> Any:
    """Return the job's row."""
    return conn.execute(text("SELECT * FROM jobs WHERE id = :id"), {"id": job_id}).one()


def count(conn: Connection, table: str) -> int:
    """Return the number of rows in a table."""
    return int(conn.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def verbs(conn: Connection, job_id: UUID) -> list[str]:
    """Return the job's history, as the verbs that made it."""
    found = conn.execute(text("SELECT verb FROM job_events WHERE job_id = :id ORDER BY version"), {"id": job_id})
    return [str(verb) for verb in found.scalars()]
