"""Measures how much there is to do, for the gauges. A measurement costs the same whatever the backlog."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.engine import Connection

from shared.jobs.unfinished import SLICE
from shared.jobs.walk import START
from shared.jobs.workers import ABLE, SILENT_S

# A backlog deeper than the slice shows as the slice's size. Its age is right all the same: the slice has the oldest
# jobs.
_BACKLOG = text(f"""
    /* jobs.backlog */
    SELECT count(*) FILTER (WHERE status = 'PENDING' AND run_at <= now()) AS waiting,
           count(*) FILTER (WHERE status = 'PENDING' AND run_at > now()) AS delayed,
           count(*) FILTER (WHERE status = 'PROCESSING') AS running,
           count(*) FILTER (WHERE status IN ('PENDING', 'PROCESSING')
                                  AND greatest(created_at, scheduled_for)
                                      < now() - make_interval(secs => :late_after_s)) AS late,
           coalesce(extract(epoch FROM now() - min(run_at) FILTER (WHERE status = 'PENDING' AND run_at <= now())), 0)
               ::float8 AS oldest_waiting_s,
           count(*) FILTER (WHERE status = 'PENDING' AND run_at <= now()
                                  AND report_type NOT IN ({ABLE})) AS of_unknown_type
      FROM ({SLICE.format(columns="id, status, run_at, created_at, scheduled_for, report_type")}) AS slice
""")


@dataclass(frozen=True, slots=True)
class Backlog:
    """The state of the oldest unfinished jobs."""

    waiting: int
    """Jobs that could be started now."""
    delayed: int
    """Jobs that are to run later, or to be retried later."""
    running: int
    """Jobs held by a worker."""
    late: int
    """Unfinished jobs that were accepted, or were to run, longer ago than `late_after_s`."""
    oldest_waiting_s: float
    """Time since the oldest waiting job could first have been started; 0 when none waits."""
    of_unknown_type: int
    """Waiting jobs whose report type is unknown to every worker that takes jobs."""


def measure(conn: Connection, *, late_after_s: float, after: UUID = START, slice_size: int = 50_000) -> Backlog:
    """Measure the oldest `slice_size` jobs above `after` that may be unfinished, by the database's clock."""
    asked = {"late_after_s": late_after_s, "after": after, "slice": slice_size, "silent_s": SILENT_S}
    return Backlog(*conn.execute(_BACKLOG, asked).one())
