"""The command that shows the same as a page of the console."""

import shlex
from collections.abc import Sequence

_FLAGS = {
    "createdAfter": "--since", "createdBefore": "--until", "status": "--status", "reportType": "--type",
    "label": "--label", "requester": "--by", "errorCode": "--error", "retryOf": "--retry-of", "bulk": "--bulk",
    "schedule": "--schedule", "tookAtLeast": "--took",
}  # fmt: skip
"""The API's filters, as `todoke jobs` takes them."""


def list_jobs(given: Sequence[tuple[str, str]], *, size: int) -> Sequence[str]:
    """Return the command that lists jobs with these filters; empty if the command line lacks one of them."""
    if not {name for name, _ in given} <= set(_FLAGS):
        return []
    words = [word for name, value in given for word in (_FLAGS[name], shlex.quote(_value(name, value)))]
    return [" ".join(["todoke jobs", *words, f"--limit {size}"])]


def of_job(job_id: str, files: Sequence[str]) -> Sequence[str]:
    """Return the commands that show a job and, if it has files, fetch and verify them."""
    shown = [f"todoke show {job_id}", f"todoke events {job_id}"]
    if not files:
        return shown
    return [*shown, f"todoke download {job_id} --into .", f"todoke verify {shlex.quote(files[0])}"]


def _value(name: str, value: str) -> str:
    if name == "label":
        return value.replace(":", "=", 1)
    return value.removeprefix("-") if name in ("createdAfter", "createdBefore") else value
