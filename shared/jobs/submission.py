"""What is submitted, and how it is answered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.access.secret_keys import Sealed
from shared.errors import TodokeError
from shared.jobs.states import JobStatus


class IdempotencyKeyReused(TodokeError):
    """An Idempotency-Key was used before with another request body."""


class IdempotencyKeyInFlight(TodokeError):
    """Another request with this Idempotency-Key was in progress for longer than this one may wait."""

    def __init__(self) -> None:
        super().__init__("Another request with this Idempotency-Key is in progress")


KeyName = tuple[str, str, str]
"""Tenant, operation and text of an Idempotency-Key."""


class IdempotencyKey(NamedTuple):
    """A client's name for its request, with digests that identify the request. Matching either digest is enough."""

    text: str
    body_digest: str
    """The digest of the bytes as received: the same bytes are the same request, whatever has changed in the catalog."""
    meaning_digest: str
    """The digest of their meaning: the same request may be written in several ways."""
    requester: str | None = None
    """The requester whose jobs it covers; None for all jobs of the tenant."""
    operation: str = "submit"
    """What the client does with it, `submit` or `retry`: each has its own keys."""
    others: frozenset[str] = frozenset()
    """Both digests as they may have been stored before, with an older key of SECRETS_KEY_FILE."""

    def name_of(self, tenant: str) -> KeyName:
        """Return what makes the key unique."""
        return tenant, self.operation, self.text


class Submission(NamedTuple):
    """A validated request, ready to become a job. The caller chooses the id, so that sending it twice is safe."""

    # A tuple, because one is created for each request: a frozen dataclass with so many fields takes far longer to
    # create.

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
    """Seconds after the job's end for which it can be read."""
    run_at: datetime | None = None
    """The moment before which it must not run; None for at once. Its deadline counts from then."""
    not_after: datetime | None = None
    """The moment at which it fails, if that is before `deadline_s`."""
    file_name: str | None = None
    """The name of its files without extension; None for the report type's."""
    reuse_key: str | None = None
    """The digest of the question, for other requests that may use this job as their answer; None if none may
    (reuse.py)."""
    options: Mapping[str, object] | None = None
    """The client's other options, to be shown and repeated; None if there are none."""
    requester: str | None = None
    """The requester within the tenant; None where no keys are required."""
    scopes: Sequence[str] | None = None
    """The scopes that its files require because of their content; None if there are none."""
    retry_of: UUID | None = None
    """The job that this one repeats."""
    schedule_id: UUID | None = None
    """The schedule that requests it."""
    labels: Mapping[str, str] | None = None
    """The client's labels, to find it again; None if there are none."""
    idempotency_key: IdempotencyKey | None = None
    trace_context: str | None = None
    priority: int | None = None
    """0 to 9, where 9 is the most urgent; it orders jobs within the tenant only. None for the default."""
    password: Sealed | None = None
    """The password of its files, sealed for the job. None if they have none."""


class Accepted(NamedTuple):
    """The answer to one submission. `created` is False when an earlier request with this key created the job."""

    job_id: UUID
    created: bool
    report_type: str
    status: JobStatus = JobStatus.PENDING
    reused: bool = False
    """True if it is the job of another request with the same question (reuse.py)."""


class CapReached(TodokeError):
    """The tenant has as many unfinished jobs as it may have. Nothing was created."""

    def __init__(self, most: int) -> None:
        super().__init__(f"The tenant has {most} waiting and running jobs, the maximum")
        self.most = most


class Capped(NamedTuple):
    """Nothing was created yet: the tenant's unfinished jobs are capped, and `queue_caps` must count them."""


Answer = Accepted | IdempotencyKeyReused | CapReached
