"""The options of a schedule."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

from todoke.options import SUBMISSION, Condition, CsvOptions, on_the_wire


class ScheduleOptions(TypedDict, total=False):
    """Keyword arguments of `schedules.create`, `preview` and `update`. None stands for the default.

    Fields that JobOptions has as well mean the same, for each of the schedule's jobs.
    """

    cron: str | None
    """Five fields: minute, hour, day of the month, month, day of the week."""
    every_seconds: int | None
    """Instead of `cron`: the time between ticks, counted from the schedule's creation."""
    time_zone: str | None
    """The IANA zone of `cron` and of dates in words; UTC by default."""
    until: datetime | str | None
    """The schedule has no ticks after this time."""
    jitter_seconds: int | None
    """Each job is submitted up to so much later, to spread the load."""
    misfire: str | None
    """What to do with missed ticks: `run_once`, `run_all` or `skip`."""
    misfire_most: int | None
    """With `run_all`: how many of the latest ticks."""
    overlap: str | None
    """What to do at a tick while the previous job is unfinished: `skip`, `queue` or `cancel` the earlier one."""
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


class ScheduleChanges(ScheduleOptions, total=False):
    """Keyword arguments of `schedules.update`. Fields that are left out keep their values."""

    name: str
    """The schedule's name."""
    report_type: str
    """The report type of its jobs."""
    parameters: Mapping[str, Any] | None
    """Replaces all of its parameters."""
    formats: Sequence[str] | None
    """The formats of its files."""


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
    """Return the given values under the API's names; None becomes null. Raises TypeError for an unknown name."""
    if unknown := sorted(set(given) - set(_ON_THE_WIRE)):
        raise TypeError(f"{unknown[0]!r} is not a field of a schedule; choose among {', '.join(_ON_THE_WIRE)}")
    fields = {_ON_THE_WIRE[name]: value for name, value in given.items()}
    if given.get("csv") is not None:
        fields |= on_the_wire({"csv": given["csv"]})
    return fields
