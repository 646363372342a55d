"""What may be said about a schedule."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from todoke.options import SUBMISSION, Condition, CsvOptions, on_the_wire


class ScheduleOptions(TypedDict, total=False):
    """Keyword arguments of `schedules.create`, `preview` and `update`. None is what a field is when it is left out."""

    cron: str | None
    """Five fields: minute, hour, day of the month, month, day of the week."""
    every_seconds: int | None
    """Instead of `cron`: elapsed time from the schedule's making."""
    time_zone: str | None
    """IANA name of the zone whose clocks `cron` means, and dates in words; else UTC."""
    until: datetime | str | None
    """No tick is later."""
    jitter_seconds: int | None
    """Each job is submitted up to so much later, so that not all run at once."""
    misfire: str | None
    """Ticks that were missed: `run_once`, `run_all` or `skip`."""
    misfire_most: int | None
    """With `run_all`: how many of the latest."""
    overlap: str | None
    """A tick while the job before is not at its end: `skip`, `queue` or `cancel` the earlier one."""
    labels: Mapping[str, str] | None
    max_attempts: int | None
    keep_files_seconds: int | None
    keep_seconds: int | None
    file_name: str | None
    priority: int | None
    callback_url: str | None
    notify_when: Sequence[Condition] | None
    locale: str | None
    columns: Sequence[str] | None
    sort: Sequence[str] | None
    limit: int | None
    csv: CsvOptions | None
    """As in JobOptions, for each of its jobs."""


class ScheduleChanges(ScheduleOptions, total=False):
    """Keyword arguments of `schedules.update`: those of ScheduleOptions, and these. What is left out stays."""

    name: str
    report_type: str
    parameters: Mapping[str, Any] | None
    """All of them: they take the place of those that it had."""
    formats: Sequence[str] | None


_NOT_OF_SCHEDULES = {"idempotency_key", "reuse_seconds", "run_at", "not_after"}
_ON_THE_WIRE = {
    "name": "name",
    **{name: wire for name, wire in SUBMISSION.items() if name not in _NOT_OF_SCHEDULES},
    "cron": "cron",
    "every_seconds": "everySeconds",
    "until": "until",
    "jitter_seconds": "jitterSeconds",
    "misfire": "misfire",
    "misfire_most": "misfireMost",
    "overlap": "overlap",
}


def schedule_fields(given: Mapping[str, Any]) -> dict[str, object]:
    """What is given, by the names of the API; None becomes null. Raises TypeError for an unknown name."""
    if unknown := sorted(set(given) - set(_ON_THE_WIRE)):
        raise TypeError(f"{unknown[0]!r} is not a field of a schedule; {', '.join(_ON_THE_WIRE)} are")
    fields = {_ON_THE_WIRE[name]: value for name, value in given.items()}
    if given.get("csv") is not None:
        fields |= on_the_wire({"csv": given["csv"]})
    return fields
