"""The states of a job, and which change of state each verb may make.

The trigger in `migrations/job_triggers.py` has the same table, and a test compares them.
"""

from enum import StrEnum
from typing import NamedTuple


class JobStatus(StrEnum):
    """Where a job stands, as the wire shows it."""

    PENDING = "PENDING"
    """Accepted and durable, waiting for a worker or for its next try. Leaves by `start`, `cancel` or `expire`."""
    PROCESSING = "PROCESSING"
    """One worker holds the lease named by `jobs.lease_token`. Leaves by
    `succeed`, `retry`, `fail`, `give_back`, `cancel`, `expire`."""
    SUCCESS = "SUCCESS"
    """The artifacts named by `succeed` can be downloaded. Final."""
    FAILED = "FAILED"
    """Ended without a report; `error` says why. Final."""
    CANCELLED = "CANCELLED"
    """Ended because the client asked. Final."""

    @property
    def final(self) -> bool:
        """True when the job will never change again."""
        return self in FINAL


FINAL = frozenset({JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED})


class Verb(StrEnum):
    """The step that changed a state; stored with it in `jobs.verb` and in the history."""

    SUBMIT = "submit"
    """A client asked for a report (API)."""
    START = "start"
    """A worker took the job, or took it over from a holder whose lease had run out."""
    SUCCEED = "succeed"
    """The holder published its artifacts."""
    RETRY = "retry"
    """The holder failed for a reason that may pass, and has attempts left."""
    FAIL = "fail"
    """The holder failed for good."""
    GIVE_BACK = "give_back"
    """The holder is shutting down, or cannot work for a cause of its own; the attempt is not charged."""
    CANCEL = "cancel"
    """The client's request to cancel was carried out."""
    EXPIRE = "expire"
    """The sweeper found a lease that ran out, or a job past its deadline."""


class Edge(NamedTuple):
    """One legal change. `source` is None for the birth of a job."""

    source: JobStatus | None
    target: JobStatus
    verb: Verb


LEGAL_EDGES = frozenset(
    {
        Edge(None, JobStatus.PENDING, Verb.SUBMIT),
        Edge(JobStatus.PENDING, JobStatus.PROCESSING, Verb.START),
        Edge(JobStatus.PROCESSING, JobStatus.PROCESSING, Verb.START),
        Edge(JobStatus.PROCESSING, JobStatus.SUCCESS, Verb.SUCCEED),
        Edge(JobStatus.PROCESSING, JobStatus.PENDING, Verb.RETRY),
        Edge(JobStatus.PROCESSING, JobStatus.FAILED, Verb.FAIL),
        Edge(JobStatus.PROCESSING, JobStatus.PENDING, Verb.GIVE_BACK),
        Edge(JobStatus.PROCESSING, JobStatus.CANCELLED, Verb.CANCEL),
        Edge(JobStatus.PENDING, JobStatus.CANCELLED, Verb.CANCEL),
        Edge(JobStatus.PROCESSING, JobStatus.PENDING, Verb.EXPIRE),
        Edge(JobStatus.PROCESSING, JobStatus.FAILED, Verb.EXPIRE),
        Edge(JobStatus.PROCESSING, JobStatus.CANCELLED, Verb.EXPIRE),
        Edge(JobStatus.PENDING, JobStatus.FAILED, Verb.EXPIRE),
    }
)
