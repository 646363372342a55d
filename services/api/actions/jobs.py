"""Read jobs, wait for them, and cancel them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from anyio import to_thread
from sqlalchemy.engine import Connection

from services.api.actions import visible
from services.api.actions.auditing import audited
from services.api.actions.errors import PreconditionFailed
from services.api.actions.job_errors import JobAlreadyEnded, JobDeleted, UnknownJob
from services.api.actions.parts import Parts
from services.api.auth.principal import InsufficientScope, Principal
from services.api.shared_look import each_alone
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.database.engine import transactional
from shared.database.unavailable import DatabaseUnavailable, is_unavailable
from shared.jobs import cancel as cancelling
from shared.jobs import events, read
from shared.jobs.artifacts import Artifact, artifacts_of
from shared.jobs.cancel import CancelOutcome
from shared.jobs.events import JobEvent, JobHistory
from shared.jobs.glance import Glance
from shared.jobs.read import Job
from shared.runtime.metrics.common import count_finished


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job and its files."""

    job: Job
    artifacts: Sequence[Artifact]
    """The files of a successful job, until they expire."""
    lacking: Sequence[str] = ()
    """Scopes that the files require and the caller lacks; if there are any, the caller gets no file."""

    @property
    def revision(self) -> str:
        """The name of this state of the job. It changes whenever a client would see a difference."""
        return revision_of(self.job.version, expired=self.job.expired)


def revision_of(version: int, *, expired: bool) -> str:
    """See `FoundJob.revision`."""
    return f"{version}{'-expired' if expired else ''}"


class Waited(NamedTuple):
    """The job after waiting."""

    found: FoundJob
    honoured: bool
    """False if as many clients wait as the process allows, so that the answer came at once."""


class Cancelled(NamedTuple):
    """A job that is cancelled, or will be."""

    found: FoundJob
    requested: bool
    """True if a worker holds the job and was asked to stop: the job may still end in another way."""


Insists = Callable[[str], bool] | None
"""Given a revision, says whether the caller means it; None accepts any revision."""
_NOTED = (CancelOutcome.CANCELLED, CancelOutcome.REQUESTED)
"""Outcomes of a cancellation that changed something."""


async def get(parts: Parts, principal: Principal, job_id: UUID) -> FoundJob:
    """Return the job as it is after this call began. Raises UnknownJob and JobDeleted."""

    def load() -> FoundJob:
        with parts.engine.connect() as conn:
            return load_job(conn, parts, principal, job_id)

    principal.need(Scope.JOBS_READ)
    if parts.jobs is None:
        return await to_thread.run_sync(load)
    try:
        seen = await parts.jobs.of((job_id, visible.viewer(parts.catalog, principal)))
    except Exception as error:
        if not each_alone(error):
            raise
        return await to_thread.run_sync(load)  # uses a connection of its own
    if seen is None:
        raise UnknownJob(job_id)
    return found(principal, _there(job_id, seen.job), seen.artifacts)


async def unchanged(parts: Parts, principal: Principal, job_id: UUID, known: Callable[[str], bool]) -> Glance | None:
    """Return the job's state if `known` says that the caller has this revision; None if `get` must be called.

    Raises InsufficientScope.
    """
    principal.need(Scope.JOBS_READ)
    try:
        found = await parts.glances.of((job_id, visible.viewer(parts.catalog, principal)))
    except Exception as error:
        if not each_alone(error):
            raise
        return None
    return found if found is not None and known(revision_of(found.version, expired=found.expired)) else None


async def wait(
    parts: Parts, principal: Principal, job_id: UUID, *, seconds: float, known: Callable[[str], bool] | None = None
) -> Waited:
    """Return the job when it has ended, or as it is after `seconds`. Raises UnknownJob.

    `known` says whether the caller has a revision of the job. If given, this returns as soon as there is another one.
    """
    give_up_at = time.monotonic() + seconds
    found = await get(parts, principal, job_id)

    def enough() -> bool:
        return found.job.status.final or (known is not None and not known(found.revision))

    if enough():
        return Waited(found, honoured=True)
    with parts.watcher.place() as free:
        while free and not enough() and (left_s := give_up_at - time.monotonic()) > 0:
            version = found.job.version
            if not await parts.watcher.changed(job_id, version, until_end=known is None, within_s=left_s):
                break
            found = await get(parts, principal, job_id)
    return Waited(found, honoured=free)


