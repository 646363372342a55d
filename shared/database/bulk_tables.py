"""The tables of bulk actions, as SQLAlchemy sees them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_timestamp = sa.DateTime(timezone=True)


def add_to(metadata: sa.MetaData) -> None:
    """Add them to the metadata."""
    of_somebody, asked = sa.text("subject IS NOT NULL"), sa.text("request IS NOT NULL")
    running = sa.text("state = 'RUNNING'")
    sa.Table(
        "bulk_actions",
        metadata,
        sa.Column("id", pg.UUID, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tenant", "action", "state")),
        sa.Column("filter", pg.JSONB, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("matched", pg.JSONB, nullable=False),
        sa.Column("created_at", _timestamp, nullable=False),
        sa.Column("horizon", pg.UUID, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("key_id", sa.Text(collation="C")),
        *(sa.Column(name, sa.Text) for name in ("request_id", "address", "sees_only")),
        sa.Column("hidden", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("terms", pg.JSONB),
        *(sa.Column(name, sa.Text) for name in ("request", "digest")),
        sa.Column("position", pg.UUID, nullable=False),
        sa.Column("outcomes", pg.JSONB, nullable=False, server_default="{}"),
        *(sa.Column(name, _timestamp) for name in ("started_at", "moved_at", "due_at", "ended_at")),
        sa.Column("stopped_by", sa.Text),
        sa.Column("failures", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Index("bulk_actions_by_tenant", "tenant", "id"),
        sa.Index("bulk_actions_by_subject", "tenant", "subject", "id", postgresql_where=of_somebody),
        sa.Index("bulk_actions_due", "due_at", postgresql_where=running),
        sa.Index("bulk_actions_running", "tenant", postgresql_where=running),
        sa.Index("bulk_actions_by_request", "tenant", "request", unique=True, postgresql_where=asked),
    )
    sa.Table(
        "bulk_results",
        metadata,
        sa.Column("bulk_id", pg.UUID, primary_key=True),
        sa.Column("job_id", pg.UUID, primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("code", sa.Text),
        sa.Column("new_job_id", pg.UUID),
        sa.Index("bulk_results_by_outcome", "bulk_id", "outcome", "job_id"),
    )
