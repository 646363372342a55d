"""Counts of jobs: per tenant, report type, outcome and minute, how many ended and how long they took.

The relay counts a job once, when the job leaves the relay's sight: either the floor of the unfinished jobs rises past
the ended job, or the job is removed from the list of those that live longer (shared/jobs/unfinished.py). Each is one
statement that moves the mark and counts, so any number of relays may do it, and die at any step. A statement that ends
a job pays nothing for it. After some days the minutes become hours.

A job counts as accepted when the floor rises past it, whatever its state: some seconds later. A job whose id lies below
the floor from the start, because the clock of an API is behind, counts when it leaves the list.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import text
from sqlalchemy.engine import Connection

BOUNDS_S: Sequence[float] = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
"""Upper bounds of the buckets in seconds; the last bucket has none."""
KEEP_MINUTES_S = 8 * 86_400.0
KEEP_HOURS_S = 366 * 86_400.0

_THRESHOLDS = f"ARRAY[{', '.join(f'{bound:g}' for bound in BOUNDS_S)}]::float8[]"
_BUCKETS = ", ".join(f"count(*) FILTER (WHERE bucket = {n})" for n in range(len(BOUNDS_S) + 1))
_ADD = """jobs = m.jobs + excluded.jobs, seconds = m.seconds + excluded.seconds,
           buckets = ARRAY(SELECT mine + more FROM unnest(m.buckets, excluded.buckets)
                             WITH ORDINALITY AS each(mine, more, place) ORDER BY place)"""

ENDED = "tenant, report_type, status, finished_at, greatest(created_at, scheduled_for) AS asked_at"
"""The columns that COUNT needs of an ended job."""

# In the order of their key, so that relays that count at the same time never deadlock.
COUNT = f"""counts AS MATERIALIZED (
        SELECT tenant, report_type, status AS outcome, date_trunc('minute', finished_at, 'UTC') AS minute,
               count(*) AS jobs, sum(age_s) AS seconds, ARRAY[{_BUCKETS}] AS buckets
          FROM (SELECT *, width_bucket(age_s, {_THRESHOLDS}) AS bucket
                  FROM (SELECT *, greatest(0, extract(epoch FROM finished_at - asked_at))::float8 AS age_s
                          FROM ended) AS aged) AS placed
         GROUP BY 1, 2, 3, 4
    ), counted AS (
        INSERT INTO job_minutes AS m (tenant, report_type, outcome, minute, jobs, seconds, buckets)
        SELECT * FROM counts ORDER BY tenant, report_type, outcome, minute
            ON CONFLICT (tenant, report_type, outcome, minute) DO UPDATE SET {_ADD}
    ), totalled AS (
        INSERT INTO job_totals AS m (minute, outcome, jobs, seconds, buckets)
        SELECT minute, outcome, sum(jobs), sum(seconds),
               ARRAY(SELECT sum(n) FROM counts AS one, unnest(one.buckets) WITH ORDINALITY AS each(n, place)
                      WHERE one.minute = counts.minute AND one.outcome = counts.outcome GROUP BY place ORDER BY place)
          FROM counts GROUP BY minute, outcome ORDER BY minute, outcome
            ON CONFLICT (minute, outcome) DO UPDATE SET {_ADD}
    )"""
"""An SQL fragment of CTEs that counts the rows of `ended`, a CTE with the columns ENDED."""

ACCEPT = """accepted AS (
        INSERT INTO accepted_minutes AS m (minute, jobs)
        SELECT date_trunc('minute', created_at, 'UTC') AS minute, count(*) FROM came GROUP BY 1 ORDER BY 1
            ON CONFLICT (minute) DO UPDATE SET jobs = m.jobs + excluded.jobs
    )"""
"""Another one, to follow COUNT: it counts the rows of `came`, a CTE with created_at, as accepted."""

# `old` is the next part of the expired minutes, by their row addresses, which are locked: joined by their key, a
# generic plan would read the whole table. A row that was changed meanwhile has another address, and is left for the
# next time.
_FOLD = text(f"""
    /* rollups.fold */
    WITH old AS MATERIALIZED (
        SELECT ctid AS place FROM job_minutes
         WHERE minute < clock_timestamp() - make_interval(secs => :keep_s)
         ORDER BY minute LIMIT :most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM job_minutes WHERE ctid = ANY (ARRAY(SELECT place FROM old)) RETURNING *
    ), added AS (
        SELECT tenant, report_type, outcome, date_trunc('hour', minute, 'UTC') AS hour, sum(jobs) AS jobs,
               sum(seconds) AS seconds FROM gone GROUP BY 1, 2, 3, 4
    ), placed AS (
        SELECT tenant, report_type, outcome, hour, array_agg(jobs ORDER BY place) AS buckets
          FROM (SELECT tenant, report_type, outcome, date_trunc('hour', minute, 'UTC') AS hour, place, sum(n) AS jobs
                  FROM gone, unnest(buckets) WITH ORDINALITY AS each(n, place) GROUP BY 1, 2, 3, 4, 5) AS summed
         GROUP BY 1, 2, 3, 4
    ), folded AS (
        INSERT INTO job_hours AS m (tenant, report_type, outcome, hour, jobs, seconds, buckets)
        SELECT * FROM added JOIN placed USING (tenant, report_type, outcome, hour)
         ORDER BY tenant, report_type, outcome, hour
            ON CONFLICT (tenant, report_type, outcome, hour) DO UPDATE SET {_ADD}
    )
    SELECT count(*) FROM gone
