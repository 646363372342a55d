"""Selects the jobs of a bulk action, newest first, a bounded look at a time, in the order in which lists walk."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from shared.jobs import listing
from shared.jobs.bulk_rules import Picked
from shared.jobs.filters import JobFilter
from shared.jobs.states import JobStatus
from shared.jobs.viewer import Viewer
from shared.stored import member


class Reach(NamedTuple):
    """Which jobs an action may include."""

    viewer: Viewer
    """Who requested it: a job that this viewer may not see is never included."""
    wanted: JobFilter
    until: datetime
    """Jobs that were accepted later are never included."""


class Picks(NamedTuple):
    """Some of the jobs, newest first."""

    jobs: Sequence[Picked]
    next_before: UUID | None
    """Where the next look begins; None if nothing is left."""


def pick(conn: Connection, reach: Reach, *, before: UUID, most: int, look: int = listing.LOOK) -> Picks:
    """Return the next `most` jobs older than `before`.

    It examines only `look` of them, so it may find few although more follow.
    """
    seer = reach.wanted.within(reach.viewer)
    if seer is None:
        return Picks([], None)
    where = listing.parameters(seer, reach.wanted, look=look, before=before)
    walk = listing.WALKS[listing.order_for(seer, reach.wanted)]
    rows = conn.execute(walk.pick, {**where, "until": reach.until, "limit": most}).all()
    jobs = [picked(row) for row in rows if row.id is not None]
    if len(jobs) == most:
        return Picks(jobs, jobs[-1].id)
    return Picks(jobs, rows[0].upto if rows[0].seen >= look else None)


def picked(row: Any) -> Picked:
    """Return the job of a row that has these columns."""
    return Picked(
        row.id, member(JobStatus, row.status), row.report_type, row.formats, row.cancel_requested_at, row.encrypted
    )


def some(conn: Connection, reach: Reach, *, before: UUID, most: int, looks: int) -> Iterator[Picks]:
    """Yield look after look, until `most` jobs were found, `looks` were taken or nothing is left."""
    place: UUID | None = before
    for _ in range(looks):
        if place is None or most <= 0:
            return
        found = pick(conn, reach, before=place, most=most)
        yield found
        most -= len(found.jobs)
        place = found.next_before
