"""Figures of all tenants' jobs together, for charts: computed from the counts per minute, and never from jobs."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.states import JobStatus
from shared.stored import member

_OUTCOMES = [status for status in JobStatus if status.final]
_LOOK = 20_000
"""How many counts a look by report type reads at most: a day of a busy installation."""

# Bounded by its LIMIT, so that no statistics lead to a scan of the whole table.
_SERIES = text(
    """
    /* totals.series */
    SELECT date_bin(make_interval(secs => :step_s), minute, TIMESTAMPTZ 'epoch') AS begins, outcome,
           sum(jobs)::bigint AS jobs, sum(seconds) AS seconds,
           ARRAY[{buckets}]::bigint[] AS buckets
      FROM (SELECT * FROM job_totals
             WHERE minute >= (SELECT date_bin(make_interval(secs => :step_s), now(), TIMESTAMPTZ 'epoch')
                                     - make_interval(secs => :period_s))
             ORDER BY minute DESC LIMIT :look) AS looked_at
     GROUP BY 1, 2 ORDER BY 1, 2
""".format(buckets=", ".join(f"sum(buckets[{n}])" for n in range(1, 17)))
)
_ACCEPTED = text("""
    /* totals.accepted */
    SELECT date_bin(make_interval(secs => :step_s), minute, TIMESTAMPTZ 'epoch') AS begins, sum(jobs)::bigint AS jobs
      FROM (SELECT * FROM accepted_minutes
             WHERE minute >= (SELECT date_bin(make_interval(secs => :step_s), now(), TIMESTAMPTZ 'epoch')
                                     - make_interval(secs => :period_s))
             ORDER BY minute DESC LIMIT :look) AS looked_at
     GROUP BY 1 ORDER BY 1
""")

_BY_TYPE = text("""
    /* totals.by_type */
    WITH looked_at AS MATERIALIZED (
        SELECT report_type, outcome, minute, jobs FROM job_minutes
         WHERE minute >= clock_timestamp() - make_interval(secs => :period_s)
         ORDER BY minute DESC LIMIT :look
    )
    SELECT report_type, sum(jobs)::bigint AS jobs,
           coalesce(sum(jobs) FILTER (WHERE outcome = 'FAILED'), 0)::bigint AS failed,
           (SELECT min(minute) FROM looked_at) AS since, (SELECT count(*) FROM looked_at) = :look AS partial
      FROM looked_at GROUP BY report_type ORDER BY jobs DESC, report_type LIMIT :most
""")


_FAILING = text("""
    /* totals.failing */
    SELECT coalesce(sum(jobs) FILTER (WHERE late), 0)::bigint AS jobs,
           coalesce(sum(jobs) FILTER (WHERE late AND outcome = 'FAILED'), 0)::bigint AS failed,
           coalesce(sum(jobs) FILTER (WHERE NOT late), 0)::bigint AS jobs_before,
           coalesce(sum(jobs) FILTER (WHERE NOT late AND outcome = 'FAILED'), 0)::bigint AS failed_before
      FROM (SELECT *, minute >= now() - make_interval(secs => :lately_s) AS late FROM job_totals
             WHERE minute >= (SELECT now() - make_interval(secs => :lately_s + :before_s))
             ORDER BY minute DESC LIMIT :look) AS looked_at
""")


class Failing(NamedTuple):
    """How many jobs ended and failed: recently, and in the time before."""

    jobs: int
    failed: int
    jobs_before: int
    failed_before: int


class Point(NamedTuple):
    """The jobs of one outcome that ended within one step of time."""

    begins: datetime
    outcome: JobStatus
    jobs: int
    seconds: float
    buckets: Sequence[int]
    """How long they took, in the buckets of shared/jobs/rollups.py."""


class Came(NamedTuple):
    """The jobs that were accepted within one step of time."""

    begins: datetime
    jobs: int


class OfType(NamedTuple):
    """The recently ended jobs of one report type."""

    report_type: str
    jobs: int
    failed: int
    since: datetime
    """The oldest minute that was read."""
    partial: bool
    """True if the period has older minutes, which were not read."""


def series(conn: Connection, *, period_s: int, step_s: int) -> Sequence[Point]:
    """Return the points of the last `period_s` seconds, in steps of `step_s`, oldest first.

    A step without jobs is left out.
    """
    look = (period_s + step_s) // 60 * len(_OUTCOMES) + len(_OUTCOMES)
    rows = conn.execute(_SERIES, {"period_s": period_s, "step_s": step_s, "look": look})
    return [Point(row.begins, member(JobStatus, row.outcome), *row[2:]) for row in rows]


def accepted(conn: Connection, *, period_s: int, step_s: int) -> Sequence[Came]:
    """Return the jobs accepted in the last `period_s` seconds, in steps of `step_s`, oldest first; a job counts after
    some seconds.
    """
    look = (period_s + step_s) // 60 + 1
    return [Came(*row) for row in conn.execute(_ACCEPTED, {"period_s": period_s, "step_s": step_s, "look": look})]


def failing(conn: Connection, *, lately_s: int, before_s: int) -> Failing:
    """Return how many jobs failed in the last `lately_s` seconds, and in the `before_s` before them."""
    look = (lately_s + before_s) // 60 * len(_OUTCOMES) + len(_OUTCOMES)
    return Failing(*conn.execute(_FAILING, {"lately_s": lately_s, "before_s": before_s, "look": look}).one())


def by_type(conn: Connection, *, period_s: int, most: int = 10) -> Sequence[OfType]:
    """Return the `most` busiest report types of the last `period_s` seconds. Reads the newest 20,000 counts at most."""
    return [OfType(*row) for row in conn.execute(_BY_TYPE, {"period_s": period_s, "most": most, "look": _LOOK})]
