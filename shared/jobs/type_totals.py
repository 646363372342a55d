"""Recent figures of a tenant's jobs by report type: computed from the counts per minute, and never from jobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.rollups import BOUNDS_S
from shared.jobs.states import JobStatus

_OUTCOMES = [str(status) for status in JobStatus if status.final]
_LOOK = 20_000
"""How many counts are read at most, for all types together."""

# Each type and outcome has a part of the index, whose newest rows are read. If one has more rows than may be read, all
# figures of its type begin with the oldest row that was: otherwise the share of failures would be wrong.
_OF_TYPES = text(f"""
    /* type_totals.of_types */
    WITH looked_at AS MATERIALIZED (
        SELECT asked.report_type, outcomes.outcome, latest.*,
               count(*) OVER found = :minutes AS cut, min(latest.minute) OVER found AS oldest
          FROM unnest(CAST(:types AS text[])) AS asked(report_type),
               unnest(CAST(:outcomes AS text[])) AS outcomes(outcome),
               LATERAL (SELECT m.minute, m.jobs, m.buckets FROM job_minutes AS m
                         WHERE m.tenant = :tenant AND m.report_type = asked.report_type
                           AND m.outcome = outcomes.outcome
                           AND m.minute >= (SELECT now() - make_interval(secs => :period_s))
                         ORDER BY m.minute DESC LIMIT :minutes) AS latest
        WINDOW found AS (PARTITION BY asked.report_type, outcomes.outcome)
    ), begins AS (
        SELECT report_type, max(oldest) FILTER (WHERE cut) AS since FROM looked_at GROUP BY report_type
    )
    SELECT report_type, outcome, since, sum(jobs)::bigint AS jobs,
           ARRAY[{", ".join(f"sum(buckets[{n}])" for n in range(1, len(BOUNDS_S) + 2))}]::bigint[] AS buckets
      FROM looked_at JOIN begins USING (report_type)
     WHERE since IS NULL OR minute >= since
     GROUP BY report_type, outcome, since
""")

# Ranges of a whole key; otherwise PostgreSQL may walk the minutes of all tenants (shared/jobs/listing.py).
_DONE_SINCE = """
    (SELECT {at} AS at, jobs, seconds, buckets FROM {table}
      WHERE (tenant, report_type, outcome, {at}) >= (:tenant, :type, 'SUCCESS',
             (SELECT date_trunc('day', now() - make_interval(days => :days), 'UTC')))
        AND (tenant, report_type, outcome, {at}) <= (:tenant, :type, 'SUCCESS', TIMESTAMPTZ 'infinity')
      ORDER BY tenant DESC, report_type DESC, outcome DESC, {at} DESC LIMIT {most})"""
_MINUTES = _DONE_SINCE.format(table="job_minutes", at="minute", most=":minutes")
_HOURS = _DONE_SINCE.format(table="job_hours", at="hour", most=":hours")
# The latest days are stored by the minute, and the days before by the hour.
_DAYS = text(f"""
    /* type_totals.days */
    SELECT date_trunc('day', at, 'UTC') AS day, sum(jobs)::bigint AS jobs, sum(seconds) AS seconds,
           ARRAY[{", ".join(f"sum(buckets[{n}])" for n in range(1, len(BOUNDS_S) + 2))}]::bigint[] AS buckets
      FROM ({_MINUTES} UNION ALL {_HOURS}) AS looked_at
     GROUP BY 1 ORDER BY 1
""")


class Figures(NamedTuple):
    """The figures of one type's jobs."""

    ended: int
    failed: int
    buckets: Sequence[int]
    """How long the successful ones took, in the buckets of shared/jobs/rollups.py."""
    since: datetime | None
    """The first minute that was read; None if that was the whole period."""


class Day(NamedTuple):
    """A type's jobs that succeeded on one day, in UTC."""

    begins: datetime
    jobs: int
    seconds: float
    buckets: Sequence[int]
    """How long they took, in the buckets of shared/jobs/rollups.py."""


def by_day(conn: Connection, tenant: str, name: str, *, days: int) -> Sequence[Day]:
    """Return how long the tenant's jobs of that type took on each of the last `days` days and today, oldest first.

    A day without jobs is left out.
    """
    asked = {"tenant": tenant, "type": name, "days": days, "hours": (days + 1) * 24, "minutes": _LOOK}
    return [Day(*row) for row in conn.execute(_DAYS, asked)]


def of_types(conn: Connection, tenant: str, names: Sequence[str], *, period_s: int) -> Mapping[str, Figures]:
    """Return the figures of each of the tenant's types of which a job ended within the last `period_s` seconds."""
    minutes = max(1, _LOOK // max(1, len(names) * len(_OUTCOMES)))
    asked = {"tenant": tenant, "types": list(names), "outcomes": _OUTCOMES, "minutes": minutes, "period_s": period_s}
    found: dict[str, Figures] = {}
    for row in conn.execute(_OF_TYPES, asked):
        before = found.get(row.report_type, Figures(0, 0, (), row.since))
        failed = row.jobs if row.outcome == JobStatus.FAILED else 0
        done = row.buckets if row.outcome == JobStatus.SUCCESS else before.buckets
        found[row.report_type] = Figures(before.ended + row.jobs, before.failed + failed, done, row.since)
    return found
