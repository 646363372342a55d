"""Which of some jobs have ended, whoever ended them."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

_UNFINISHED = text("""
    /* jobs.unfinished_of */
    SELECT id FROM jobs WHERE id = ANY (CAST(:ids AS uuid[])) AND finished_at IS NULL
""")


def ended(conn: Connection, job_ids: Collection[UUID]) -> set[UUID]:
    """Those that no attempt will be made for any more; a job that the database does not know is one of them."""
    unfinished = conn.execute(_UNFINISHED, {"ids": list(job_ids)}).scalars()
    return set(job_ids) - set(unfinished)
