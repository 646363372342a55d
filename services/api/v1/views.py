"""What clients receive, as models."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from services.api.actions.options import CALLBACK
from services.api.actions.retries import Retried
from services.api.actions.submissions import Submitted
from services.api.v1.base_view import Time, View
from services.api.v1.job_links import links
from services.api.v1.result_views import ResultView, result_view
from shared.catalog.shape import WORDS, Shape
from shared.jobs.artifacts import ROWS_FORMAT, Artifact
from shared.jobs.passwords import ENCRYPTED
from shared.jobs.read import Job
from shared.jobs.states import JobStatus
from shared.webhooks.conditions import FIELD as NOTIFY_WHEN
from shared.webhooks.url import without_query


class AcceptedView(View):
    """A job that is durable."""

    job_id: UUID
    status: JobStatus
    report_type: str
    reused: bool
    links: dict[str, str]


class RetriedView(AcceptedView):
    """A job that is durable, and repeats another."""

    retry_of: UUID
    report_version_changed: bool
    """True if the report type's version now differs from the one that the old job was accepted with."""


class LinkView(View):
    """Where a file can be fetched, and until when."""

    url: str
    expires_at: Time


class ErrorView(View):
    """Why a job failed, or why its last attempt did."""

    code: str
    message: str
    retryable: bool
    hint: str


class CostView(View):
    """What the newest ended attempt used, for report types with files."""

    cpu_seconds: float
    peak_memory_mb: int
    bytes_read: int
    bytes_written: int


class ProgressView(View):
    """How far the current attempt is."""

    phase: str
    rows: int
    percent: float | None
    total_rows: int | None
    eta_s: float | None


class JobView(View):
    """A job."""

    job_id: UUID
    status: JobStatus
    done: bool
    """True when the job has ended. A state that a client does not know is final only if this says so."""
    report_type: str
    report_version: str
    requested_by: str | None
    """The name of the API key; null where none is required."""
    retry_of: UUID | None
    """The job that this one repeats."""
    schedule_id: UUID | None
    parameters: dict[str, Any]
    relative_dates: dict[str, Any] | None
    """The parameters that were given in words such as `yesterday`, with these words; null if there are none."""
    formats: list[str]
    time_zone: str | None
    """The requested time zone, by its IANA name; null for UTC."""
    locale: str | None
    columns: list[str] | None
    sort: list[str] | None
    limit: int | None
    csv: dict[str, Any] | None
    """How a CSV is written, as far as the request specified it."""
    file_name: str | None
    """The template of the request for the files' names; null for the report type's name."""
    callback_url: str | None
    """The address that is notified of the job's end besides webhooks, without its query; null for none."""
    notify_when: list[str | dict[str, Any]] | None
    """The conditions for that notification, one of which must hold; null for always."""
    encrypted: bool
    """True if the files open only with the request's password."""
    labels: dict[str, str]
    """The client's labels."""
    attempt: int
    max_attempts: int
    crashes: int
    progress: ProgressView | None
    result: ResultView | None
    error: ErrorView | None
    cost: CostView | None
    created_at: Time
    updated_at: Time
    started_at: Time | None
    cancel_requested_at: Time | None
    finished_at: Time | None
    expires_at: Time | None
    kept_until: Time | None
    priority: int | None
    keep_files_seconds: int
    keep_seconds: int
    """Seconds after its end for which its files, and the job itself, are kept."""
    run_at: Time | None
    """The moment before which it must not run; null if it may run at once."""
    next_attempt_at: Time | None
    deadline_at: Time
    links: dict[str, str]

    @property
    def wanted_at(self) -> datetime:
        """When it was to run: until then it waited for nobody. Not part of the answer."""
        return max(self.created_at, self.run_at or self.created_at)


class JobsView(View):
    """One page of jobs, newest first."""

    jobs: list[JobView]
    next_page_token: str | None


def accepted(job: Submitted, root: str) -> dict[str, Any]:
    """Return what AcceptedView would produce, made by hand because every submission gets one.

    A test compares the two.
    """
    own, kind = str(job.job_id), job.report_type
    return {
        "jobId": own,
        "status": job.status,
        "reportType": kind,
        "reused": job.reused,
        "links": links(own, root, ended=job.status.final),
    }


def retried_view(retried: Retried, root: str) -> dict[str, Any]:
    """Return what RetriedView would produce."""
    more = {"retryOf": str(retried.old.id), "reportVersionChanged": retried.version_changed}
    return {**accepted(retried.submitted, root), **more}


def job_view(job: Job, artifacts: Sequence[Artifact] = (), root: str = "") -> JobView:
    """Return the view of a job. `artifacts` are those of a successful job."""
    asked = job.options or {}
    waiting = job.status is JobStatus.PENDING and (job.error is not None or job.scheduled_for is not None)
    return JobView(
        job_id=job.id,
        status=job.status,
        done=job.status.final,
        report_type=job.report_type,
        report_version=job.report_version,
        requested_by=job.requester,
        retry_of=job.retry_of,
        schedule_id=job.schedule_id,
        parameters=dict(job.parameters),
        relative_dates=asked.get(WORDS),
        formats=list(job.formats),
        **asdict(Shape.of(asked)),
        file_name=asked.get("fileName"),
        callback_url=without_query(callback) if (callback := asked.get(CALLBACK)) else None,
        notify_when=asked.get(NOTIFY_WHEN),
        encrypted=bool(asked.get(ENCRYPTED)),
        labels=dict(job.labels or {}),
        attempt=job.attempt, max_attempts=job.max_attempts, crashes=job.crashes,
        progress=progress_view(job.progress) if job.progress else None,
        result=result_view(job, artifacts, root),
        error=ErrorView.of_stored(job.error) if job.error else None,
        cost=_cost(job),
        created_at=job.created_at, updated_at=job.updated_at, started_at=job.started_at,
        cancel_requested_at=job.cancel_requested_at,
        finished_at=job.finished_at,
        expires_at=job.expires_at, kept_until=job.kept_until,
        priority=asked.get("priority"),
        keep_files_seconds=job.keep_artifacts_s,
        keep_seconds=job.keep_s,
        run_at=job.scheduled_for,
        next_attempt_at=job.run_at if waiting else None,
        deadline_at=job.deadline_at,
        links=_links(job, artifacts, root),
    )  # fmt: skip


def _links(job: Job, artifacts: Sequence[Artifact], root: str) -> dict[str, str]:
    has_rows = any(a.format == ROWS_FORMAT for a in artifacts)
    return links(job.id, root, ended=job.status.final, has_rows=has_rows)


def _cost(job: Job) -> CostView | None:
    return CostView.of_stored(told) if (told := (job.error or job.result or {}).get("cost")) else None


def progress_view(stored: Mapping[str, Any]) -> ProgressView:
    """Return the view of an attempt's progress."""
    return ProgressView(**{name: stored.get(name) for name in ("phase", "rows", "percent", "total_rows", "eta_s")})
