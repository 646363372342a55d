"""The tables of schedules and their ticks, as SQLAlchemy sees them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_timestamp = sa.DateTime(timezone=True)
_now = sa.text("clock_timestamp()")


def add_to(metadata: sa.MetaData) -> None:
    """Add them to the metadata."""
    sa.Table(
        "schedules",
        metadata,
        sa.Column("id", pg.UUID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("report_type", sa.Text, nullable=False),
        sa.Column("parameters", pg.JSONB, nullable=False),
        sa.Column("formats", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("labels", pg.JSONB),
        sa.Column("options", pg.JSONB),
        sa.Column("terms", pg.JSONB, nullable=False),
        sa.Column("cron", sa.Text),
        sa.Column("every_s", sa.Integer),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("begins_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("until", _timestamp),
        sa.Column("jitter_s", sa.Integer, nullable=False),
        sa.Column("misfire", sa.Text, nullable=False),
        sa.Column("misfire_most", sa.SmallInteger, nullable=False),
        sa.Column("overlap", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("owner_key", sa.Text(collation="C")),
        sa.Column("owner_scopes", pg.ARRAY(sa.Text)),
        sa.Column("owner_until", _timestamp),
        sa.Column("request", sa.Text),
        sa.Column("digest", sa.Text),
        sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("updated_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("paused_at", _timestamp),
        sa.Column("paused_by", sa.Text),
        sa.Column("pause_note", sa.Text),
        sa.Column("stopped_at", _timestamp),
        sa.Column("stop_reason", sa.Text),
        sa.Column("next_tick", _timestamp),
        sa.Column("due_at", _timestamp),
        sa.Column("failing_since", _timestamp),
        sa.Column("failing_because", sa.Text),
        sa.Column("last_tick", _timestamp),
        sa.Column("last_job_id", pg.UUID),
        sa.Column("due_job_id", pg.UUID),
        sa.Column("file", sa.Text),
        sa.Column("file_digest", sa.Text),
        sa.Column("file_seen_at", _timestamp),
        sa.Index("schedules_by_tenant", "tenant", "id"),
        sa.Index(
            "schedules_by_request", "tenant", "request", unique=True, postgresql_where=sa.text("request IS NOT NULL")
        ),
        sa.Index("schedules_due", "tenant", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
        sa.Index("schedules_failing", "failing_since", postgresql_where=sa.text("failing_since IS NOT NULL")),
        sa.Index("schedules_by_file", "tenant", "file", unique=True, postgresql_where=sa.text("file IS NOT NULL")),
        sa.Index("schedules_by_key", "owner_key", postgresql_where=sa.text("owner_key IS NOT NULL")),
    )
    sa.Table(
        "schedule_ticks",
        metadata,
        sa.Column("schedule_id", pg.UUID, sa.ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("tick", _timestamp, primary_key=True),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("fate", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("job_id", pg.UUID),
        sa.Column("since", _timestamp),
        sa.Column("at", _timestamp, nullable=False, server_default=_now),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Index("schedule_ticks_waiting", "tenant", "tick", postgresql_where=sa.text("fate = 'waiting'")),
        sa.Index("schedule_ticks_by_age", "at"),
        sa.Index("schedule_ticks_missed", "at", postgresql_where=sa.text("reason = 'missed'")),
    )
