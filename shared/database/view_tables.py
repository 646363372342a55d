"""The table of saved views, as SQLAlchemy sees it."""

import sqlalchemy as sa


def add_to(metadata: sa.MetaData) -> None:
    """Add it to the metadata."""
    sa.Table(
        "saved_views",
        metadata,
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("page", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.text("clock_timestamp()")
        ),
        sa.Index(
            "saved_views_by_name", "tenant", "page", "owner", "name", unique=True, postgresql_nulls_not_distinct=True
        ),
    )
