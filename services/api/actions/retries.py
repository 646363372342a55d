"""Repeat a report."""

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
    """True if the report type's version now differs from the one that the old job was accepted with."""


async def retry(
    parts: Parts, principal: Principal, job_id: UUID, wanted: Wanted, *, insists: Insists = None
) -> Retried:
    """Create a new job from what an ended job was asked for, overridden by what is wanted.

    The old job and its files are unchanged. The new job belongs to the caller, and has the rows and columns that the
    caller may see. Raises UnknownJob, NotEnded, PreconditionFailed, and whatever `submit` raises.
    """
    principal.need(Scope.JOBS_CREATE)  # before the answer reveals anything about the job
    found = await jobs.get(parts, principal, job_id)
    old = found.job
    # An ended job changes only when its files expire, which does not affect its retry: no lock is needed.
    if insists is not None and not insists(found.revision):
        raise PreconditionFailed
    if not old.status.final:
        raise NotEnded(old.status)
    submitted = await submissions.submit(parts, principal, wanted._replace(retry_of=old))
    now = parts.catalog.types.get(old.report_type)
    return Retried(submitted, old, version_changed=now is None or now.version != old.report_version)
