"""Jobs as JSON. The models describe the wire for OpenAPI; a test holds the functions to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.catalog.model import BUNDLE, ReportType
from shared.catalog.schema import json_schema
from shared.jobs.artifacts import MANIFEST_FORMAT, Artifact
from shared.jobs.events import JobEvent
from shared.jobs.read import Job
from shared.jobs.states import JobStatus


class _View(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class AcceptedView(_View):
    """A job that is durable."""

    job_id: UUID
    status: JobStatus
    report_type: str
    links: dict[str, str]


class ArtifactView(_View):
    """A file that can be downloaded."""

    name: str
    format: str
    media_type: str
    size_bytes: int
    sha256: str
    rows: int
    url: str


class ManifestView(_View):
    """Says what the files were made from, and proves them: `todoke-server verify`."""

    url: str
    sha256: str


class ResultView(_View):
    """What a successful job made."""

    artifacts: list[ArtifactView]
    manifest: ManifestView | None
    answer: dict[str, Any] | None
    """Of a report type without files."""
    seconds: float


class ErrorView(_View):
    """Why a job failed, or why its last attempt did."""

    code: str
    message: str
    retryable: bool
    hint: str


class ProgressView(_View):
    """How far the current attempt is."""

    phase: str
    rows: int
    percent: float | None
    total_rows: int | None
    eta_s: float | None


class JobView(_View):
    """A job."""

    job_id: UUID
    status: JobStatus
    report_type: str
    report_version: str
    parameters: dict[str, Any]
    formats: list[str]
    attempt: int
    max_attempts: int
    crashes: int
    progress: ProgressView | None
    result: ResultView | None
    error: ErrorView | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    cancel_requested_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None
    kept_until: datetime | None
    next_attempt_at: datetime | None
    deadline_at: datetime
    links: dict[str, str]


class JobsView(_View):
    """One page of jobs, newest first."""

    jobs: list[JobView]
    next_page_token: str | None


class EventView(_View):
    """One change of a job's state."""

    version: int
    from_status: JobStatus | None
    to_status: JobStatus
    verb: str
    attempt: int
    worker: str | None
    reason: str | None
    at: datetime


def job_url(job_id: UUID, root: str) -> str:
    """Where a job is, for a client; `root` is the path under which a proxy shows the API."""
    return f"{root}/v1/jobs/{job_id}"


def links(job_id: UUID, root: str) -> dict[str, str]:
    """Where to go from a job."""
    own = job_url(job_id, root)
    return {"self": own, "events": f"{own}/events", "cancel": f"{own}:cancel"}


def accepted(job_id: UUID, report: ReportType, root: str) -> dict[str, Any]:
    """AcceptedView."""
    return {"jobId": str(job_id), "status": "PENDING", "reportType": report.name, "links": links(job_id, root)}


def job_view(job: Job, artifacts: Sequence[Artifact] = (), root: str = "") -> dict[str, Any]:
    """JobView. `artifacts` are those of a job that succeeded."""
    waiting = job.status is JobStatus.PENDING and job.error is not None
    return {
        "jobId": str(job.id),
        "status": job.status,
        "reportType": job.report_type,
        "reportVersion": job.report_version,
        "parameters": job.parameters,
        "formats": job.formats,
        "attempt": job.attempt,
        "maxAttempts": job.max_attempts,
        "crashes": job.crashes,
        "progress": job.progress and _progress(job.progress),
        "result": _result(job, artifacts, root),
        "error": job.error,
        "createdAt": _time(job.created_at),
        "updatedAt": _time(job.updated_at),
        "startedAt": _time(job.started_at),
        "cancelRequestedAt": _time(job.cancel_requested_at),
        "finishedAt": _time(job.finished_at),
        "expiresAt": _time(job.expires_at),
        "keptUntil": _time(job.kept_until),
        "nextAttemptAt": _time(job.run_at) if waiting else None,
        "deadlineAt": _time(job.deadline_at),
        "links": links(job.id, root),
    }


def _result(job: Job, artifacts: Sequence[Artifact], root: str) -> dict[str, Any] | None:
    if job.status is not JobStatus.SUCCESS or job.result is None:
        return None
    own = job_url(job.id, root)
    files = [
        {
            "name": a.name,
            "format": a.format,
            "mediaType": a.media_type,
            "sizeBytes": a.size_bytes,
            "sha256": a.sha256,
            "rows": a.rows,
            "url": f"{own}/artifacts/{a.name}",
        }
        for a in artifacts
        if a.format != MANIFEST_FORMAT
    ]
    manifest = next((a for a in artifacts if a.format == MANIFEST_FORMAT), None)
    return {
        "artifacts": files,
        "manifest": manifest and {"url": f"{own}/artifacts/{manifest.name}", "sha256": manifest.sha256},
        "answer": job.result.get("answer"),
        "seconds": job.result.get("seconds", 0),
    }


def _progress(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "phase": stored["phase"],
        "rows": stored["rows"],
        "percent": stored.get("percent"),
        "totalRows": stored.get("total_rows"),
        "etaS": stored.get("eta_s"),
    }


def event_view(event: JobEvent) -> dict[str, Any]:
    """EventView."""
    return {
        "version": event.version,
        "fromStatus": event.from_status,
        "toStatus": event.to_status,
        "verb": event.verb,
        "attempt": event.attempt,
        "worker": event.worker,
        "reason": event.reason,
        "at": _time(event.at),
    }


def report_type_view(report: ReportType) -> Mapping[str, Any]:
    """What a client needs to ask for this report."""
    return {
        "name": report.name,
        "title": report.title,
        "description": report.description,
        "version": report.version,
        "formats": [*report.formats, BUNDLE],
        "parameters": json_schema(report),
        "columns": [{"name": c.name, "title": c.title, "unit": c.unit} for c in report.columns.values()],
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
