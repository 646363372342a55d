"""Follow what changes among the jobs that a caller may see.

A stream begins with a snapshot. When changes were missed, or will be, the stream says so at once and sends another
snapshot: soon, then less and less often, until a snapshot is complete and everything in it is followed.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from anyio import to_thread
from sqlalchemy.engine import Connection

from services.api.actions import visible
from services.api.actions.parts import Parts
from services.api.actions.streams import Listener, What, passes
from services.api.auth.principal import Principal
from services.api.tenant_feed import Slot
from shared.access.scopes import Scope
from shared.jobs.filters import JobFilter
from shared.jobs.listing import list_jobs
from shared.jobs.read import Job
from shared.jobs.recent import Recent
from shared.jobs.states import JobStatus
from shared.jobs.viewer import Viewer

SNAPSHOT = 50
"""The newest jobs, with which a stream begins."""
_PAGE, _PAGES = 200, 5
"""Then older unfinished jobs, in pages of a list. Each page looks at a bounded number of jobs."""
_GOING_ON = JobFilter(statuses=[JobStatus.PENDING, JobStatus.PROCESSING])
_FIRST_LOOK_S = 5.0
_AGAIN_S = (10.0, 60.0)
"""Shortest and longest pause between two snapshots of one stream while they cannot be complete."""


class Snapshot(NamedTuple):
    """The newest jobs, and all older unfinished ones; newest first."""

    jobs: Sequence[Job]
    complete: bool
    """False if there are more unfinished jobs, or if changes of some of these will not be reported."""


class Change(NamedTuple):
    """What happens on a tenant's stream."""

    what: What
    jobs: Sequence[Recent] = ()
    missed: bool = False
    """True if a change was missed, or may be from now on: a snapshot follows."""
    snapshot: Snapshot | None = None
    """The current state of everything, after changes were missed."""


async def begin(parts: Parts, principal: Principal, slot: Slot) -> Snapshot:
    """Return the jobs that the caller may see, once every later change is reported to the slot."""
    principal.need(Scope.JOBS_READ)
    await slot.ready(_FIRST_LOOK_S)
    return await _snapshot(parts, principal)


async def _snapshot(parts: Parts, principal: Principal) -> Snapshot:
    def load() -> Snapshot:
        with parts.engine.connect() as conn:
            return _read(conn, visible.viewer(parts.catalog, principal))

    snapshot = await to_thread.run_sync(load)
    going_on = {job.id: job.version for job in snapshot.jobs if not job.status.final}
    followed = parts.tenant_feed.follow(principal.tenant, going_on)
    return snapshot._replace(complete=snapshot.complete and followed)


def _read(conn: Connection, viewer: Viewer) -> Snapshot:
    page = list_jobs(conn, viewer, size=SNAPSHOT)
    jobs = list(page.jobs)
    for _ in range(_PAGES):
        if page.next_before is None:
            break
        page = list_jobs(conn, viewer, size=_PAGE, before=page.next_before, wanted=_GOING_ON)
        jobs += page.jobs
    return Snapshot(jobs, page.next_before is None)


class _NextSnapshot:
    """When the next snapshot is due, after changes were missed."""

    def __init__(self, first: Snapshot) -> None:
        self.missed = not first.complete
        self._pause_s = _AGAIN_S[0]
        self._at = time.monotonic() + self._pause_s

    @property
    def due_in_s(self) -> float:
        """The seconds until then; practically never while nothing was missed."""
        return max(0.0, self._at - time.monotonic()) if self.missed else float("inf")

    def put_off(self) -> None:
        """Note that a snapshot is being tried: the next one is due later, and the one after that later still."""
        self._at = time.monotonic() + self._pause_s
        self._pause_s = min(2 * self._pause_s, _AGAIN_S[1])

    def had(self, snapshot: Snapshot) -> None:
        """Note that a snapshot was sent."""
        self.missed = not snapshot.complete
        if snapshot.complete:
            self._pause_s = _AGAIN_S[0]


async def follow(parts: Parts, listener: Listener, slot: Slot, first: Snapshot) -> AsyncGenerator[Change, None]:
    """Yield what changes, until the stream must end."""
    again = _NextSnapshot(first)
    while True:
        changes, missed = await slot.take(min(listener.quiet_s, again.due_in_s))
        if listener.must_go:
            yield Change(What.LATER)
            return
        if not await listener.may_stay():
            yield Change(What.BYE)
            return
        missed, again.missed = missed and not again.missed, missed or again.missed
        seen = [job for job in changes if visible.sees(parts.catalog, listener.principal, job)]
        if seen or missed:
            yield Change(What.JOB, seen, missed)
        elif listener.beat_is_due:
            yield Change(What.BEAT)
        if not again.due_in_s:
            again.put_off()
            if (snapshot := await _catch_up(parts, listener.principal)) is not None:
                again.had(snapshot)
                yield Change(What.JOB, snapshot=snapshot)


async def _catch_up(parts: Parts, principal: Principal) -> Snapshot | None:
    """Return the current state of everything; None if the database is unavailable."""
    try:
        async with parts.tenant_feed.catching_up:
            return await _snapshot(parts, principal)
    except Exception as error:
        if not passes(error):
            raise
        return None
