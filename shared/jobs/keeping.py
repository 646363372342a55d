"""Keeps an ended job and its files for longer."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

# The time only ever grows: a promise is kept.
_KEEP = text("""
    /* jobs.keep */
    UPDATE jobs
       SET keep_s = greatest(keep_s, CAST(:keep_s AS int), CAST(:keep_files_s AS int)),
           keep_artifacts_s = greatest(keep_artifacts_s, CAST(:keep_files_s AS int)),
           version = version + 1, updated_at = clock_timestamp()
     WHERE id = :id AND finished_at IS NOT NULL AND deleted_at IS NULL
       AND (keep_s < greatest(CAST(:keep_s AS int), CAST(:keep_files_s AS int))
            OR keep_artifacts_s < CAST(:keep_files_s AS int))
""")


def keep(conn: Connection, job_id: UUID, *, keep_files_s: int, keep_s: int) -> bool:
    """Keep the job for at least `keep_s` after its end, and its files for `keep_files_s`.

    Returns False if nothing changed. The caller has locked the job in this transaction, and checked that its files
    still exist.
    """
    return conn.execute(_KEEP, {"id": job_id, "keep_files_s": keep_files_s, "keep_s": keep_s}).rowcount == 1
