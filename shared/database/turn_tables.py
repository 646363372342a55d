"""The tables of held doorbells, and of pauses and caps, as SQLAlchemy sees them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_timestamp = sa.DateTime(timezone=True)
_now = sa.text("clock_timestamp()")


def add_to(metadata: sa.MetaData) -> None:
    """Add them to the metadata."""
    sa.Table(
        "held",
        metadata,
        sa.Column("job_id", pg.UUID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("report_type", sa.Text, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("headers", sa.Text),
        sa.Column("held_at", _timestamp, nullable=False, server_default=_now),
        sa.Index("held_turns", "tenant", "report_type", sa.text("priority DESC"), "job_id"),
    )
    sa.Table(
        "pauses",
        metadata,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("paused_by", sa.Text, nullable=False),
        sa.Column("began_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("until", _timestamp),
        sa.Column("ended_at", _timestamp),
        sa.Column("settled_upto", pg.UUID),
    )
    sa.Table(
        "caps",
        metadata,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("running", sa.Integer, nullable=False),
    )
    sa.Table(
        "queue_caps",
        metadata,
        sa.Column("tenant", sa.Text, primary_key=True),
        sa.Column("most", sa.Integer, nullable=False),
    )
    sa.Table(
        "slots",
        metadata,
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("job_id", pg.UUID),
        sa.Column("lease_token", pg.UUID),
    )
    sa.Table(
        "report_sources",
        metadata,
        sa.Column("report_type", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
    )
