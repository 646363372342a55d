"""The table of links with which a visitor without a key downloads a file, as SQLAlchemy sees it."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_timestamp = sa.DateTime(timezone=True)
_now = sa.text("clock_timestamp()")


def add_to(metadata: sa.MetaData) -> None:
    """Add it to the metadata."""
    sa.Table(
        "shares",
        metadata,
        sa.Column("id", pg.UUID, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("job_id", pg.UUID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("token_sha256", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("created_by", sa.Text),
        sa.Column("key_id", sa.Text(collation="C")),
        sa.Column("request", sa.Text),
        sa.Column("digest", sa.Text),
        sa.Column("expires_at", _timestamp, nullable=False),
        sa.Column("max_downloads", sa.Integer),
        sa.Column("downloads", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_download_at", _timestamp),
        sa.Column("revoked_at", _timestamp),
        sa.Column("revoked_by", sa.Text),
        sa.Index("shares_by_tenant", "tenant", "id"),
        sa.Index("shares_by_job", "tenant", "job_id", "id"),
        sa.Index(
            "shares_by_request", "tenant", "request", unique=True, postgresql_where=sa.text("request IS NOT NULL")
        ),
        sa.Index("shares_by_end", "expires_at"),
    )
