"""The unfinished jobs, found without an index on anything that changes.

An index of unfinished jobs would make every end of a job write new entries into every index (a quarter of a job's
WAL). Ids are in order of time and most jobs end soon. So all jobs above a floor are looked at by their ids, and of
those below it only the unfinished, which the table `stragglers` lists. `advance_floor` raises the floor in three
steps, each a statement and a commit of its own; any number of relays may take them beside each other:

1. *Announce* the next floor: from its commit on, inserting a job below it also inserts the job into `stragglers`.
2. *Fence*: take a transaction id; any transaction that did not see the announcement has a smaller one.
3. *Reach*: once all smaller ids have ended, list the unfinished jobs below the new floor, count the others for
   history (shared/jobs/rollups.py) and move it.

No clock is relied upon: an API whose clock is behind costs an entry for each of its jobs, and nothing else. A
transaction that has written something and stays open holds the floor where it is; passes then look at every job since.
"""

import time
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.rollups import ACCEPT, COUNT, ENDED
from shared.jobs.walk import START, next_after

_MARGIN_S = 600.0
"""Ids are drawn by the clocks of several APIs, and some of them are not committed yet."""
_AUDIT_EVERY_S = 600.0
"""Pause between walks that begin at START: they find the jobs of a clock that is off by more than the margin."""

LIST_AFTER_S = 5.0
"""Jobs that live longer than this are listed. Younger ones are looked at in every pass."""
_MOST_PASSED = 20_000
"""Jobs that the floor passes in one step, so that no statement of it is long."""

SLICE = """
        SELECT * FROM (
            (SELECT known.* FROM (SELECT job_id FROM stragglers
                                   WHERE job_id > :after AND job_id <= (SELECT reached FROM unfinished_floor)
                                   ORDER BY job_id LIMIT :slice) AS old,
                    LATERAL (SELECT {columns} FROM jobs WHERE id = old.job_id OFFSET 0) AS known)
            UNION ALL
            (SELECT {columns} FROM jobs
              WHERE id > greatest(:after, (SELECT reached FROM unfinished_floor))
              ORDER BY id LIMIT :slice)
        ) AS known ORDER BY id LIMIT :slice
"""
"""An SQL fragment: the next `slice` jobs that may be unfinished, each with `columns`. A walk continues after the last
one. No plan for it reads more rows than that, whatever the statistics."""

# A committed fence is older than every later snapshot. A newer one comes from another server, with the dump of a
# database, and this server's ids might reach it only in years.
_LOOK = text("""
    /* unfinished.look */
    SELECT reached, announced, coalesce(fence < pg_snapshot_xmax(pg_current_snapshot()), false) AS fenced
      FROM unfinished_floor
""")

# An existing id: a relay whose clock is ahead cannot lift the floor past jobs that are still to come.
_ANNOUNCE = text("""
    /* unfinished.announce */
    UPDATE unfinished_floor SET announced = next.floor, fence = NULL
      FROM (SELECT id AS floor
              FROM (SELECT id FROM jobs WHERE id > :reached AND id <= :settled ORDER BY id LIMIT :most) AS passed
             ORDER BY id DESC LIMIT 1) AS next
     WHERE reached = :reached AND announced = :reached
    RETURNING announced
""")

# `:announced` was read by an earlier statement, so its commit is older than this transaction's id. Without it, a
# statement that waited for the row while the floor was reached and announced again would write an older id. And once
# the floor is reached, a fence would be older than the next announcement.
_FENCE = text("""
    /* unfinished.fence */
    UPDATE unfinished_floor SET fence = pg_current_xact_id()
     WHERE announced = :announced AND announced > reached
       AND (fence IS NULL OR fence >= pg_snapshot_xmax(pg_current_snapshot()))
""")

# `floor` is the announced floor, if every transaction from before the fence has ended. `listed` saves the unfinished
# jobs that it passes. `counted` counts the others, except for those that were created into the list: `prune` counts
# these. `accepted` counts all but those. Both ends are parameters: PostgreSQL estimates that a range between columns
# holds a ninth of all jobs, and would read the whole table for it.
_REACH = text(f"""
    /* unfinished.reach */
    WITH floor AS MATERIALIZED (
        SELECT reached, announced FROM unfinished_floor
         WHERE reached = :reached AND announced = :announced AND fence <= pg_snapshot_xmin(pg_current_snapshot())
           FOR UPDATE
    ), passed AS MATERIALIZED (
        SELECT id, created_at, {ENDED} FROM jobs WHERE id > :reached AND id <= :announced AND EXISTS (SELECT FROM floor)
    ), listed AS (
        INSERT INTO stragglers (job_id, tenant) SELECT id, tenant FROM passed WHERE finished_at IS NULL
            ON CONFLICT (job_id) DO NOTHING
    ), known AS MATERIALIZED (
        SELECT job_id FROM stragglers WHERE job_id > :reached AND job_id <= :announced
    ), ended AS (
        SELECT * FROM passed WHERE finished_at IS NOT NULL AND id NOT IN (SELECT job_id FROM known)
    ), came AS (
        SELECT created_at FROM passed WHERE id NOT IN (SELECT job_id FROM known)
    ), {COUNT}, {ACCEPT}
    UPDATE unfinished_floor AS f SET reached = floor.announced, fence = NULL FROM floor
""")

