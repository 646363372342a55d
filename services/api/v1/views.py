"""The wire: what clients get, as models."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from services.api.actions.retries import Retried
from services.api.actions.submissions import Submitted
from shared.jobs.artifacts import MANIFEST_FORMAT, Artifact
from shared.jobs.events import JobEvent
from shared.jobs.read import Job
from shared.jobs.states import JobStatus

_Time = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]
"""A moment, with its offset written out: `+00:00`, where pydantic's own way is `Z`."""


class View(BaseModel):
    """A part of an answer: named in camel case on the wire, and nothing in it that is not described."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


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
    """True if the report type is another version now than the old job was accepted with."""


class ArtifactView(View):
    """A file that can be downloaded."""

    name: str
    format: str
    media_type: str
    size_bytes: int
    sha256: str
    rows: int
    url: str


class LinkView(View):
    """Where a file can be fetched, and until when."""

    url: str
    expires_at: _Time


class ManifestView(View):
    """Says what the files were made from, and proves them: `todoke verify`."""

    url: str
    sha256: str


class WarningView(View):
    """What the reader of a file should know: the job succeeded, but somebody should look."""

    code: str
    file: str
    message: str
    hint: str
    characters: list[str]
    """The letters that it is about, as `U+0627 ARABIC LETTER ALEF`; up to fifty."""


class ResultView(View):
    """What a successful job made."""

    artifacts: list[ArtifactView]
    required_scopes: list[str]
    """The scopes that the files ask for. Who lacks one of them gets none of the files."""
    warnings: list[WarningView]
    manifest: ManifestView | None
    answer: dict[str, Any] | None
    """Of a report type without files."""
    seconds: float


class ErrorView(View):
    """Why a job failed, or why its last attempt did."""

    code: str
    message: str
    retryable: bool
    hint: str


class CostView(View):
    """What the newest attempt that ended has used: for report types with files."""

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
    """True when the job has ended: a state that a client does not know is not final unless this says so."""
    report_type: str
    report_version: str
    requested_by: str | None
    """The name of the API key; null where none is asked for."""
    retry_of: UUID | None
    """The job that this one repeats."""
    parameters: dict[str, Any]
    formats: list[str]
    file_name: str | None
    """The template that the request named the files with; null for the report type's name."""
    labels: dict[str, str]
    """What the client marked it with."""
    attempt: int
    max_attempts: int
    crashes: int
    progress: ProgressView | None
    result: ResultView | None
    error: ErrorView | None
    cost: CostView | None
    created_at: _Time
    updated_at: _Time
    started_at: _Time | None
    cancel_requested_at: _Time | None
    finished_at: _Time | None
    expires_at: _Time | None
    kept_until: _Time | None
    priority: int | None
    keep_files_seconds: int
    keep_seconds: int
    """Seconds after its end for which its files, and the job itself, are kept."""
    run_at: _Time | None
    """The moment before which it does not run; null if it was to run at once."""
    next_attempt_at: _Time | None
    deadline_at: _Time
    links: dict[str, str]


class JobsView(View):
    """One page of jobs, newest first."""

    jobs: list[JobView]
    next_page_token: str | None


class EventView(View):
    """One change of a job's state."""

    version: int
    from_status: JobStatus | None
    to_status: JobStatus
    verb: str
    attempt: int
    reason: str | None
    at: _Time


def job_url(job_id: UUID | str, root: str) -> str:
    """Where a job is, for a client; `root` is the path under which a proxy shows the API."""
    return f"{root}/v1/jobs/{job_id}"


def file_url(job_id: UUID, name: str, root: str) -> str:
    """Where a file of the job is, for a client."""
    return f"{job_url(job_id, root)}/artifacts/{quote(name, safe='')}"


def links(job_id: UUID | str, root: str) -> dict[str, str]:
    """Where to go from a job."""
    own = job_url(job_id, root)
    return {"self": own, "events": f"{own}/events", "cancel": f"{own}:cancel", "retry": f"{own}:retry"}


def accepted(job: Submitted, root: str) -> dict[str, Any]:
    """What AcceptedView would give, made by hand: every submission gets one. A test compares the two."""
    own, kind = str(job.job_id), job.report_type
    return {"jobId": own, "status": job.status, "reportType": kind, "reused": job.reused, "links": links(own, root)}


def retried_view(retried: Retried, root: str) -> dict[str, Any]:
    """What RetriedView would give."""
    more = {"retryOf": str(retried.old.id), "reportVersionChanged": retried.version_changed}
    return {**accepted(retried.submitted, root), **more}


def job_view(job: Job, artifacts: Sequence[Artifact] = (), root: str = "") -> JobView:
    """The view of a job. `artifacts` are those of a job that succeeded."""
    waiting = job.status is JobStatus.PENDING and (job.error is not None or job.scheduled_for is not None)
    return JobView(
        job_id=job.id,
        status=job.status,
        done=job.status.final,
        report_type=job.report_type,
        report_version=job.report_version,
        requested_by=job.requester,
        retry_of=job.retry_of,
        parameters=dict(job.parameters),
        formats=list(job.formats),
        file_name=(job.options or {}).get("fileName"),
        labels=dict(job.labels or {}),
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        crashes=job.crashes,
        progress=_progress(job.progress) if job.progress else None,
        result=_result(job, artifacts, root),
        error=ErrorView(**{name: v for name, v in job.error.items() if name != "cost"}) if job.error else None,
        cost=_cost(job),
        created_at=job.created_at,
        updated_at=job.updated_at,
        started_at=job.started_at,
        cancel_requested_at=job.cancel_requested_at,
        finished_at=job.finished_at,
        expires_at=job.expires_at,
        kept_until=job.kept_until,
        priority=(job.options or {}).get("priority"),
        keep_files_seconds=job.keep_artifacts_s,
        keep_seconds=job.keep_s,
        run_at=job.scheduled_for,
        next_attempt_at=job.run_at if waiting else None,
        deadline_at=job.deadline_at,
        links=links(job.id, root),
    )


def _result(job: Job, artifacts: Sequence[Artifact], root: str) -> ResultView | None:
    if job.status is not JobStatus.SUCCESS or job.result is None:
        return None
    files = [
        ArtifactView(
            name=a.name,
            format=a.format,
            media_type=a.media_type,
            size_bytes=a.size_bytes,
            sha256=a.sha256,
            rows=a.rows,
            url=file_url(job.id, a.name, root),
        )
        for a in artifacts
        if a.format != MANIFEST_FORMAT
    ]
    manifest = next((a for a in artifacts if a.format == MANIFEST_FORMAT), None)
    return ResultView(
        artifacts=files,
        required_scopes=list(job.scopes or ()),
        warnings=[WarningView(**warning) for warning in job.result.get("warnings", ())],
        manifest=ManifestView(url=file_url(job.id, manifest.name, root), sha256=manifest.sha256) if manifest else None,
        answer=job.result.get("answer"),
        seconds=job.result.get("seconds", 0),
    )


def _cost(job: Job) -> CostView | None:
    return CostView(**told) if (told := (job.error or job.result or {}).get("cost")) else None


def _progress(stored: Mapping[str, Any]) -> ProgressView:
    return ProgressView(**{name: stored.get(name) for name in ("phase", "rows", "percent", "total_rows", "eta_s")})


def event_view(event: JobEvent) -> EventView:
    """The view of one change."""
    return EventView(
        version=event.version,
        from_status=event.from_status,
        to_status=event.to_status,
        verb=event.verb,
        attempt=event.attempt,
        reason=event.reason,
        at=event.at,
    )
