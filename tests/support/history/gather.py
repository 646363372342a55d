"""Reads the inside of a system at rest: its tables, its artifact store, its workers' logs."""

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
from tests.support.history.facts_of_others import (
    BulkResult,
    BulkRow,
    DeliveryRow,
    ScheduleRow,
    TickRow,
    ToldRow,
    WebhookRow,
)


def read_tables(conn: Connection, history: History) -> None:
    """Add the content of the tables."""
    for row in conn.execute(text("SELECT *, extract(epoch FROM at)::float8 AS at_s FROM job_events ORDER BY version")):
        source = None if row.from_status is None else JobStatus(row.from_status)
        history.events.append(
            Event(row.job_id, row.version, source, JobStatus(row.to_status), row.verb, row.attempt, row.lease_token,
                  row.worker, row.at_s)
        )  # fmt: skip
    jobs = conn.execute(text("SELECT j.*, extract(epoch FROM deadline_at)::float8 AS deadline_s, k.key, k.operation, "
                             "coalesce(j.result -> 'figures', '{}') || jsonb_build_object("
                             "'rows', (SELECT max(rows) FROM artifacts a WHERE a.job_id = j.id)) AS figures "
                             "FROM jobs j LEFT JOIN idempotency_keys k ON k.job_id = j.id"))  # fmt: skip
    for row in jobs:
        history.jobs.append(
            JobRow(row.id, row.tenant, JobStatus(row.status), row.version, row.attempt, row.max_attempts, row.crashes,
                   row.max_crashes, row.lease_token, tuple(row.formats), row.cancel_requested_at is not None, row.key,
                   row.report_type, row.report_version, (row.error or {}).get("code"), row.deadline_s,
                   row.retry_of, row.schedule_id, row.operation == "bulk", (row.options or {}).get("callbackUrl"),
                   (row.options or {}).get("notifyWhen"), row.figures)
        )  # fmt: skip
    for row in conn.execute(text("SELECT * FROM artifacts")):
        history.artifacts.append(
            ArtifactRow(row.job_id, row.lease_token, row.name, row.format, row.size_bytes, row.sha256, row.rows)
        )
    history.unsent = conn.execute(text("SELECT count(*) FROM outbox")).scalar_one()
    history.held = conn.execute(text("SELECT count(*) FROM held")).scalar_one()
    _read_bulk_actions(conn, history)
    _read_schedules(conn, history)
    read_webhooks(conn, history)


def _read_bulk_actions(conn: Connection, history: History) -> None:
    for row in conn.execute(text("SELECT *, extract(epoch FROM created_at)::float8 AS created_s FROM bulk_actions")):
        history.bulks.append(BulkRow(row.id, row.tenant, row.action, row.state, row.created_s, row.outcomes))
    for row in conn.execute(text("SELECT bulk_id, job_id, outcome, new_job_id FROM bulk_results")):
        history.bulk_results.append(BulkResult(*row))


def _read_schedules(conn: Connection, history: History) -> None:
    def epoch(column: str) -> str:
        return f"extract(epoch FROM {column})::float8"

    schedules = f"SELECT id, every_s, {epoch('begins_at')}, {epoch('next_tick')} FROM schedules"
    history.schedules += [ScheduleRow(*row) for row in conn.execute(text(schedules))]
    ticks = f"SELECT schedule_id, {epoch('tick')}, cause, fate, reason, job_id, {epoch('since')} FROM schedule_ticks"
    history.ticks += [TickRow(*row) for row in conn.execute(text(ticks))]


def read_webhooks(conn: Connection, history: History) -> None:
    """Add the subscriptions, the events, and the recorded deliveries."""
    enabled = ("SELECT id, tenant, types, report_types, extract(epoch FROM updated_at)::float8, notify_when, origin "
               "FROM webhooks WHERE disabled_at IS NULL")  # fmt: skip
    history.webhooks += [WebhookRow(*row) for row in conn.execute(text(enabled))]
    events = "SELECT id, tenant, type, job_id, status FROM webhook_events"
    history.told += [ToldRow(*row) for row in conn.execute(text(events))]
    deliveries = ("SELECT webhook_id, event_id, state, body, EXISTS (SELECT FROM webhook_attempts a WHERE "
                  "a.delivery_id = d.id AND a.status BETWEEN 200 AND 299), url FROM webhook_deliveries d")  # fmt: skip
    history.deliveries += [DeliveryRow(*row) for row in conn.execute(text(deliveries))]


def read_store(folder: Path, history: History) -> None:
    """Add every object of a store on disk, read completely."""
    for path in (folder / "reports").glob("*/*/*/*"):
        tenant, job, token, name = path.relative_to(folder / "reports").parts
        content = path.read_bytes()
        manifest = json.loads(content) if name == MANIFEST else None
        sha256 = hashlib.sha256(content).hexdigest()
        history.files.append(StoredFile(tenant, UUID(job), UUID(token), name, len(content), sha256, manifest))


def read_worker_log(file: Path, history: History) -> None:
    """Add what workers logged as ended, and why attempts failed."""
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
                continue  # a process was killed while writing it
            if isinstance(content, dict):
                yield content
