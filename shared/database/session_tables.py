"""The tables of console sessions and of one-time sign-in codes, as SQLAlchemy sees them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

_timestamp = sa.DateTime(timezone=True)
_now = sa.text("clock_timestamp()")


def add_to(metadata: sa.MetaData) -> None:
    """Add them to the metadata."""
    sa.Table(
        "console_sessions",
        metadata,
        sa.Column("token_sha256", sa.LargeBinary, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text(collation="C"), sa.ForeignKey("api_keys.id", ondelete="CASCADE")),
        sa.Column("subject", sa.Text),
        sa.Column("scopes", pg.ARRAY(sa.Text)),
        sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("seen_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("expires_at", _timestamp, nullable=False),
        sa.Index("console_sessions_by_end", "expires_at"),
        sa.Index("console_sessions_by_holder", "tenant", sa.text("coalesce(key_id, subject)"), "created_at"),
    )
    sa.Table(
        "sign_in_codes",
        metadata,
        sa.Column("code_sha256", sa.LargeBinary, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text(collation="C"), sa.ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at", _timestamp, nullable=False, server_default=_now),
        sa.Column("expires_at", _timestamp, nullable=False),
        sa.Index("sign_in_codes_by_end", "expires_at"),
    )
