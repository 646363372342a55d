"""What is submitted, and how it is answered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.access.secret_keys import Sealed
from shared.errors import TodokeError
from shared.jobs.states import JobStatus


class IdempotencyKeyReused(TodokeError):
    """An Idempotency-Key came before with another request body."""


class IdempotencyKeyInFlight(TodokeError):
    """Another request with this Idempotency-Key was at work for longer than this one may wait."""

    def __init__(self) -> None:
        super().__init__("Another request with this Idempotency-Key is at work")


KeyName = tuple[str, str, str]
"""Tenant, operation and text of an Idempotency-Key."""


class IdempotencyKey(NamedTuple):
    """A client's name for its request, and what tells that request from others. Either digest does."""

    text: str
    body_digest: str
    """Of the bytes as they came: the same bytes are the same request, whatever has become of the catalog."""
    meaning_digest: str
    """Of what they mean: the same request may be written in several ways."""
    requester: str | None = None
    """Only jobs of this requester are its own; None for everybody's of the tenant."""
    operation: str = "submit"
    """What the client does with it, `submit` or `retry`: each has its own keys."""
    others: frozenset[str] = frozenset()
    """Either digest as it may have been stored before, by an older key of SECRETS_KEY_FILE."""

    def name_of(self, tenant: str) -> KeyName:
        """What makes it one."""
        return tenant, self.operation, self.text


class Submission(NamedTuple):
    """A validated request, ready to become a job. The caller chooses the id, so that sending it twice is safe."""

    # A tuple, because one is made for each request: a frozen dataclass of so many fields takes far longer to make.

    id: UUID
    tenant: str
    report_type: str
    report_version: str
    parameters: Mapping[str, object]
    formats: Sequence[str]
    max_attempts: int
    max_crashes: int
    deadline_s: float
    """Seconds after which the job fails if nothing else has ended it."""
    keep_artifacts_s: int = 30 * 86_400
    """Seconds after the job's end for which its files can be downloaded."""
    keep_s: int = 90 * 86_400
    """Seconds after the job's end for which it can be looked at."""
    run_at: datetime | None = None
    """The moment before which it must not run; None for at once. Its deadline counts from here."""
    not_after: datetime | None = None
    """The moment at which it fails, if that is before `deadline_s`."""
    file_name: str | None = None
    """The name of its files without extension; None for the report type's."""
    reuse_key: str | None = None
    """Names the question for those who may get this job as their answer; None: nobody does (reuse.py)."""
    options: Mapping[str, object] | None = None
    """What the client asked for beside, to be shown and asked for again; None for nothing."""
    requester: str | None = None
    """Who asks, within the tenant; None where no keys are asked for."""
    scopes: Sequence[str] | None = None
    """The scopes that its files ask for, because of what went into them; None for none."""
    retry_of: UUID | None = None
    """The job that this one is asked for again."""
    schedule_id: UUID | None = None
    """The schedule that asks for it."""
    labels: Mapping[str, str] | None = None
    """What the client marks it with, to find it again; None for nothing."""
    idempotency_key: IdempotencyKey | None = None
    trace_context: str | None = None
    priority: int | None = None
    """0 to 9, of which 9 is the most urgent; it orders jobs within the tenant only. None for the usual one."""
    password: Sealed | None = None
    """Opens its files; sealed for the job. None where they have none."""


class Accepted(NamedTuple):
    """The answer to one submission. `created` is False when an earlier request with this key made the job."""

    job_id: UUID
    created: bool
    report_type: str
    status: JobStatus = JobStatus.PENDING
    reused: bool = False
    """True if it is the job of another request that asked the same (reuse.py)."""


class CapReached(TodokeError):
    """The tenant has as many unfinished jobs as it may have. Nothing was made."""

    def __init__(self, most: int) -> None:
        super().__init__(f"At most {most} jobs of a tenant may wait and run at the same time, and so many do")
        self.most = most


class Capped(NamedTuple):
    """Nothing was made yet: the tenant may have so many unfinished jobs only, which `queue_caps` counts."""


Answer = Accepted | IdempotencyKeyReused | CapReached