""")

_FORGET = text("""
    /* rollups.forget */
    DELETE FROM job_hours WHERE hour < clock_timestamp() - make_interval(secs => :keep_s)
""")

_FORGET_TOTALS = text("""
    /* rollups.forget_totals */
    DELETE FROM job_totals WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM job_totals WHERE minute < clock_timestamp() - make_interval(secs => :keep_s)
         ORDER BY minute LIMIT :most FOR UPDATE SKIP LOCKED))
""")

_FORGET_ACCEPTED = text("""
    /* rollups.forget_accepted */
    DELETE FROM accepted_minutes WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM accepted_minutes WHERE minute < clock_timestamp() - make_interval(secs => :keep_s)
         ORDER BY minute LIMIT :most FOR UPDATE SKIP LOCKED))
""")

# The latest minutes of each kind: how long its jobs take now, and not last week.
_RECENT = text("""
    /* rollups.recent */
    SELECT asked.tenant, asked.report_type, latest.buckets
      FROM unnest(CAST(:tenants AS text[]), CAST(:report_types AS text[])) AS asked(tenant, report_type),
           LATERAL (SELECT buckets FROM job_minutes AS m
                     WHERE m.tenant = asked.tenant AND m.report_type = asked.report_type AND m.outcome = 'SUCCESS'
                     ORDER BY m.minute DESC LIMIT :minutes) AS latest
""")


@dataclass(frozen=True, slots=True)
class Kind:
    """Jobs that are comparable."""

    tenant: str
    report_type: str


def fold(conn: Connection, *, keep_s: float = KEEP_MINUTES_S, most: int = 2_000) -> int:
    """Add minutes that are older than `keep_s` to their hours. Returns how many; `most` means that there are more."""
    return int(conn.execute(_FOLD, {"keep_s": keep_s, "most": most}).scalar_one())


def forget(conn: Connection, *, keep_s: float = KEEP_HOURS_S) -> int:
    """Remove hours that are older than `keep_s`. Returns how many."""
    return int(conn.execute(_FORGET, {"keep_s": keep_s}).rowcount)


def forget_totals(conn: Connection, *, keep_s: float = KEEP_MINUTES_S, most: int = 2_000) -> None:
    """Remove up to `most` minutes of all jobs together that are older than `keep_s`, the oldest first."""
    for statement in (_FORGET_TOTALS, _FORGET_ACCEPTED):
        conn.execute(statement, {"keep_s": keep_s, "most": most})


def recent(conn: Connection, kinds: Iterable[Kind], *, minutes: int = 60) -> Mapping[Kind, Sequence[int]]:
    """Return how long the latest successes of each kind took, as buckets, from the latest `minutes`
    in which any ended.
    """
    asked = list(kinds)
    of = {"tenants": [k.tenant for k in asked], "report_types": [k.report_type for k in asked], "minutes": minutes}
    found: dict[Kind, list[int]] = {}
    for row in conn.execute(_RECENT, of):
        sums = found.setdefault(Kind(row.tenant, row.report_type), [0] * (len(BOUNDS_S) + 1))
        sums[:] = [mine + more for mine, more in zip(sums, row.buckets, strict=True)]
    return found


def quantile(buckets: Sequence[int], q: float) -> float | None:
    """Return the seconds within which the share `q` of the jobs ended, as if each bucket were filled evenly; None
    without jobs.

    Jobs in the last bucket took at least an hour, and count as one hour.
    """
    wanted, before = q * sum(buckets), 0
    if not wanted:
        return None
    for (low, high), jobs in zip(pairwise((0.0, *BOUNDS_S)), buckets, strict=False):
        if jobs and before + jobs >= wanted:
            return low + (high - low) * (wanted - before) / jobs
        before += jobs
    return BOUNDS_S[-1]
