"""Removes what has been kept long enough: artifacts, then jobs with their history, and idempotency keys.

Each job's row says how long that is, as promised when the job was accepted; the database refuses to delete a job
before. Tables are walked in slices in the order of job ids, which is the order of time: no index of jobs or artifacts
exists for retention alone, so it costs transitions nothing, and a slice costs the same whatever the size of the tables.
Readers compare with the clock, so nobody sees that a walk comes round late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.walk import START, next_after


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of one attempt, as its key in the artifact store names it."""

    tenant: str
    job_id: UUID
    lease_token: UUID
    name: str


@dataclass(frozen=True, slots=True)
class ExpiredFiles:
    """The expired files of one slice of a walk."""

    files: Sequence[StoredFile]
    next_after: UUID
    """Where the next slice begins; START after the last one."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What one slice of a walk removed."""

    rows: int
    next_after: UUID
    """Where the next slice begins; START after the last one."""


# `slice` is the next part of the table. `ends` is where it ends: after a whole job, whose files are then all included.
# `expired` locks the expired rows of it.
_EXPIRED = text("""
    /* artifacts.expired */
    WITH slice AS MATERIALIZED (
        SELECT job_id FROM artifacts WHERE job_id > :after ORDER BY job_id LIMIT :slice
    ), ends AS MATERIALIZED (
        SELECT (SELECT job_id FROM slice ORDER BY job_id DESC LIMIT 1) AS upto, (SELECT count(*) FROM slice) AS seen
    ), expired AS MATERIALIZED (
        SELECT j.tenant, a.job_id, a.lease_token, a.name
          FROM artifacts a JOIN jobs j ON j.id = a.job_id
         WHERE a.job_id > :after AND a.job_id <= (SELECT upto FROM ends)
           AND j.finished_at + make_interval(secs => j.keep_artifacts_s) < clock_timestamp()
           FOR UPDATE OF a SKIP LOCKED
    )
    SELECT ends.upto, ends.seen, expired.* FROM ends LEFT JOIN expired ON true
""")

_DROP = text("""
    /* artifacts.drop */
    DELETE FROM artifacts
     USING unnest(CAST(:jobs AS uuid[]), CAST(:names AS text[])) AS gone(job_id, name)
     WHERE artifacts.job_id = gone.job_id AND artifacts.name = gone.name
""")

# `slice` is the next part of the table; `old` locks the expired jobs of it that have no files; `gone` removes them.
# History and keys are removed by the trigger on jobs.
_FORGET_JOBS = text("""
    /* jobs.forget */
    WITH slice AS MATERIALIZED (
        SELECT id, finished_at + make_interval(secs => keep_s) AS kept_until
          FROM jobs WHERE id > :after ORDER BY id LIMIT :slice
    ), old AS MATERIALIZED (
        SELECT id FROM jobs
         WHERE id = ANY (ARRAY(SELECT id FROM slice WHERE kept_until < clock_timestamp()
                                  AND NOT EXISTS (SELECT FROM artifacts a WHERE a.job_id = slice.id)))
           AND finished_at + make_interval(secs => keep_s) < clock_timestamp()
           FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM jobs WHERE id = ANY (ARRAY(SELECT id FROM old)) RETURNING id
    )
    SELECT (SELECT count(*) FROM gone) AS rows, (SELECT id FROM slice ORDER BY id DESC LIMIT 1) AS upto,
           (SELECT count(*) FROM slice) AS seen
""")

# `slice` is the next part of the table; `old` locks the keys of it that are too old; `gone` removes them. Several keys
# may stand for one job (reuse.py), and each expires on its own.
_FORGET_KEYS = text("""
    /* idempotency_keys.forget */
    WITH slice AS MATERIALIZED (
        SELECT job_id, created_at FROM idempotency_keys WHERE job_id > :after ORDER BY job_id LIMIT :slice
    ), old AS MATERIALIZED (
        SELECT job_id FROM idempotency_keys
         WHERE job_id = ANY (ARRAY(SELECT job_id FROM slice
                                    WHERE created_at + make_interval(secs => :keep_s) < clock_timestamp()))
           AND created_at + make_interval(secs => :keep_s) < clock_timestamp()
           FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM idempotency_keys
         WHERE job_id = ANY (ARRAY(SELECT job_id FROM old))
           AND created_at + make_interval(secs => :keep_s) < clock_timestamp()
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone) AS rows, (SELECT job_id FROM slice ORDER BY job_id DESC LIMIT 1) AS upto,
           (SELECT count(*) FROM slice) AS seen
""")

