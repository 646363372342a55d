"""The options of a job."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

Condition = str | Mapping[str, object]
"""`rows` (the report has rows), `failure` (the job failed), or a bound: `{"figure": "rows", "above": 1000}`, or
`below`.
"""


class CsvOptions(TypedDict, total=False):
    """How a CSV is written. The report type's settings apply to whatever is left out."""

    delimiter: str
    """`,` or `;` or a tab or a vertical bar."""
    decimal_mark: str
    """`.` or `,`."""
    header: str
    """The first line: `names` of the query's columns, their `titles`, or `none`."""
    line_end: str
    """`lf` or `crlf`."""
    bom: bool
    """Start with a byte order mark, by which Excel recognises UTF-8."""
    encoding: str
    """`utf-8`, `utf-16`, `cp932`, `windows-1252` and others; the error for a wrong one lists them."""
    unencodable: str
    """What to do with a letter that the encoding lacks: `fail` or `replace`."""
    formula_guard: bool
    """False writes text unchanged, even if a spreadsheet would take it for a formula."""
    gzip: bool
    """Compress the file."""


class JobOptions(TypedDict, total=False):
    """Keyword arguments of `jobs.create` and `jobs.retry`. All are optional."""

    run_at: datetime | str
    """The job does not run before this time; a datetime needs its offset. Also in words: `tomorrow+9h`."""
    not_after: datetime | str
    """The job fails if it has not ended by this time."""
    max_attempts: int
    """Charged attempts, at most as many as the report type allows."""
    keep_files_seconds: int
    """Seconds to keep its files after the job's end."""
    keep_seconds: int
    """Seconds to keep the job itself after its end."""
    labels: Mapping[str, str]
    """Your own labels, by which `jobs.list` finds the job."""
    file_name: str
    """The files' name without extension; `{reportType}`, `{reportVersion}`, `{jobId}` and `{date}` are filled in."""
    priority: int
    """0 to 9: while many of the tenant's jobs wait, 9 goes first; the default is 4."""
    callback_url: str
    """An address to notify of the job's end. Its host must have a webhook of the tenant, whose secret signs the
    message.
    """
    notify_when: Sequence[Condition]
    """Notify `callback_url` only if one of these conditions is met; if left out, always."""
    password: str
    """Opens the files, which can then be PDF and XLSX only. Stored encrypted until the job has ended. "" in a retry:
    none.
    """
    time_zone: str
    """An IANA name: the zone of times shown to readers, of words such as `yesterday`, and of the query's session."""
    locale: str
    """The language of a document's texts, one of those that the report type has."""
    columns: Sequence[str]
    """The columns of the files, in this order."""
    sort: Sequence[str]
    """The columns to sort rows by, the most significant first; a leading `-` sorts in descending order."""
    limit: int
    """The maximum number of rows, after sorting."""
    csv: CsvOptions
    """How a CSV is written, where that differs from the report type's settings."""


class Submission(JobOptions, total=False):
    """One item of `jobs.create_many`: the arguments of `jobs.create`, under the same names."""

    report_type: str
    parameters: Mapping[str, Any]
    formats: Sequence[str]
    idempotency_key: str
    reuse_seconds: int
    """Reuse the job of the same request if it was made within so many seconds."""


class JobFilter(TypedDict, total=False):
    """Keyword arguments of `jobs.list`, `jobs.iter` and `bulk.create`, which select jobs. All are optional."""

    status: str | Sequence[str]
    """In this state, or in one of these: PENDING, PROCESSING, SUCCESS, FAILED, CANCELLED."""
    report_type: str
    """Of this report type."""
    labels: Mapping[str, str]
    """With each of these labels."""
    created_after: datetime | str
    """Accepted then or later; a text may be relative, such as `-24h`."""
    created_before: datetime | str
    """Accepted before then."""
    requester: str
    """Requested by this subject."""
    error_code: str
    """With an error of this code."""
    retry_of: str | UUID
    """Repeating this job."""
    bulk: str | UUID
    """Included in this bulk action."""
    schedule: str | UUID
    """Submitted by this schedule."""
    id: str
    """With an id that starts with these digits, at least four."""
    took_at_least: str
    """Ran at least this long, or has so far, such as `30s`."""


_FILTER = {
    "status": "status",
    "report_type": "reportType",
    "labels": "label",
    "created_after": "createdAfter",
    "created_before": "createdBefore",
    "requester": "requester",
    "error_code": "errorCode",
    "retry_of": "retryOf",
    "bulk": "bulk",
    "schedule": "schedule",
    "id": "id",
    "took_at_least": "tookAtLeast",
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
    "callback_url": "callbackUrl",
    "notify_when": "notifyWhen",
    "password": "password",
    "time_zone": "timeZone",
    "locale": "locale",
    "columns": "columns",
    "sort": "sort",
    "limit": "limit",
    "csv": "csv",
}
_CSV = {"decimal_mark": "decimalMark", "line_end": "lineEnd", "formula_guard": "formulaGuard"}


SUBMISSION = {
    "report_type": "reportType",
    "parameters": "parameters",
    "formats": "formats",
    "idempotency_key": "idempotencyKey",
    "reuse_seconds": "reuse",
    **_ON_THE_WIRE,
}
"""The fields of a Submission, with their names on the wire."""


def on_the_wire(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options under the API's names, without those that are None. Raises TypeError for an unknown name."""
    if unknown := sorted(set(options) - set(_ON_THE_WIRE)):
        raise TypeError(f"{unknown[0]!r} is not an option of a job; choose among {', '.join(_ON_THE_WIRE)}")
    given = {_ON_THE_WIRE[name]: value for name, value in options.items() if value is not None}
    if given.get("password") == "":
        given["password"] = None
    if "csv" in given:
        given["csv"] = {_CSV.get(name, name): value for name, value in given["csv"].items()}
    return given


def as_query(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a filter under the API's names, without the values that are None. Raises TypeError for an unknown name."""
    if unknown := sorted(set(given) - set(_FILTER)):
        raise TypeError(f"{unknown[0]!r} is not a filter of jobs; choose among {', '.join(_FILTER)}")
    return {_FILTER[name]: _text(name, value) for name, value in given.items() if value is not None}


def _text(name: str, value: Any) -> str | list[str]:
    if isinstance(value, Mapping):
        return [f"{key}:{text}" for key, text in value.items()]
    if name == "status" and not isinstance(value, str):
        return list(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
