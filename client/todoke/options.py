"""What may be said about a job besides what it is to report."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict


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
    file_name: str
    """The files' name without extension; `{reportType}`, `{reportVersion}`, `{jobId}` and `{date}` are filled in."""


_ON_THE_WIRE = {
    "run_at": "runAt",
    "not_after": "notAfter",
    "max_attempts": "maxAttempts",
    "keep_files_seconds": "keepFilesSeconds",
    "keep_seconds": "keepSeconds",
    "file_name": "fileName",
}


def on_the_wire(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options by the names of the API, without those that are None. Raises TypeError for one that is none."""
    if unknown := sorted(set(options) - set(_ON_THE_WIRE)):
        raise TypeError(f"{unknown[0]!r} is not an option of a job; {', '.join(_ON_THE_WIRE)} are")
    return {_ON_THE_WIRE[name]: value for name, value in options.items() if value is not None}