# `succeed` can never again name a token that is not the job's current one, or whose job has ended.
_UNREFERENCED = text("""
    /* artifacts.unreferenced */
    SELECT f.place, j.id IS NOT NULL AS known,
           j.finished_at IS NOT NULL OR j.lease_token IS DISTINCT FROM f.token AS over, a.name IS NOT NULL AS named
      FROM unnest(CAST(:tenants AS text[]), CAST(:jobs AS uuid[]), CAST(:tokens AS uuid[]), CAST(:names AS text[]))
           WITH ORDINALITY AS f(tenant, job_id, token, name, place)
      LEFT JOIN jobs j ON j.id = f.job_id AND j.tenant = f.tenant
      LEFT JOIN artifacts a ON a.job_id = f.job_id AND a.name = f.name AND a.lease_token = f.token
""")


def expired(conn: Connection, *, after: UUID = START, slice_size: int = 1_000) -> ExpiredFiles:
    """Return the expired files among the next `slice_size` rows. Their rows are locked for this transaction.

    Delete the files, then `drop` their rows. After a crash in between, the rows are still there and the next walk
    continues.
    """
    rows = conn.execute(_EXPIRED, {"after": after, "slice": slice_size}).all()
    files = [StoredFile(r.tenant, r.job_id, r.lease_token, r.name) for r in rows if r.job_id is not None]
    return ExpiredFiles(files, next_after(rows[0].upto, rows[0].seen, slice_size))


def drop(conn: Connection, files: Sequence[StoredFile]) -> None:
    """Remove the rows of files that are gone, in the transaction that found them."""
    conn.execute(_DROP, {"jobs": [f.job_id for f in files], "names": [f.name for f in files]})


def forget_jobs(conn: Connection, *, after: UUID = START, slice_size: int = 1_000) -> Forgotten:
    """Remove, with their history, those of the next `slice_size` jobs that have expired and whose files are gone."""
    row = conn.execute(_FORGET_JOBS, {"after": after, "slice": slice_size}).one()
    return Forgotten(row.rows, next_after(row.upto, row.seen, slice_size))


def forget_keys(conn: Connection, *, keep_s: float, after: UUID = START, slice_size: int = 1_000) -> Forgotten:
    """Remove those of the next `slice_size` idempotency keys that are older than `keep_s`."""
    row = conn.execute(_FORGET_KEYS, {"after": after, "slice": slice_size, "keep_s": keep_s}).one()
    return Forgotten(row.rows, next_after(row.upto, row.seen, slice_size))


@dataclass(frozen=True, slots=True)
class Strays:
    """What the database knows about files found in the store."""

    orphans: Sequence[StoredFile]
    """Files of attempts that lost or failed: no row names them, and none ever will."""
    unknown: int
    """How many belong to jobs that this database does not know."""


def strays(conn: Connection, files: Sequence[StoredFile]) -> Strays:
    """Return which of `files` are orphans.

    A file of an unknown job is not an orphan: the database may be the wrong one, or older than the store.
    """
    columns: Mapping[str, list[Any]] = {
        "tenants": [f.tenant for f in files],
        "jobs": [f.job_id for f in files],
        "tokens": [f.lease_token for f in files],
        "names": [f.name for f in files],
    }
    rows = conn.execute(_UNREFERENCED, columns).all()
    orphans = [files[row.place - 1] for row in rows if row.known and row.over and not row.named]
    return Strays(orphans, unknown=sum(not row.known for row in rows))
