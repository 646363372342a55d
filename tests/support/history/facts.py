"""The facts that the rules compare: what was seen from outside and what is stored inside.

All times are in Unix seconds of this machine's clock, which the tests' database shares.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any
from uuid import UUID

from shared.jobs.states import JobStatus, Verb
from tests.support.history.facts_of_others import (
    BulkResult,
    BulkRow,
    DeliveryRow,
    Paused,
    Posted,
    ScheduleRow,
    TickRow,
    ToldRow,
    WebhookRow,
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A submission: the client's request and its answer."""

    request: str
    """The request's body, normalised."""
    key: str | None
    status: int | None
    """The HTTP status; None if no answer came, so that it is unknown whether the request was applied."""
    job_id: UUID | None
    sent_at: float
    answered_at: float


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer to GET: one look at a job."""

    job_id: UUID
    version: int
    status: JobStatus
    body: str
    """The body of the answer, normalised."""
    sent_at: float
    answered_at: float


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A request to cancel, and the answer: 200 done, 202 the worker will be told, 409 too late, None unknown."""

    job_id: UUID
    status: int | None
    sent_at: float


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file as a client received it."""

    job_id: UUID
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker was told that it ended the attempt of this token, and with which outcome."""

    job_id: UUID
    token: UUID
    status: JobStatus


@dataclass(frozen=True, slots=True)
class Kept:
    """A worker asked to renew a lease, and was told that it still holds it."""

    job_id: UUID
    token: UUID
    asked_at: float


@dataclass(frozen=True, slots=True)
class Rang:
    """The queue accepted a doorbell."""

    body: str
    at: float


@dataclass(frozen=True, slots=True)
class Died:
    """A worker was killed, or frozen for longer than its lease."""

    worker: str
    """As in `job_events.worker`."""
    at: float


@dataclass(frozen=True, slots=True)
class Met:
    """A worker's log reports that the attempt of this token failed, with the cause."""

    job_id: UUID
    token: UUID
    code: str
    at: float


@dataclass(frozen=True, slots=True)
class Locked:
    """A session of none of the services held the lock on this job's row."""

    job_id: UUID
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Catalog:
    """The content of a worker's catalog, where it is known."""

    worker: str
    """As in `job_events.worker`."""
    versions: Mapping[str, str]
    """Report type → its version."""


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `job_events`."""

    job_id: UUID
    version: int
    source: JobStatus | None
    target: JobStatus
    verb: Verb | str
    attempt: int
    token: UUID | None
    worker: str | None
    at: float


@dataclass(frozen=True, slots=True)
class JobRow:
    """A row of `jobs`."""

    id: UUID
    tenant: str
    status: JobStatus
    version: int
    attempt: int
    max_attempts: int
    crashes: int
    max_crashes: int
    token: UUID | None
    formats: Sequence[str]
    cancel_asked: bool
    key: str | None
    """Its Idempotency-Key."""
    report_type: str = ""
    report_version: str = ""
    """The version that it was accepted with."""
    error_code: str | None = None
    deadline_at: float = float("inf")
    retry_of: UUID | None = None
    schedule_id: UUID | None = None
    by_bulk: bool = False
    """True if a bulk action created it."""
    callback: str | None = None
    """The address that its request named."""
    callback_when: Sequence[str | Mapping[str, Any]] | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    """The figures of its report, with its `rows`."""


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """A row of `artifacts`."""

    job_id: UUID
    token: UUID
    name: str
    format: str
    size_bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object of the artifact store, read completely."""

    tenant: str
    job_id: UUID
    token: UUID
    name: str
    size_bytes: int
    sha256: str
    manifest: Mapping[str, object] | None = None
    """Its content, if it is a manifest."""


@dataclass
class History:
    """Everything about one run, and the limits of its configuration."""

    asked: list[Asked] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    cancelled: list[Cancelled] = field(default_factory=list)
    downloaded: list[Downloaded] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    rang: list[Rang] | None = None
    """None if the queue keeps no log."""
    died: list[Died] = field(default_factory=list)
    met: list[Met] = field(default_factory=list)
    locked: list[Locked] = field(default_factory=list)
    catalogs: list[Catalog] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    jobs: list[JobRow] = field(default_factory=list)
    artifacts: list[ArtifactRow] = field(default_factory=list)
    files: list[StoredFile] = field(default_factory=list)
    paused: list[Paused] = field(default_factory=list)
    bulks: list[BulkRow] = field(default_factory=list)
    bulk_results: list[BulkResult] = field(default_factory=list)
    schedules: list[ScheduleRow] = field(default_factory=list)
    ticks: list[TickRow] = field(default_factory=list)
    webhooks: list[WebhookRow] = field(default_factory=list)
    told: list[ToldRow] = field(default_factory=list)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    posted: list[Posted] | None = None
    """None if there was no receiver."""
    held: int = 0
    """Doorbells that are held at the end."""
    unsent: int = 0
    """Rows of the outbox at the end."""
    floor_violations: int = 0
    """The violations that the relays' audits counted."""
    lease_s: float = 0.0
    """0 where tests move the clock, so that lease durations mean nothing."""
    recovery_s: float = float("inf")
    """A job whose worker died must have moved on within this time."""

    @cached_property
    def chains(self) -> Mapping[UUID, Sequence[Event]]:
        """Each job's history, oldest first."""
        found: dict[UUID, list[Event]] = defaultdict(list)
        for event in sorted(self.events, key=lambda e: e.version):
            found[event.job_id].append(event)
        return found

    @cached_property
    def attempts(self) -> Mapping[UUID, tuple[Event, Event | None]]:
        """Token → the start of its attempt, and its end; None if there is none."""
        found: dict[UUID, tuple[Event, Event | None]] = {}
        for chain in self.chains.values():
            for event, following in zip_longest(chain, chain[1:]):
                if event.verb == Verb.START and event.token is not None:
                    found[event.token] = event, following
        return found

    @cached_property
    def job(self) -> Mapping[UUID, JobRow]:
        """Each job's row."""
        return {job.id: job for job in self.jobs}
