"""The table of passwords of files that unfinished jobs will make."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


def add_to(metadata: sa.MetaData) -> None:
    """Add it to the metadata."""
    sa.Table(
        "job_passwords",
        metadata,
        sa.Column("job_id", pg.UUID, primary_key=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
