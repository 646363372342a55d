"""What may be said about a job besides what it is to report."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID


class JobOptions(TypedDict, total=False):
    """Keyword arguments of `jobs.create` and `jobs.retry`. What is left out is the usual."""

    run_at: datetime | str
    """The moment before which the job does not run; a datetime needs its offset."""
    not_after: datetime | str
    """The moment at which the job fails if it has not ended."""
    max_attempts: int
    """Tries that are charged, at most as many as the report type allows."""
    keep_files_seconds: int
    """Seconds after the job's end for which its files are kept."""
    keep_seconds: int
    """Seconds after the job's end for which the job itself is kept."""
    labels: Mapping[str, str]
    """Marks of your own, by which `jobs.list` finds the job."""
    file_name: str
    """The files' name without extension; `{reportType}`, `{reportVersion}`, `{jobId}` and `{date}` are filled in."""
    priority: int
    """0 to 9: while many jobs of the tenant wait, 9 is first; 4 is the usual one."""


class Submission(JobOptions, total=False):
    """One of `jobs.create_many`: what `jobs.create` takes, by the same names."""

    report_type: str
    parameters: Mapping[str, Any]
    formats: Sequence[str]
    idempotency_key: str
    reuse_seconds: int
    """Be answered with the job of a question that was asked within so many seconds."""


class JobFilter(TypedDict, total=False):
    """Keyword arguments of `jobs.list` and `jobs.iter`: which jobs. What is left out does not matter."""

    status: str | Sequence[str]
    report_type: str
    labels: Mapping[str, str]
    """Jobs with each of these labels."""
    created_after: datetime | str
    """Then or later; a text may be a time ago, such as `-24h`."""
    created_before: datetime | str
    requester: str
    error_code: str
    retry_of: str | UUID


_FILTER = {
    "status": "status",
    "report_type": "reportType",
    "labels": "label",
    "created_after": "createdAfter",
    "created_before": "createdBefore",
    "requester": "requester",
    "error_code": "errorCode",
    "retry_of": "retryOf",
}
_ON_THE_WIRE = {
    "run_at": "runAt",
    "not_after": "notAfter",
    "max_attempts": "maxAttempts",
    "keep_files_seconds": "keepFilesSeconds",
    "keep_seconds": "keepSeconds",
    "labels": "labels",
    "file_name": "fileName",
    "priority": "priority",
}


SUBMISSION = {
    "report_type": "reportType",
    "parameters": "parameters",
    "formats": "formats",
    "idempotency_key": "idempotencyKey",
    "reuse_seconds": "reuse",
    **_ON_THE_WIRE,
}
"""The fields of a Submission, and their names on the wire."""


def on_the_wire(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by the names of the API, without those that are None. Raises TypeError for one that is none."""
    if unknown := sorted(set(options) - set(_ON_THE_WIRE)):
        raise TypeError(f"{unknown[0]!r} is not an option of a job; {', '.join(_ON_THE_WIRE)} are")
    return {_ON_THE_WIRE[name]: value for name, value in options.items() if value is not None}


def as_query(given: Mapping[str, Any]) -> dict[str, Any]:
    """A filter by the names of the API, without what is None. Raises TypeError for what is no filter."""
    if unknown := sorted(set(given) - set(_FILTER)):
        raise TypeError(f"{unknown[0]!r} is not a filter of jobs; {', '.join(_FILTER)} are")
    return {_FILTER[name]: _text(name, value) for name, value in given.items() if value is not None}


def _text(name: str, value: Any) -> str | list[str]:
    if isinstance(value, Mapping):
        return [f"{key}:{text}" for key, text in value.items()]
    if name == "status" and not isinstance(value, str):
        return list(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
