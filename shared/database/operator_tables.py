"""The tables for operators, as SQLAlchemy sees them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_timestamp = sa.DateTime(timezone=True)
_now = sa.text("clock_timestamp()")


def add_to(metadata: sa.MetaData) -> None:
    """Add them to the metadata."""
    sa.Table(
        "measurements",
        metadata,
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("at", _timestamp, nullable=False, server_default=_now),
        sa.Column("facts", pg.JSONB, nullable=False),
        sa.Column("next_at", _timestamp),
    )
    sa.Table(
        "dead_letters",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
        sa.Column("message_id", sa.Text(collation="C"), primary_key=True),
        sa.Column("first_seen_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("seen_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("sent_at", _timestamp),
        sa.Column("receives", sa.Integer, nullable=False),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("job_id", pg.UUID),
        sa.Column("tenant", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("wish", sa.Text),
        sa.Column("wished_at", _timestamp),
        sa.Column("wished_by", sa.Text),
    )
    sa.Table(
        "job_totals",
        metadata,
        sa.Column("minute", _timestamp, primary_key=True),
        sa.Column("outcome", sa.Text, primary_key=True),
        sa.Column("jobs", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("buckets", pg.ARRAY(sa.BigInteger), nullable=False),
    )
    sa.Table(
        "accepted_minutes",
        metadata,
        sa.Column("minute", _timestamp, primary_key=True),
        sa.Column("jobs", sa.BigInteger, nullable=False),
    )
