"""What may be said about a job besides what it is to report."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict
from uuid import UUID

Condition = str | Mapping[str, object]
"""`rows` (there are rows), `failure` (the job failed), or a bound: `{"figure": "rows", "above": 1000}`, or `below`."""


class CsvOptions(TypedDict, total=False):
    """How a CSV is written. What is left out is as the report type has it."""

    delimiter: str
    """`,` or `;` or a tab or a vertical bar."""
    decimal_mark: str
    """`.` or `,`."""
    header: str
    """The first line: `names` of the query's columns, their `titles`, or `none`."""
    line_end: str
    """`lf` or `crlf`."""
    bom: bool
    encoding: str
    """`utf-8`, `utf-16`, `cp932`, `windows-1252` and others; a wrong one is told the right ones."""
    unencodable: str
    """For a letter that the encoding lacks: `fail` or `replace`."""
    formula_guard: bool
    """False leaves text as it is, also what a spreadsheet would take for a formula."""
    gzip: bool


class JobOptions(TypedDict, total=False):
    """Keyword arguments of `jobs.create` and `jobs.retry`. What is left out is the usual."""

    run_at: datetime | str
    """The moment before which the job does not run; a datetime needs its offset. Or in words: `tomorrow+9h`."""
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
    callback_url: str
    """An address that is told of the job's end, at a host where the tenant has a webhook, whose secret signs it."""
    notify_when: Sequence[Condition]
    """When `callback_url` is told: if one of these conditions is met; left out, always."""
    password: str
    """Opens the files, which are PDF and XLSX then. Kept sealed until the job has ended. "" in a retry: none."""
    time_zone: str
    """An IANA name: times that readers see, words such as `yesterday` and the query's session are of this zone."""
    locale: str
    """The language of a document's texts: one that the report type has."""
    columns: Sequence[str]
    """The columns that files have, in this order."""
    sort: Sequence[str]
    """The columns by which rows are sorted, the most significant first; `-` in front of a name turns its order."""
    limit: int
    """The most rows, of the sorted ones."""
    csv: CsvOptions
    """How a CSV is written, where that is not the report type's usual way."""


class Submission(JobOptions, total=False):
    """One of `jobs.create_many`: what `jobs.create` takes, by the same names."""

    report_type: str
    parameters: Mapping[str, Any]
    formats: Sequence[str]
    idempotency_key: str
    reuse_seconds: int
    """Be answered with the job of a question that was asked within so many seconds."""


class JobFilter(TypedDict, total=False):
    """Keyword arguments of `jobs.list`, `jobs.iter` and `bulk.create`: which jobs. What is left out does not matter."""

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
    bulk: str | UUID
    """Met by this bulk action."""
    schedule: str | UUID
    id: str
    """The beginning of one, of four digits or more."""
    took_at_least: str
    """Ran so long or longer, or has by now, such as `30s`."""


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
"""The fields of a Submission, and their names on the wire."""


def on_the_wire(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by the names of the API, without those that are None. Raises TypeError for an unknown name."""
    if unknown := sorted(set(options) - set(_ON_THE_WIRE)):
        raise TypeError(f"{unknown[0]!r} is not an option of a job; {', '.join(_ON_THE_WIRE)} are")
    given = {_ON_THE_WIRE[name]: value for name, value in options.items() if value is not None}
    if given.get("password") == "":
        given["password"] = None
    if "csv" in given:
        given["csv"] = {_CSV.get(name, name): value for name, value in given["csv"].items()}
    return given


def as_query(given: Mapping[str, Any]) -> dict[str, Any]:
    """A filter by the names of the API, without those that are None. Raises TypeError for an unknown name."""
    if unknown := sorted(set(given) - set(_FILTER)):
        raise TypeError(f"{unknown[0]!r} is not a filter of jobs; {', '.join(_FILTER)} are")
    return {_FILTER[name]: _text(name, value) for name, value in given.items() if value is not None}


def _text(name: str, value: Any) -> str | list[str]:
    if isinstance(value, Mapping):
        return [f"{key}:{text}" for key, text in value.items()]
    if name == "status" and not isinstance(value, str):
        return list(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