# `slice` is the next part of the list, below the floor: `reach` must pass the rest first, or both would count it.
# `gone` removes the entries that are no longer needed, and `counted` counts those whose jobs have ended.
_PRUNE = text(f"""
    /* unfinished.prune */
    WITH slice AS MATERIALIZED (
        SELECT job_id FROM stragglers
         WHERE job_id > :after AND job_id <= (SELECT reached FROM unfinished_floor) ORDER BY job_id LIMIT :slice
    ), gone AS (
        DELETE FROM stragglers WHERE job_id = ANY (ARRAY(
            SELECT job_id FROM slice
             WHERE NOT EXISTS (SELECT FROM jobs WHERE id = slice.job_id AND finished_at IS NULL OFFSET 0)))
        RETURNING job_id, born
    ), ended AS MATERIALIZED (
        SELECT known.*, gone.born
          FROM gone, LATERAL (SELECT created_at, {ENDED} FROM jobs WHERE id = gone.job_id OFFSET 0) AS known
    ), came AS (
        SELECT created_at FROM ended WHERE born
    ), {COUNT}, {ACCEPT}
    SELECT count(*) AS seen, (array_agg(job_id ORDER BY job_id DESC))[1] AS upto FROM slice
""")


def advance_floor(conn: Connection, *, list_after_s: float = LIST_AFTER_S) -> bool:
    """Take the steps that are possible now. Returns True if the floor has risen.

    `conn` is in autocommit mode: each step must see the previous one committed.
    """
    floor = conn.execute(_LOOK).one()
    announced = floor.announced if floor.announced != floor.reached else _announce(conn, floor.reached, list_after_s)
    if announced is None:
        return False
    if not floor.fenced:
        conn.execute(_FENCE, {"announced": announced})
    return conn.execute(_REACH, {"reached": floor.reached, "announced": announced}).rowcount == 1


def _announce(conn: Connection, reached: UUID, list_after_s: float) -> UUID | None:
    """Announce the next floor and return it; None if no job can be passed yet, or another relay has announced one."""
    settled = UUID(int=max(0, int((time.time() - list_after_s) * 1000)) << 80)
    return conn.execute(_ANNOUNCE, {"reached": reached, "settled": settled, "most": _MOST_PASSED}).scalar()


def prune(conn: Connection, *, after: UUID = START, slice_size: int = 10_000) -> UUID:
    """Remove those of the next `slice_size` listed jobs from the list that have ended or are gone.

    Returns where the next slice begins; START after the last one.
    """
    row = conn.execute(_PRUNE, {"after": after, "slice": slice_size}).one()
    return next_after(row.upto, row.seen, slice_size)


class WalkFloor:
    """Decides where one relay's walks begin, so that they need not step over dead entries that cannot be vacuumed.

    Under a long-held snapshot `stragglers` keeps an entry for every job that has ended since, and a walk from START
    looks at each of them again, in every pass. An ended job never comes back. So the next walk begins at the oldest
    unfinished job of the last one, less a margin. This only saves time: the next audit finds a job below.
    """

    # 300,000 dead entries took half a second in each pass (PostgreSQL 18).

    def __init__(self) -> None:
        self.value = START
        self._audit_at = time.monotonic() + _AUDIT_EVERY_S

    def begin(self) -> UUID:
        """Return the id above which a walk that starts now looks."""
        if time.monotonic() < self._audit_at:
            return self.value
        self._audit_at = time.monotonic() + _AUDIT_EVERY_S
        return START

    def learn(self, oldest: UUID | None, *, began_at: float) -> None:
        """Learn from a walk that began at `began_at` (Unix seconds) and met `oldest` first; None if it met no job."""
        made_at = began_at if oldest is None else min(began_at, (oldest.int >> 80) / 1000)
        self.value = UUID(int=max(0, int((made_at - _MARGIN_S) * 1000)) << 80)
