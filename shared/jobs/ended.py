"""Which of some jobs have ended, for any reason."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

_ENDED = text("""
    /* jobs.ended_of */
    SELECT id, finished_at IS NOT NULL AS ended FROM jobs WHERE id = ANY (CAST(:ids AS uuid[]))
""")


def ended(conn: Connection, job_ids: Collection[UUID]) -> Mapping[UUID, bool]:
    """Return whether each job has ended.

    A job that the database does not know is missing: it may belong to another database.
    """
    return {row.id: row.ended for row in conn.execute(_ENDED, {"ids": list(job_ids)})}