async def wait_for_new(parts: Parts, principal: Principal, job_id: UUID, *, seconds: float) -> Waited | None:
    """Wait for a job that was accepted a moment ago, as `wait` does; None if the job cannot be shown.

    The job stays accepted whatever happens here. A caller that may not read it, or meets an unavailable database, gets
    the short answer instead.
    """
    try:
        return await wait(parts, principal, job_id, seconds=seconds)
    except (InsufficientScope, UnknownJob, DatabaseUnavailable):
        return None
    except Exception as error:
        if not is_unavailable(error):
            raise
        return None


async def history(parts: Parts, principal: Principal, job_id: UUID) -> Sequence[JobEvent]:
    """Return every change of the job's state, oldest first. Raises UnknownJob and JobDeleted."""

    def load() -> JobHistory:
        with parts.engine.connect() as conn:
            return events.events_of(conn, job_id, visible.viewer(parts.catalog, principal))

    principal.need(Scope.JOBS_READ)
    found = await to_thread.run_sync(load)
    if not found.events:
        raise UnknownJob(job_id)
    if found.deleted:
        raise JobDeleted(job_id)
    return found.events


async def cancel(parts: Parts, principal: Principal, job_id: UUID, *, insists: Insists = None) -> Cancelled:
    """Cancel the job, or ask its worker to. Raises UnknownJob, JobAlreadyEnded and PreconditionFailed."""

    def carry_out() -> tuple[CancelOutcome, FoundJob]:
        with transactional(parts.engine).begin() as conn:
            if insists is not None:
                hold(conn, parts, principal, job_id, insists)
            outcome = cancelling.cancel(conn, job_id, visible.viewer(parts.catalog, principal))
            if outcome in _NOTED:
                audited(conn, principal, Action.JOBS_CANCEL, f"jobs/{job_id}", after={"outcome": outcome})
            return outcome, load_job(conn, parts, principal, job_id)

    principal.need(Scope.JOBS_CANCEL)
    principal.need(Scope.JOBS_READ)  # the answer contains the job
    outcome, found = await to_thread.run_sync(carry_out)
    job = found.job
    if outcome is CancelOutcome.CANCELLED and job.finished_at is not None:
        count_finished("cancelled", "requested", job.report_type, [(job.finished_at - job.wanted_at).total_seconds()])
    if outcome is CancelOutcome.TOO_LATE:
        raise JobAlreadyEnded(job.status)
    return Cancelled(found, requested=outcome is CancelOutcome.REQUESTED)


def hold(conn: Connection, parts: Parts, principal: Principal, job_id: UUID, insists: Insists) -> Job:
    """Lock the job until the transaction ends, and return it.

    Raises UnknownJob, JobDeleted, and PreconditionFailed if the caller requires another revision.
    """
    job = _there(job_id, read.hold(conn, job_id, visible.viewer(parts.catalog, principal)))
    if insists is not None and not insists(FoundJob(job, ()).revision):
        raise PreconditionFailed
    return job


def load_job(conn: Connection, parts: Parts, principal: Principal, job_id: UUID) -> FoundJob:
    """Return the job with its files. Raises UnknownJob and JobDeleted."""
    job = _there(job_id, read.get(conn, job_id, visible.viewer(parts.catalog, principal)))
    return found(principal, job, open_artifacts(conn, principal, [job])[job.id])


def _there(job_id: UUID, job: Job | None) -> Job:
    """Return the job if it exists and is not deleted. Otherwise raises UnknownJob or JobDeleted."""
    if job is None:
        raise UnknownJob(job_id)
    if job.deleted_at is not None:
        raise JobDeleted(job_id)
    return job


def found(principal: Principal, job: Job, artifacts: Sequence[Artifact]) -> FoundJob:
    """Return the job as the principal may see it: without its files if the principal lacks one of their scopes."""
    lacking = principal.lacks(job.scopes or ())
    return FoundJob(job, () if lacking else artifacts, lacking)


def open_artifacts(conn: Connection, principal: Principal, found: Sequence[Job]) -> Mapping[UUID, Sequence[Artifact]]:
    """Return the files of each job; none for a job whose files require a scope that the principal lacks."""
    open_to_it = [job for job in found if not principal.lacks(job.scopes or ())]
    return {job.id: () for job in found} | artifacts_of(conn, open_to_it, tenant=principal.tenant)
