"""What a bulk action does to a job. The preview and the execution follow the same rules."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from shared.jobs.filters import JobFilter
from shared.jobs.states import JobStatus


class BulkAction(StrEnum):
    """What is done to each job."""

    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"


class BulkOutcome(StrEnum):
    """What happens to a job."""

    CANCELLED = "cancelled"
    REQUESTED = "requested"
    """A worker holds it and was asked to stop: it may still end in another way."""
    RETRIED = "retried"
    """Another job was created from it."""
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    """It was in that state before."""
    REFUSED = "refused"


class Picked(NamedTuple):
    """A job that an action may include, with the columns that the rules need."""

    id: UUID
    status: JobStatus
    report_type: str
    formats: Sequence[str]
    cancel_requested_at: datetime | None
    encrypted: bool = False
    """True if its files have a password, which is not kept for another job."""


class Verdict(NamedTuple):
    """What happens to a job, and why it is not what was requested."""

    outcome: BulkOutcome
    code: str | None = None
    """For a refusal: the code with which the API refuses the same action on a single job."""


Terms = Mapping[str, Any]
"""The terms for new jobs, fixed when the action began: `types`, which may be requested, and bounds."""

_USUALLY: Mapping[BulkAction, Sequence[JobStatus]] = {
    BulkAction.CANCEL: (JobStatus.PENDING, JobStatus.PROCESSING),
    BulkAction.RETRY: (JobStatus.FAILED,),
    BulkAction.DELETE: (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED),
}
_CHANGES = {BulkOutcome.CANCELLED, BulkOutcome.REQUESTED, BulkOutcome.RETRIED, BulkOutcome.DELETED}


def meant(action: BulkAction, wanted: JobFilter) -> JobFilter:
    """Return the filter. One that names no states gets those that the action applies to."""
    return wanted if wanted.statuses else wanted._replace(statuses=_USUALLY[action])


def decide(action: BulkAction, job: Picked, terms: Terms | None) -> Verdict:
    """Decide what happens to the job."""
    if action is BulkAction.CANCEL:
        return _cancel(job)
    if not job.status.final:
        return Verdict(BulkOutcome.REFUSED, "not_ended")
    if action is BulkAction.DELETE:
        return Verdict(BulkOutcome.DELETED)
    of_type = (terms or {}).get("types", {}).get(job.report_type)
    if of_type is None:
        return Verdict(BulkOutcome.REFUSED, "unknown_report_type")
    if not set(job.formats) <= set(of_type["formats"]):
        return Verdict(BulkOutcome.REFUSED, "unknown_format")
    if job.encrypted:
        return Verdict(BulkOutcome.REFUSED, "password_needed")
    return Verdict(BulkOutcome.RETRIED)


def _cancel(job: Picked) -> Verdict:
    if job.status is JobStatus.CANCELLED:
        return Verdict(BulkOutcome.UNCHANGED)
    if job.status.final:
        return Verdict(BulkOutcome.REFUSED, "job_already_ended")
    if job.cancel_requested_at is not None:
        return Verdict(BulkOutcome.UNCHANGED)
    return Verdict(BulkOutcome.CANCELLED if job.status is JobStatus.PENDING else BulkOutcome.REQUESTED)


def changes(verdict: Verdict) -> bool:
    """True if the job changes, or another is created."""
    return verdict.outcome in _CHANGES


def tally(each: Iterable[str]) -> dict[str, int]:
    """Count how many there are of each."""
    return {str(one): jobs for one, jobs in Counter(each).items()}
