"""The API's answers as values: frozen, typed, and tolerant of fields and states that this version does not know.

Every model has `raw`, the JSON object that it was read from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from todoke.errors import ApiError, UnexpectedAnswer, kind_of
from todoke.options import Condition
from todoke.reading import Fields
from todoke.results import Cost, JobError, Progress, Raw, Result

SUCCESS, FAILED, CANCELLED = "SUCCESS", "FAILED", "CANCELLED"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable job: it will reach SUCCESS, FAILED or CANCELLED."""

    id: str
    status: str
    report_type: str
    replayed: bool
    """True if an earlier request with the same Idempotency-Key created this job."""
    reused: bool
    """True if this is an earlier job with the same request."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object, *, replayed: bool = False) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a submitted job")
        return cls(
            id=read.text("jobId"),
            status=read.text("status"),
            report_type=read.some_text("reportType"),
            replayed=replayed,
            reused=read.flag("reused"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Submitted:
    """The result of one of many submissions: a job, or a problem."""

    job: Accepted | None
    problem: ApiError | None
    """Why it was refused. Not raised, since the others were accepted."""
    raw: Raw = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        """The job's id, so that this can be passed wherever a job is expected. Raises `problem` if there is no job."""
        if self.job is None:
            raise self.problem or UnexpectedAnswer("the response for a submission has neither a job nor a problem")
        return self.job.id

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        job, problem, status = read.maybe_object("job"), read.maybe_object("problem"), read.integer("status")
        return cls(
            job=None if job is None else Accepted.from_json(job, replayed=read.flag("replayed")),
            problem=None if problem is None else kind_of(status)(status, problem),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Retried:
    """A new job that repeats an old one."""

    id: str
    status: str
    report_type: str
    replayed: bool
    """True if an earlier request with the same Idempotency-Key created this job."""
    reused: bool
    retry_of: str | None
    report_version_changed: bool
    """True if the report type's version has changed since the old job was accepted."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object, *, replayed: bool = False) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a repeated job")
        return cls(
            id=read.text("jobId"),
            status=read.text("status"),
            report_type=read.some_text("reportType"),
            replayed=replayed,
            reused=read.flag("reused"),
            retry_of=read.maybe_text("retryOf"),
            report_version_changed=read.flag("reportVersionChanged"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it was when the API answered."""

    id: str
    status: str
    """PENDING, PROCESSING, SUCCESS, FAILED or CANCELLED; or a state that this version does not know."""
    report_type: str
    report_version: str
    requested_by: str | None
    """The name of the API key that requested it; None where no keys are required."""
    retry_of: str | None
    schedule_id: str | None
    """The schedule that submitted it."""
    parameters: Mapping[str, Any]
    formats: Sequence[str]
    labels: Mapping[str, str]
    priority: int | None
    """The requested priority; None if the request named none."""
    attempt: int
    """Charged attempts so far."""
    max_attempts: int
    crashes: int
    """Workers lost so far, which are not charged as attempts."""
    progress: Progress | None
    """None unless a worker is running it."""
    result: Result | None
    error: JobError | None
    cost: Cost | None
    created_at: datetime | None
    updated_at: datetime | None
    started_at: datetime | None
    cancel_requested_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    """When its files are deleted."""
    kept_until: datetime | None
    """When the job itself is deleted."""
    next_attempt_at: datetime | None
    """When it runs, if it is to run later, or is to be retried."""
    run_at: datetime | None
    """The requested time before which it does not run."""
    deadline_at: datetime | None
    """When it fails if it has not ended by then."""
    relative_dates: Mapping[str, Any]
    """The parameters requested in words such as `yesterday`, with the words."""
    time_zone: str | None
    locale: str | None
    columns: Sequence[str] | None
    sort: Sequence[str] | None
    limit: int | None
    csv: Mapping[str, Any] | None
    """The requested CSV dialect, as far as the request set one."""
    file_name: str | None
    callback_url: str | None
    """The address that is notified when the job ends, besides webhooks; without its query."""
    notify_when: Sequence[Condition] | None
    """The conditions under which it is notified; None for always."""
    encrypted: bool
    """True if its files need a password to open."""
    keep_files_seconds: int | None
    keep_seconds: int | None
    done: bool
    """True if the server reports that it has ended."""
    etag: str | None
    """Identifies this state, for `if_match` in methods that change a job. None for a job from a list or a stream."""
    raw: Raw = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """True if nothing will change any more, including in a state that this version does not know."""
        return self.status in {SUCCESS, FAILED, CANCELLED} or self.done or self.finished_at is not None

    @classmethod
    def from_json(cls, raw: object, *, etag: str | None = None) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a job")
        progress, result, error = read.inner("progress"), read.inner("result"), read.inner("error")
        cost = read.inner("cost")
        return cls(
            id=read.text("jobId"),
            status=read.text("status"),
            report_type=read.some_text("reportType"),
            report_version=read.some_text("reportVersion"),
            requested_by=read.maybe_text("requestedBy"),
            retry_of=read.maybe_text("retryOf"),
            schedule_id=read.maybe_text("scheduleId"),
            parameters=read.object("parameters"),
            formats=read.texts("formats"),
            labels={name: str(value) for name, value in read.object("labels").items()},
            priority=read.maybe_integer("priority"),
            attempt=read.integer("attempt"),
            max_attempts=read.integer("maxAttempts"),
            crashes=read.integer("crashes"),
            progress=Progress.read(progress) if progress else None,
            result=Result.read(result) if result else None,
            error=JobError.read(error) if error else None,
            cost=Cost.read(cost) if cost else None,
            created_at=read.time("createdAt"),
            updated_at=read.time("updatedAt"),
            started_at=read.time("startedAt"),
            cancel_requested_at=read.time("cancelRequestedAt"),
            finished_at=read.time("finishedAt"),
            expires_at=read.time("expiresAt"),
            kept_until=read.time("keptUntil"),
            next_attempt_at=read.time("nextAttemptAt"),
            run_at=read.time("runAt"),
            deadline_at=read.time("deadlineAt"),
            relative_dates=read.maybe_object("relativeDates") or {},
            time_zone=read.maybe_text("timeZone"),
            locale=read.maybe_text("locale"),
            columns=read.texts("columns") or None,
            sort=read.texts("sort") or None,
            limit=read.maybe_integer("limit"),
            csv=read.maybe_object("csv"),
            file_name=read.maybe_text("fileName"),
            callback_url=read.maybe_text("callbackUrl"),
            notify_when=read.raw.get("notifyWhen"),
            encrypted=read.flag("encrypted"),
            keep_files_seconds=read.maybe_integer("keepFilesSeconds"),
            keep_seconds=read.maybe_integer("keepSeconds"),
            done=read.flag("done"),
            etag=etag,
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class JobsPage:
    """One page of jobs, newest first. `jobs.iter` yields the jobs of all pages."""

    jobs: Sequence[Job]
    next_page_token: str | None
    """None on the last page."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of jobs")
        return cls(
            jobs=tuple(Job.from_json(one.raw) for one in read.each("jobs")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One change of a job's state."""

    version: int
    """The version of the job after the change."""
    from_status: str | None
    to_status: str
    verb: str
    """`submit`, `start`, `succeed`, `retry`, `fail`, `give_back`, `cancel` or `expire`."""
    attempt: int
    reason: str | None
    at: datetime | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "an event")
        return cls(
            version=read.integer("version"),
            from_status=read.maybe_text("fromStatus"),
            to_status=read.text("toStatus"),
            verb=read.some_text("verb"),
            attempt=read.integer("attempt"),
            reason=read.maybe_text("reason"),
            at=read.time("at"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A downloaded file, identical to the byte to the one that the job made."""

    path: Path
    artifact: str
    """Its name on the server."""
    size_bytes: int
    sha256: str
    was_there: bool
    """True if the complete file was already there and nothing was fetched."""
