"""The tables besides jobs and outbox, each kind in its own module."""

import sqlalchemy as sa

from shared.database import (
    bulk_tables,
    operator_tables,
    password_table,
    schedule_tables,
    session_tables,
    share_tables,
    turn_tables,
    view_tables,
    webhook_tables,
)


def add_to(metadata: sa.MetaData) -> None:
    """Add all of them to the metadata."""
    for kind in (
        session_tables, turn_tables, operator_tables, bulk_tables, schedule_tables, view_tables, share_tables,
        webhook_tables, password_table,
    ):  # fmt: skip
        kind.add_to(metadata)
