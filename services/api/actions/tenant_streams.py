"""Follow what changes among the jobs that a caller sees."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

from anyio import to_thread

from services.api.actions import visible
from services.api.actions.parts import Parts
from services.api.actions.streams import Listener, What
from services.api.auth.principal import Principal
from services.api.tenant_feed import Slot
from shared.access.scopes import Scope
from shared.jobs.filters import JobFilter
from shared.jobs.listing import list_jobs
from shared.jobs.read import Job
from shared.jobs.recent import Recent

SNAPSHOT = 50
"""The newest jobs, with which a stream begins."""
_FIRST_LOOK_S = 5.0


class Change(NamedTuple):
    """What happens on a tenant's stream."""

    what: What
    jobs: Sequence[Recent] = ()
    missed: bool = False
    """True if more has changed than could be told: the client lists again."""


async def begin(parts: Parts, principal: Principal, slot: Slot) -> Sequence[Job]:
    """The newest jobs that the caller sees, once whatever changes from then on is told to the slot."""

    def load() -> Sequence[Job]:
        with parts.engine.connect() as conn:
            viewer = visible.viewer(parts.catalog, principal)
            return list_jobs(conn, viewer, size=SNAPSHOT, before=None, wanted=JobFilter()).jobs

    principal.need(Scope.JOBS_READ)
    await slot.ready(_FIRST_LOOK_S)
    return await to_thread.run_sync(load)


async def follow(parts: Parts, listener: Listener, slot: Slot) -> AsyncGenerator[Change, None]:
    """Yield what changes, until the stream must end."""
    while True:
        changes, missed = await slot.take(listener.quiet_s)
        if listener.must_go:
            yield Change(What.LATER)
            return
        if not await listener.may_stay():
            yield Change(What.BYE)
            return
        seen = [job for job in changes if visible.sees(parts.catalog, listener.principal, job)]
        if seen or missed:
            yield Change(What.JOB, seen, missed)
        elif listener.beat_is_due:
            yield Change(What.BEAT)
