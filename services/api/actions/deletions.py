"""Delete jobs: nothing of a deleted job can be viewed or downloaded any more, and its content is erased."""

from datetime import UTC, datetime
from uuid import UUID

from anyio import to_thread
from sqlalchemy.engine import Connection

from services.api.actions import jobs, visible
from services.api.actions.auditing import audited
from services.api.actions.job_errors import JobDeleted, Unfinished, UnknownJob
from services.api.actions.jobs import Insists
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.database.engine import transactional
from shared.jobs import cancel as cancelling
from shared.jobs import erasure, read
from shared.jobs.cancel import CancelOutcome
from shared.jobs.erasure import DeleteOutcome
from shared.jobs.read import Job
from shared.runtime.metrics.common import count_finished


async def delete(
    parts: Parts, principal: Principal, job_id: UUID, *, cancel: bool = False, insists: Insists = None
) -> None:
    """Delete the job. With `cancel`, an unfinished job is cancelled first, in the same commit.

    Deleting twice is harmless. When this returns, the job is blank and hidden; the relay removes its files within
    seconds. Raises UnknownJob, Unfinished and PreconditionFailed.
    """

    def carry_out() -> tuple[DeleteOutcome, Job | None]:
        with transactional(parts.engine).begin() as conn:
            held = jobs.hold(conn, parts, principal, job_id, insists) if cancel or insists is not None else None
            viewer = visible.viewer(parts.catalog, principal)
            cancelled = _cancel(conn, parts, principal, job_id) if cancel else None
            outcome = erasure.delete(conn, job_id, viewer, running=cancel)
            if outcome is DeleteOutcome.DELETED:
                audited(conn, principal, Action.JOBS_DELETE, f"jobs/{job_id}")
            return outcome, held if cancelled is CancelOutcome.CANCELLED else None

    principal.need(Scope.JOBS_DELETE)
    if cancel:
        principal.need(Scope.JOBS_CANCEL)
    try:
        outcome, cancelled = await to_thread.run_sync(carry_out)
    except JobDeleted:
        return
    if outcome is DeleteOutcome.UNKNOWN:
        raise UnknownJob(job_id)
    if outcome is DeleteOutcome.UNFINISHED:
        raise Unfinished("wait for its end, or delete it with ?cancel=true")
    if cancelled is not None:
        age_s = (datetime.now(UTC) - cancelled.wanted_at).total_seconds()
        count_finished("cancelled", "requested", cancelled.report_type, [age_s])


async def deleted(parts: Parts, principal: Principal, job_id: UUID) -> Job | None:
    """Return the remains of a deleted job, if the principal could see it before; None for every other id."""

    def look() -> Job | None:
        with parts.engine.connect() as conn:
            job = read.get(conn, job_id, visible.viewer(parts.catalog, principal))
            return None if job is None or job.deleted_at is None else job

    principal.need(Scope.JOBS_READ)
    return await to_thread.run_sync(look)


def _cancel(conn: Connection, parts: Parts, principal: Principal, job_id: UUID) -> CancelOutcome:
    """Cancel the job, or ask its worker to. A job that has ended already needs neither."""
    outcome = cancelling.cancel(conn, job_id, visible.viewer(parts.catalog, principal))
    if outcome in {CancelOutcome.CANCELLED, CancelOutcome.REQUESTED}:
        audited(conn, principal, Action.JOBS_CANCEL, f"jobs/{job_id}", after={"outcome": outcome})
    return outcome
