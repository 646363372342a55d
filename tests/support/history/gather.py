"""Read the inside of a system at rest: its tables, its artifact store, its workers' logs."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.reports.manifest import NAME as MANIFEST
from tests.support.history.facts import ArtifactRow, Ended, Event, History, JobRow, Met, StoredFile


def read_tables(conn: Connection, history: History) -> None:
    """Add what the tables say."""
    for row in conn.execute(text("SELECT *, extract(epoch FROM at)::float8 AS at_s FROM job_events ORDER BY version")):
        source = None if row.from_status is None else JobStatus(row.from_status)
        history.events.append(
            Event(row.job_id, row.version, source, JobStatus(row.to_status), row.verb, row.attempt, row.lease_token,
                  row.worker, row.at_s)
        )  # fmt: skip
    jobs = conn.execute(text("SELECT j.*, extract(epoch FROM deadline_at)::float8 AS deadline_s, k.key "
                             "FROM jobs j LEFT JOIN idempotency_keys k ON k.job_id = j.id"))  # fmt: skip
    for row in jobs:
        history.jobs.append(
            JobRow(row.id, row.tenant, JobStatus(row.status), row.version, row.attempt, row.max_attempts, row.crashes,
                   row.max_crashes, row.lease_token, tuple(row.formats), row.cancel_requested_at is not None, row.key,
                   row.report_type, row.report_version, (row.error or {}).get("code"), row.deadline_s)
        )  # fmt: skip
    for row in conn.execute(text("SELECT * FROM artifacts")):
        history.artifacts.append(
            ArtifactRow(row.job_id, row.lease_token, row.name, row.format, row.size_bytes, row.sha256, row.rows)
        )
    history.unsent = conn.execute(text("SELECT count(*) FROM outbox")).scalar_one()


def read_store(folder: Path, history: History) -> None:
    """Add every object of a store on disk, read whole."""
    for path in (folder / "reports").glob("*/*/*/*"):
        tenant, job, token, name = path.relative_to(folder / "reports").parts
        content = path.read_bytes()
        manifest = json.loads(content) if name == MANIFEST else None
        sha256 = hashlib.sha256(content).hexdigest()
        history.files.append(StoredFile(tenant, UUID(job), UUID(token), name, len(content), sha256, manifest))


def read_worker_log(file: Path, history: History) -> None:
    """Add what workers said that they had ended, and what their attempts failed of."""
    for line in _json_lines(file):
        if line.get("event") not in {"attempt.ended", "attempt.failed"}:
            continue
        job_id, token = UUID(str(line["job_id"])), UUID(str(line["lease_token"]))
        if line["event"] == "attempt.ended":
            history.ended.append(Ended(job_id, token, JobStatus(str(line["status"]))))
        else:
            at = datetime.fromisoformat(str(line["time"])).timestamp()
            history.met.append(Met(job_id, token, str(line["code"]), at))


def _json_lines(file: Path) -> Iterator[dict[str, object]]:
    if not file.exists():
        return
    with file.open(errors="replace") as lines:
        for line in lines:
            try:
                content = json.loads(line)
            except ValueError:
                continue  # a process was killed in the middle of it
            if isinstance(content, dict):
                yield content
