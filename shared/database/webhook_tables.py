"""The tables of webhooks, as SQLAlchemy sees them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_timestamp = sa.DateTime(timezone=True)
_now = sa.text("clock_timestamp()")
_id = sa.text(
    """encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
    substring(int8send(CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint)) FROM 3)
    FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"""
)


def add_to(metadata: sa.MetaData) -> None:
    """Add them to the metadata."""
    _webhooks(metadata)
    _events(metadata)
    _deliveries(metadata)


def _webhooks(metadata: sa.MetaData) -> None:
    sa.Table(
        "webhooks",
        metadata,
        sa.Column("id", pg.UUID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("types", pg.ARRAY(sa.Text), nullable=False),
        sa.Column("report_types", pg.ARRAY(sa.Text)),
        sa.Column("notify_when", pg.JSONB),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text),
        sa.Column("request", sa.Text),
        sa.Column("digest", sa.Text),
        sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("updated_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("disabled_at", _timestamp),
        sa.Column("disabled_because", sa.Text),
        sa.Column("failing_since", _timestamp),
        sa.Column("last_success_at", _timestamp),
        sa.Column("last_failure_at", _timestamp),
        sa.Column("throttled_until", _timestamp),
        sa.Column("deleted_at", _timestamp),
        sa.Index("webhooks_by_tenant", "tenant", "id"),
        sa.Index("webhooks_deleted", "id", postgresql_where=sa.text("deleted_at IS NOT NULL")),
        sa.Index("webhooks_disabled", "id", postgresql_where=sa.text("disabled_because <> 'asked'")),
        sa.Index(
            "webhooks_by_request", "tenant", "request", unique=True, postgresql_where=sa.text("request IS NOT NULL")
        ),
    )
    sa.Table(
        "webhook_secrets",
        metadata,
        sa.Column("webhook_id", pg.UUID, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("ends_at", _timestamp),
        sa.Index("webhook_secrets_ending", "ends_at", postgresql_where=sa.text("ends_at IS NOT NULL")),
    )


def _events(metadata: sa.MetaData) -> None:
    sa.Table(
        "webhook_events",
        metadata,
        sa.Column("id", pg.UUID, primary_key=True, server_default=_id),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at", _timestamp, nullable=False, server_default=_now),
        sa.Column("report_type", sa.Text),
        sa.Column("job_id", pg.UUID),
        sa.Column("version", sa.Integer),
        sa.Column("status", sa.Text),
        sa.Column("callback_url", sa.Text),
        sa.Column("callback_when", pg.JSONB),
        sa.Column("figures", pg.JSONB),
        sa.Column("schedule_id", pg.UUID),
        sa.Column("tick", _timestamp),
        sa.Column("reason", sa.Text),
        sa.Column("webhook_id", pg.UUID, sa.ForeignKey("webhooks.id", ondelete="CASCADE")),
        sa.Column("spread_at", _timestamp),
        sa.Index(
            "webhook_events_once_per_job", "job_id", "type", unique=True, postgresql_where=sa.text("job_id IS NOT NULL")
        ),
        sa.Index("webhook_events_not_spread", "id", postgresql_where=sa.text("spread_at IS NULL")),
        sa.Index("webhook_events_of_webhook", "webhook_id", postgresql_where=sa.text("webhook_id IS NOT NULL")),
    )


def _deliveries(metadata: sa.MetaData) -> None:
    sa.Table(
        "webhook_deliveries",
        metadata,
        sa.Column("id", pg.UUID, primary_key=True, server_default=_id),
        sa.Column("webhook_id", pg.UUID, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("event_id", pg.UUID, sa.ForeignKey("webhook_events.id", ondelete="CASCADE"), nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("due_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("lease_token", pg.UUID),
        sa.Column("tries", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("ended_at", _timestamp),
        sa.Column("last_status", sa.SmallInteger),
        sa.Column("last_error", sa.Text),
        sa.UniqueConstraint(
            "event_id", "webhook_id", "url", name="webhook_deliveries_once", postgresql_nulls_not_distinct=True
        ),
        sa.Index("webhook_deliveries_of_state", "webhook_id", "state", "id"),
        sa.Index("webhook_deliveries_leased", "webhook_id", postgresql_where=sa.text("lease_token IS NOT NULL")),
        sa.Index("webhook_deliveries_waiting", "webhook_id", "due_at", postgresql_where=sa.text("state = 'waiting'")),
    )
    sa.Table(
        "webhook_attempts",
        metadata,
        sa.Column("delivery_id", pg.UUID, sa.ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", _timestamp, nullable=False),
        sa.Column("took_ms", sa.Integer, nullable=False),
        sa.Column("request_head", sa.Text),
        sa.Column("status", sa.SmallInteger),
        sa.Column("response_head", sa.Text),
        sa.Column("response_body", sa.LargeBinary),
        sa.Column("error", sa.Text),
    )
