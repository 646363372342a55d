"""Caps on the queue: how many jobs of a tenant may be unfinished, waiting and running, at the same time.

`jobs.submit` accepts nothing for a tenant with such a cap. Its submissions are accepted here, in a transaction of their
own that locks the tenant, counts, and creates as many jobs as there is room for. So the cap is exact under any
concurrency, and other tenants pay nothing for it. The jobs are counted anew each time: there is no stored number that a
crash could leave wrong.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.submission import Answer, CapReached, KeyName, Submission
from shared.jobs.submit import held_keys, submit_all
from shared.jobs.walk import START, next_after
from shared.runtime.settings import RING_AFTER_S

MOST = 100_000
"""The highest cap. Counting that many takes some tens of milliseconds."""


class QueueCap(NamedTuple):
    """How many jobs of a tenant may be unfinished."""

    tenant: str
    most: int


_SET = text("""
    /* queue_caps.set */
    INSERT INTO queue_caps (tenant, most) VALUES (:tenant, :most)
        ON CONFLICT (tenant) DO UPDATE SET most = excluded.most
""")

_REMOVE = text("/* queue_caps.remove */ DELETE FROM queue_caps WHERE tenant = :tenant")

_LIST = text("/* queue_caps.list */ SELECT tenant, most FROM queue_caps ORDER BY tenant")

_GET = text("/* queue_caps.get */ SELECT most FROM queue_caps WHERE tenant = :tenant")

# Concurrent submissions of the tenant wait here for this commit, and count what it created.
_LOCK = text("/* queue_caps.lock */ SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 2))")

# Where to find the tenant's unfinished jobs: shared/jobs/unfinished.py. Both ends of a range name the whole key, as in
# listing.py.
_COUNT = text(f"""
    /* queue_caps.count */
    WITH slice AS MATERIALIZED (
        SELECT id, finished_at FROM (
            (SELECT known.*
               FROM (SELECT job_id FROM stragglers
                      WHERE (tenant, job_id) >= (:tenant, :after) AND job_id <> :after
                        AND (tenant, job_id) <= (:tenant, (SELECT reached FROM unfinished_floor))
                      ORDER BY tenant, job_id LIMIT :slice) AS old,
                    LATERAL (SELECT id, finished_at FROM jobs WHERE id = old.job_id OFFSET 0) AS known)
            UNION ALL
            (SELECT id, finished_at FROM jobs
              WHERE (tenant, id) >= (:tenant, greatest(:after, (SELECT reached FROM unfinished_floor)))
                AND id <> greatest(:after, (SELECT reached FROM unfinished_floor))
                AND (tenant, id) <= (:tenant, CAST('{UUID(int=2**128 - 1)}' AS uuid))
              ORDER BY tenant, id LIMIT :slice)) AS known
         ORDER BY id LIMIT :slice
    )
    SELECT (SELECT id FROM slice ORDER BY id DESC LIMIT 1) AS upto, count(*) AS seen,
           count(*) FILTER (WHERE finished_at IS NULL) AS unfinished
      FROM slice
""")
_SLICE = 10_000

_KNOWN = text("""
    /* queue_caps.known */
    SELECT id FROM jobs WHERE id = ANY (CAST(:ids AS uuid[]))
""")


def set_queue_cap(conn: Connection, tenant: str, most: int) -> None:
    """Limit the tenant's unfinished jobs to `most` from now on. Accepted jobs count, and stay."""
    conn.execute(_SET, {"tenant": tenant, "most": most})


def remove_queue_cap(conn: Connection, tenant: str) -> bool:
    """Remove the limit. Returns False if there was none."""
    return conn.execute(_REMOVE, {"tenant": tenant}).rowcount == 1


def queue_caps(conn: Connection) -> Sequence[QueueCap]:
    """Return every such cap, by tenant."""
    return [QueueCap(*row) for row in conn.execute(_LIST)]


def queue_cap_of(conn: Connection, tenant: str) -> QueueCap | None:
    """Return the tenant's cap; None if it has none."""
    most = conn.execute(_GET, {"tenant": tenant}).scalar()
    return None if most is None else QueueCap(tenant, most)


def count_unfinished(conn: Connection, tenant: str, *, most: int, slice_size: int = _SLICE) -> int:
    """Return how many unfinished jobs the tenant has; `most` also stands for any higher number.

    A job that is unfinished throughout is never missed, however the floor rises between two slices.
    """
    found, after, more = 0, START, True
    while more and found < most:
        row = conn.execute(_COUNT, {"tenant": tenant, "after": after, "slice": slice_size}).one()
        found += row.unfinished
        after = next_after(row.upto, row.seen, slice_size)
        more = after != START
    return min(found, most)


def room(conn: Connection, tenant: str) -> int | None:
    """Return how many more jobs the tenant may have; None for any number.

    `conn` is in a transaction, READ COMMITTED: if the tenant has such a cap, nobody else creates jobs for it before the
    transaction ends.
    """
    if queue_cap_of(conn, tenant) is None:
        return None
    conn.execute(_LOCK, {"tenant": tenant})
    most = conn.execute(_GET, {"tenant": tenant}).scalar()
    return None if most is None else max(0, most - count_unfinished(conn, tenant, most=most))


def submit_within(
    conn: Connection, tenant: str, submissions: Sequence[Submission], *, ring_after_s: float = RING_AFTER_S
) -> list[Answer]:
    """Create jobs from the first of the tenant's submissions, as many as it has room for, and answer each in order.

    `conn` is in a transaction, READ COMMITTED, which the caller commits. A submission accepted before, under its id or
    its Idempotency-Key, needs no room.
    """
    conn.execute(_LOCK, {"tenant": tenant})
    most = conn.execute(_GET, {"tenant": tenant}).scalar()
    left = len(submissions) if most is None else most - count_unfinished(conn, tenant, most=most)
    fitting = _fitting(submissions, left, _known(conn, submissions), held_keys(conn, submissions))
    made = submit_all(conn, fitting, ring_after_s=ring_after_s) if fitting else []
    answers = {s.id: answer for s, answer in zip(fitting, made, strict=True)}
    return [answers.get(s.id) or CapReached(most or 0) for s in submissions]


def _fitting(
    submissions: Sequence[Submission], left: int, known: Collection[UUID], held: Collection[KeyName]
) -> list[Submission]:
    """Return the submissions accepted before, and the first `left` of the others; each key counts as one job."""
    fitting: list[Submission] = []
    named = set(held)
    for submission in submissions:
        key = submission.idempotency_key
        name = None if key is None else key.name_of(submission.tenant)
        if submission.id not in known and (name is None or name not in named):
            if left <= 0:
                continue
            left -= 1
        fitting.append(submission)
        if name is not None:
            named.add(name)
    return fitting


def _known(conn: Connection, submissions: Sequence[Submission]) -> Collection[UUID]:
    return set(conn.execute(_KNOWN, {"ids": [s.id for s in submissions]}).scalars())
