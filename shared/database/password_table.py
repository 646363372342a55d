"""Passwords of the files that unfinished jobs are to make."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


def add_to(metadata: sa.MetaData) -> None:
    """Describe them there."""
    sa.Table(
        "job_passwords",
        metadata,
        sa.Column("job_id", pg.UUID, primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
