"""Erases jobs: a client's input and results are removed at once, and a durable row says that the files must follow.

A tombstone remains until the job would have been forgotten anyway, so that its Idempotency-Key, the jobs that repeat it
and its history stay valid. A deletion is not a change of state. Only the relay removes files (retention.py), so a
committed deletion is carried out whatever dies; until then, `deleted_at` already hides everything.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.retention import StoredFile
from shared.jobs.viewer import VISIBLE, Viewer

# The constraints of jobs require a result of a success, an answer of a report type without files, and a code of a
# failure.
_BLANK = """result = CASE WHEN status <> 'SUCCESS' THEN NULL
                             WHEN cardinality(formats) = 0 THEN CAST('{"answer": null}' AS jsonb)
                             ELSE CAST('{}' AS jsonb) END,
               error = CASE WHEN error IS NOT NULL THEN jsonb_build_object(
                   'code', error -> 'code', 'message', '', 'retryable', error -> 'retryable', 'hint', '') END"""

# `erased` blanks the job. The holder of a running job has its parameters in memory, and nobody will start it again:
# its cancellation was requested. `queued` says that its files must go. The outer SELECT says why nothing was done.
_DELETE = text(f"""
    /* jobs.delete */
    WITH erased AS (
        UPDATE jobs
           SET deleted_at = clock_timestamp(), version = version + 1, updated_at = clock_timestamp(),
               parameters = '{{}}', options = NULL, labels = NULL, file_name = NULL, reuse_key = NULL,
               progress = NULL,
               {_BLANK}
         WHERE id = :id AND {VISIBLE} AND deleted_at IS NULL
           AND (finished_at IS NOT NULL OR cancel_requested_at IS NOT NULL AND :running)
        RETURNING id, tenant
    ), queued AS (
        INSERT INTO erasures (job_id, tenant) SELECT id, tenant FROM erased
    )
    SELECT EXISTS (SELECT FROM erased) AS erased, before.deleted_at, before.id
      FROM (SELECT) AS one LEFT JOIN jobs AS before ON before.id = :id AND {VISIBLE}
""")

# `due` locks the next rows, so that several relays share them; `files` are the rows of the stored files.
_CLAIM = text("""
    /* erasures.claim */
    WITH due AS MATERIALIZED (
        SELECT job_id, tenant FROM erasures WHERE due_at <= clock_timestamp()
         ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    ), files AS MATERIALIZED (
        SELECT job_id, lease_token, name FROM artifacts
         WHERE job_id = ANY (ARRAY(SELECT job_id FROM due)) FOR UPDATE SKIP LOCKED
    )
    SELECT due.job_id, due.tenant, j.id IS NULL OR j.finished_at IS NOT NULL AS ended, files.lease_token, files.name
      FROM due
      LEFT JOIN jobs j ON j.id = due.job_id
      LEFT JOIN files ON files.job_id = due.job_id
""")

# What a holder that was not stopped in time has written: a result, or an error.
_BLANK_AGAIN = text(f"""
    /* jobs.blank */
    UPDATE jobs
       SET {_BLANK}
     WHERE id = ANY (CAST(:jobs AS uuid[])) AND deleted_at IS NOT NULL AND finished_at IS NOT NULL
""")

# A file locked by another transaction is being removed there; this row stays until that is done.
_DONE = text("""
    /* erasures.done */
    DELETE FROM erasures
     WHERE job_id = ANY (CAST(:jobs AS uuid[]))
       AND NOT EXISTS (SELECT FROM artifacts a WHERE a.job_id = erasures.job_id)
    RETURNING job_id
""")

# The pause doubles each time: a store may be unavailable for hours.
_LATER = text("""
    /* erasures.later */
    UPDATE erasures
       SET attempts = attempts + 1,
           due_at = clock_timestamp() + make_interval(secs => least(:most_s, 2 ^ least(attempts, 20)))
     WHERE job_id = ANY (CAST(:jobs AS uuid[]))
""")

_WAITING = text("""
    /* erasures.waiting */
    SELECT (SELECT due_at FROM erasures ORDER BY due_at LIMIT 1) <= clock_timestamp()
""")

_BACKLOG = text("""
    /* erasures.backlog */
    SELECT count(*) AS waiting, coalesce(extract(epoch FROM clock_timestamp() - min(asked_at)), 0)::float8 AS oldest_s
      FROM (SELECT asked_at FROM erasures LIMIT 10000) AS bounded
""")


class DeleteOutcome(StrEnum):
    """The result of a request to delete."""

    DELETED = "deleted"
    DELETED_BEFORE = "deleted_before"
    UNFINISHED = "unfinished"
    """It has not ended, and nobody has requested that."""
    UNKNOWN = "unknown"
    """The viewer may not see such a job, or there is none."""


class Erasure(NamedTuple):
    """A job whose files must be removed."""

    job_id: UUID
    tenant: str
    ended: bool
    """False while an attempt holds the job: it may still store files."""
    files: list[StoredFile]
    """The files that rows name."""


class Backlog(NamedTuple):
    """The erasures that are not yet carried out."""

    waiting: int
    """How many there are, up to 10,000."""
    oldest_s: float
    """The age in seconds of the oldest request among them."""


def delete(conn: Connection, job_id: UUID, viewer: Viewer, *, running: bool = False) -> DeleteOutcome:
    """Blank an ended job and have its files removed. Repeating the request is harmless.

    `running` includes a job that a worker holds and whose cancellation was requested.
    """
    row = conn.execute(_DELETE, {"id": job_id, **viewer.where, "running": running}).one()
    if row.erased:
        return DeleteOutcome.DELETED
    if row.id is None:
        return DeleteOutcome.UNKNOWN
    if row.deleted_at is not None:
        return DeleteOutcome.DELETED_BEFORE
    return DeleteOutcome.UNFINISHED


def waiting(conn: Connection) -> bool:
    """True if an erasure is due. Opens no transaction."""
    return conn.execute(_WAITING).scalar() is True


def claim(conn: Connection, *, limit: int) -> list[Erasure]:
    """Return the next erasures that are due, locked for this transaction together with the rows of their files.

    Remove the files, `retention.drop` their rows, then call `done`. After a crash in between, everything is still
    there.
    """
    found: dict[UUID, Erasure] = {}
    for row in conn.execute(_CLAIM, {"limit": limit}):
        one = found.setdefault(row.job_id, Erasure(row.job_id, row.tenant, row.ended, []))
        if row.name is not None:
            one.files.append(StoredFile(row.tenant, row.job_id, row.lease_token, row.name))
    return list(found.values())


def done(conn: Connection, jobs: Sequence[UUID]) -> int:
    """Blank what was written since, and forget these erasures. Returns how many; one with files left stays."""
    if not jobs:
        return 0
    conn.execute(_BLANK_AGAIN, {"jobs": list(jobs)})
    return conn.execute(_DONE, {"jobs": list(jobs)}).rowcount


def later(conn: Connection, jobs: Sequence[UUID], *, most_s: float) -> None:
    """Retry these erasures after a pause, which grows up to `most_s`."""
    if jobs:
        conn.execute(_LATER, {"jobs": list(jobs), "most_s": most_s})


def backlog(conn: Connection) -> Backlog:
    """Return what is not yet carried out. Looks at 10,000 rows at most."""
    return Backlog(*conn.execute(_BACKLOG).one())
