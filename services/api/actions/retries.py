"""Ask for a report again."""

from typing import NamedTuple
from uuid import UUID

from services.api.actions import jobs, submissions
from services.api.actions.checks import Wanted
from services.api.actions.errors import PreconditionFailed
from services.api.actions.job_errors import NotEnded
from services.api.actions.jobs import Insists
from services.api.actions.parts import Parts
from services.api.actions.submissions import Submitted
from services.api.auth.principal import Principal
from shared.access.scopes import Scope
from shared.jobs.read import Job


class Retried(NamedTuple):
    """A new job, and the one that it repeats."""

    submitted: Submitted
    old: Job
    version_changed: bool
    """True if the report type is another version now than the old job was accepted with."""


async def retry(
    parts: Parts, principal: Principal, job_id: UUID, wanted: Wanted, *, insists: Insists = None
) -> Retried:
    """Make a new job of what an ended one was asked for, with what is wanted in its place.

    The old job and its files stay as they are. The new one is the caller's: it has the rows and columns that the caller
    may see. Raises UnknownJob, NotEnded, PreconditionFailed, and what `submit` raises.
    """
    principal.need(Scope.JOBS_CREATE)  # before anything is told of the job
    found = await jobs.get(parts, principal, job_id)
    old = found.job
    # An ended job changes no more but that its files expire, which takes nothing from its retry: no lock is needed.
    if insists is not None and not insists(found.revision):
        raise PreconditionFailed
    if not old.status.final:
        raise NotEnded(old.status)
    submitted = await submissions.submit(parts, principal, wanted._replace(retry_of=old))
    now = parts.catalog.types.get(old.report_type)
    return Retried(submitted, old, version_changed=now is None or now.version != old.report_version)
