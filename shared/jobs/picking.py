"""Picks the jobs that a bulk action means, newest first, a bounded look at a time: as a list of them walks."""

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


class Reach(NamedTuple):
    """Which jobs an action may meet."""

    viewer: Viewer
    """Who asked for it: a job that it does not see is never met."""
    wanted: JobFilter
    until: datetime
    """Jobs that were accepted later are never met."""


class Picks(NamedTuple):
    """Some of the jobs, newest first."""

    jobs: Sequence[Picked]
    next_before: UUID | None
    """Where the next look begins; None if there is nothing behind it."""


def pick(conn: Connection, reach: Reach, *, before: UUID, most: int, look: int = listing.LOOK) -> Picks:
    """The next `most` jobs older than `before`. It looks at `look` of them: it may find few, and go on."""
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
    """The job of a row that has these columns."""
    return Picked(row.id, JobStatus(row.status), row.report_type, row.formats, row.cancel_requested_at, row.encrypted)


def some(conn: Connection, reach: Reach, *, before: UUID, most: int, looks: int) -> Iterator[Picks]:
    """Look after look, until `most` jobs were found, `looks` were taken or there is nothing more."""
    place: UUID | None = before
    for _ in range(looks):
        if place is None or most <= 0:
            return
        found = pick(conn, reach, before=place, most=most)
        yield found
        most -= len(found.jobs)
        place = found.next_before
