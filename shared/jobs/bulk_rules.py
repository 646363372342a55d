"""What a bulk action does to a job, which it tells beforehand and afterwards by the same rules."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from shared.jobs.filters import JobFilter
from shared.jobs.states import JobStatus


class BulkAction(StrEnum):
    """What is done to every job."""

    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"


class BulkOutcome(StrEnum):
    """What becomes of a job."""

    CANCELLED = "cancelled"
    REQUESTED = "requested"
    """A worker holds it and is told: it may still end otherwise."""
    RETRIED = "retried"
    """Another job was made of it."""
    DELETED = "deleted"
    UNCHANGED = "unchanged"
    """It was so before."""
    REFUSED = "refused"


class Picked(NamedTuple):
    """A job that an action may meet, as far as the rules ask."""

    id: UUID
    status: JobStatus
    report_type: str
    formats: Sequence[str]
    cancel_requested_at: datetime | None
    encrypted: bool = False
    """True if its files have a password, which is not kept for another job."""


class Verdict(NamedTuple):
    """What becomes of a job, and why not what was asked for."""

    outcome: BulkOutcome
    code: str | None = None
    """Of a refusal: the code with which the API refuses the same of one job."""


Terms = Mapping[str, Any]
"""What new jobs are made with, as it was when the action began: by `types` what may be asked for, and bounds."""

_USUALLY: Mapping[BulkAction, Sequence[JobStatus]] = {
    BulkAction.CANCEL: (JobStatus.PENDING, JobStatus.PROCESSING),
    BulkAction.RETRY: (JobStatus.FAILED,),
    BulkAction.DELETE: (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED),
}
_CHANGES = {BulkOutcome.CANCELLED, BulkOutcome.REQUESTED, BulkOutcome.RETRIED, BulkOutcome.DELETED}


def meant(action: BulkAction, wanted: JobFilter) -> JobFilter:
    """The filter; one that names no states means those that the action is for."""
    return wanted if wanted.statuses else wanted._replace(statuses=_USUALLY[action])


def decide(action: BulkAction, job: Picked, terms: Terms | None) -> Verdict:
    """What becomes of the job."""
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
    """True if the job becomes another, or another is made."""
    return verdict.outcome in _CHANGES


def tally(each: Iterable[str]) -> dict[str, int]:
    """How many there are of each."""
    return {str(one): jobs for one, jobs in Counter(each).items()}
