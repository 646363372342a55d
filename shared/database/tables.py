"""The tables, as SQLAlchemy sees them. `alembic check` compares this picture with what the migrations build.

Statements are written as SQL beside the functions that run them, and do not use this module.
"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from shared.database import side_tables

metadata = sa.MetaData()


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, which never wraps around."""

    def get_col_spec(self, **_: object) -> str:
        """The type's name in SQL."""
        return "xid8"


ischema_names["xid8"] = Xid8  # lets reflection, and so `alembic check`, recognise the column

_timestamp = sa.DateTime(timezone=True)
_now = sa.text("clock_timestamp()")

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
    sa.Column("deadline_at", _timestamp, nullable=False),
    sa.Column("run_at", _timestamp, nullable=False),
    sa.Column("next_ring_at", _timestamp, nullable=False),
    sa.Column("keep_artifacts_s", sa.Integer, nullable=False, server_default="2592000"),
    sa.Column("keep_s", sa.Integer, nullable=False, server_default="7776000"),
    sa.Column("max_attempts", sa.SmallInteger, nullable=False),
    sa.Column("max_crashes", sa.SmallInteger, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("report_type", sa.Text, nullable=False),
    sa.Column("report_version", sa.Text, nullable=False),
    sa.Column("parameters", pg.JSONB, nullable=False),
    sa.Column("formats", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("requester", sa.Text),
    sa.Column("scopes", pg.ARRAY(sa.Text)),
    sa.Column("retry_of", pg.UUID),
    sa.Column("schedule_id", pg.UUID),
    sa.Column("labels", pg.JSONB),
    sa.Column("trace_context", sa.Text),
    sa.Column("scheduled_for", _timestamp),
    sa.Column("file_name", sa.Text),
    sa.Column("reuse_key", sa.Text),
    sa.Column("options", pg.JSONB),
    sa.Column("priority", sa.SmallInteger),
    sa.Column("deleted_at", _timestamp),
    sa.Column("cancel_requested_at", _timestamp),
    sa.Column("crashes", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("rings", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("attempt", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("lease_token", pg.UUID),
    sa.Column("worker", sa.Text),
    sa.Column("started_at", _timestamp),
    sa.Column("updated_at", _timestamp, nullable=False, server_default=_now),
    sa.Column("lease_until", _timestamp),
    sa.Column("finished_at", _timestamp),
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("status", sa.Text, nullable=False, server_default="PENDING"),
    sa.Column("verb", sa.Text, nullable=False, server_default="submit"),
    sa.Column("progress", pg.JSONB),
    sa.Column("result", pg.JSONB),
    sa.Column("error", pg.JSONB),
    sa.Index("jobs_by_tenant", "tenant", "id"),
    sa.Index("jobs_by_reuse_key", "tenant", "reuse_key", "id", postgresql_where=sa.text("reuse_key IS NOT NULL")),
    sa.Index("jobs_by_requester", "tenant", "requester", "id", postgresql_where=sa.text("requester IS NOT NULL")),
    sa.Index("jobs_by_schedule", "tenant", "schedule_id", "id", postgresql_where=sa.text("schedule_id IS NOT NULL")),
    sa.Index("jobs_by_retry_of", "tenant", "retry_of", "id", postgresql_where=sa.text("retry_of IS NOT NULL")),
)

failures = sa.Table(
    "failures",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("requester", sa.Text),
    sa.Index("failures_by_code", "tenant", "code", "job_id"),
    sa.Index(
        "failures_by_requester", "tenant", "requester", "job_id", postgresql_where=sa.text("requester IS NOT NULL")
    ),
)

job_labels = sa.Table(
    "job_labels",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
)

unfinished_floor = sa.Table(
    "unfinished_floor",
    metadata,
    sa.Column("one", sa.Boolean, primary_key=True, server_default=sa.true()),
    sa.Column("reached", pg.UUID, nullable=False, server_default="00000000-0000-0000-0000-000000000000"),
    sa.Column("announced", pg.UUID, nullable=False, server_default="00000000-0000-0000-0000-000000000000"),
    sa.Column("fence", Xid8),
)

stragglers = sa.Table(
    "stragglers",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("born", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("stragglers_by_tenant", "tenant", "job_id"),
)

job_transitions = sa.Table(
    "job_transitions",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("at", _timestamp, nullable=False, server_default=_now),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("attempt", sa.SmallInteger, nullable=False),
    sa.Column("lease_token", pg.UUID),
    sa.Column("from_status", sa.Text, nullable=False),
    sa.Column("to_status", sa.Text, nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("worker", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
)
# The view job_events adds each job's birth, which is in the job's own row.

outbox = sa.Table(
    "outbox",
    metadata,
    # xid stands before id on purpose: see shared/outbox/floor.py.
    sa.Column("xid", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("group_key", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("headers", sa.Text),
    sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
)

outbox_retry = sa.Table(
    "outbox_retry",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("group_key", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("headers", sa.Text),
    sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
    sa.Column("due_at", _timestamp, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_error", sa.Text),
    sa.Column("parked_at", _timestamp),
    sa.Index("outbox_retry_due", "due_at", postgresql_where=sa.text("parked_at IS NULL")),
    sa.Index("outbox_retry_parked", "id", postgresql_where=sa.text("parked_at IS NOT NULL")),
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    sa.Column("job_id", pg.UUID, sa.ForeignKey("jobs.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("lease_token", pg.UUID, nullable=False),
    sa.Column("format", sa.Text, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("job_id", pg.UUID, primary_key=True),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("asked_at", _timestamp, nullable=False, server_default=_now),
    sa.Column("due_at", _timestamp, nullable=False, server_default=_now),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Index("erasures_due", "due_at"),
)

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("operation", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("body_digest", sa.Text, nullable=False),
    sa.Column("meaning_digest", sa.Text, nullable=False),
    sa.Column("job_id", pg.UUID, nullable=False),
    sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
    sa.Index("idempotency_keys_by_job", "job_id"),
)


def _rollup(unit: str) -> sa.Table:
    return sa.Table(
        f"job_{unit}s",
        metadata,
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("report_type", sa.Text, primary_key=True),
        sa.Column("outcome", sa.Text, primary_key=True),
        sa.Column(unit, _timestamp, primary_key=True),
        sa.Column("jobs", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("buckets", pg.ARRAY(sa.BigInteger), nullable=False),
        sa.Index(f"job_{unit}s_by_{unit}", unit),
    )


job_minutes, job_hours = _rollup("minute"), _rollup("hour")

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("since", _timestamp, nullable=False, server_default=_now),
    sa.Column("seen_at", _timestamp, nullable=False, server_default=_now),
    sa.Column("catalog", sa.Text, nullable=False),
    sa.Column("report_types", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("holding", sa.Integer, nullable=False),
    sa.Column("sick", sa.Text),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.Text(collation="C"), primary_key=True),
    sa.Column("key_sha256", sa.LargeBinary, nullable=False),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
    sa.Column("created_by", sa.Text),
    sa.Column("replaces", sa.Text(collation="C"), sa.ForeignKey("api_keys.id", ondelete="SET NULL")),
    sa.Column("request", sa.Text),
    sa.Column("digest", sa.Text),
    sa.Column("expires_at", _timestamp),
    sa.Column("last_used_at", _timestamp),
    sa.Column("revoked_at", _timestamp),
    sa.Index("api_keys_by_tenant", "tenant", "created_at", "id"),
    sa.Index("api_keys_by_request", "tenant", "request", unique=True, postgresql_where=sa.text("request IS NOT NULL")),
    sa.Index(
        "api_keys_by_old",
        "replaces",
        unique=True,
        postgresql_where=sa.text("replaces IS NOT NULL AND revoked_at IS NULL"),
    ),
    sa.Index("api_keys_by_replaced", "replaces", postgresql_where=sa.text("replaces IS NOT NULL")),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("at", _timestamp, nullable=False, server_default=_now),
    sa.Column("tenant", sa.Text, nullable=False),
    sa.Column("subject", sa.Text),
    sa.Column("key_id", sa.Text),
    sa.Column("request_id", sa.Text),
    sa.Column("address", sa.Text),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("object", sa.Text, nullable=False),
    sa.Column("before", pg.JSONB),
    sa.Column("after", pg.JSONB),
    sa.Index("audit_by_tenant", "tenant", "at", "id"),
    sa.Index("audit_by_object", "tenant", "object", "at", "id"),
)

page_token_keys = sa.Table(
    "page_token_keys",
    metadata,
    sa.Column("week", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
)

sa.Table(
    "tenant_rates",
    metadata,
    sa.Column("tenant", sa.Text, primary_key=True),
    sa.Column("used_until", _timestamp, nullable=False),
    sa.Column("granted", sa.Integer, nullable=False),
)

side_tables.add_to(metadata)
