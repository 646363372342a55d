"""Views of schedules."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import Field

from services.api.actions.cron_words import LANGUAGES, in_words
from services.api.actions.options import CALLBACK
from services.api.actions.schedule_request import as_fields
from services.api.v1.base_view import Time, View
from shared.catalog.moment import zone_of
from shared.schedules.schedule import Cause, Fate, Misfire, Overlap, Reason, Schedule, Tick, Wanted
from shared.schedules.timing import Timing
from shared.webhooks.url import without_query

NEXT = 5
"""How many future ticks every answer lists."""


class ComingView(View):
    """A future tick."""

    tick: Time
    local: str = Field(examples=["2026-03-29T03:00:00+02:00"], json_schema_extra={"format": "date-time"})
    """The same moment by the clocks of the schedule's zone."""
    remark: Literal["moved", "first_of_two"] | None
    """`moved`: the clocks skip the time that the expression names; `first_of_two`: they show this time twice."""


class ScheduleFields(View):
    """What a schedule asks for, and when."""

    name: str
    report_type: str
    parameters: dict[str, Any]
    formats: list[str] | None
    labels: dict[str, str] | None
    options: dict[str, Any]
    """What its jobs ask for besides, by the field names of a submission."""
    cron: str | None
    every_seconds: int | None
    time_zone: str
    until: Time | None
    jitter_seconds: int
    misfire: Misfire
    misfire_most: int
    overlap: Overlap
    words: dict[str, str] = Field(examples=[{"en": "at 07:00 on Mondays", "ja": "毎週月曜日の07:00"}])
    """When it is due, in words, by language."""
    coming: list[ComingView]
    """The next ticks; none while it is paused or stopped."""


class ScheduleView(ScheduleFields):
    """A schedule."""

    schedule_id: UUID
    state: Literal["active", "failing", "paused", "stopped", "ended"]
    """`failing`: the service meets an unexpected error at its tick, and retries; `stopped`: its job could not be
    submitted; `ended`: no tick is left."""
    failing_since: Time | None
    """When that error first occurred; null unless the state is `failing`."""
    stop_reason: Reason | None
    stopped_at: Time | None
    paused_at: Time | None
    paused_by: str | None
    pause_note: str | None
    owner: str | None
    """On whose behalf it acts: the caller who last changed or resumed it. Null where no identity is required."""
    acts_until: Time | None
    """When it stops unless somebody changes or resumes it before: it acts with the scopes of its owner's token. Null if
    the owner has an API key: then it acts with the scopes that the key has at each tick."""
    last_tick: Time | None
    last_job_id: UUID | None
    created_at: Time
    updated_at: Time
    version: int
    file: str | None
    """The file of the catalog that defines it; it can only be changed there. Null if a client created it."""
    links: dict[str, str]


class SchedulesView(View):
    """One page of schedules, newest first."""

    schedules: list[ScheduleView]
    next_page_token: str | None


class TickView(View):
    """What happened to a tick."""

    tick: Time
    cause: Cause
    fate: Fate
    reason: Reason | None
    detail: str | None
    job_id: UUID | None
    since: Time | None
    """The first of several ticks that were skipped together, of which this was the last. It may have its job by now."""
    at: Time


class TicksView(View):
    """One page of a schedule's history, the latest tick first."""

    ticks: list[TickView]
    next_page_token: str | None


class RunView(View):
    """A job that was requested from a schedule outside its ticks."""

    job_id: UUID
    links: dict[str, str]


class BackfillView(View):
    """Ticks whose jobs a relay will submit."""

    ticks: int
    links: dict[str, str]


def schedule_view(schedule: Schedule, root: str) -> ScheduleView:
    """The view of a schedule."""
    coming: list[datetime] = []
    if schedule.next_tick is not None:
        coming = [schedule.next_tick, *islice(schedule.wanted.timing.ticks(schedule.next_tick), NEXT - 1)]
    told = {name: getattr(schedule, name) for name in _TOLD}
    own = f"{root}/v1/schedules/{schedule.id}"
    return ScheduleView(
        **_fields(schedule.wanted, coming), **told, schedule_id=schedule.id, state=_state(schedule),
        owner=schedule.owner.subject, acts_until=schedule.owner.until,
        links={
            "self": own, "ticks": f"{own}/ticks", "run": f"{own}:run", "backfill": f"{own}:backfill",
            "pause": f"{own}:pause", "resume": f"{own}:resume",
        },
    )  # fmt: skip


def _state(schedule: Schedule) -> str:
    if schedule.next_tick is not None:
        return "active" if schedule.failing_since is None else "failing"
    if schedule.paused_at is not None and schedule.stop_reason is not Reason.FILE_GONE:
        return "paused"
    return "ended" if schedule.stop_reason is Reason.NO_TICKS_LEFT else "stopped"


_TOLD = (
    "failing_since", "stop_reason", "stopped_at", "paused_at", "paused_by", "pause_note", "last_tick", "last_job_id",
    "created_at", "updated_at", "version", "file",
)  # fmt: skip


def preview_view(wanted: Wanted, coming: Sequence[datetime]) -> ScheduleFields:
    """Return the view of a schedule that does not exist."""
    return ScheduleFields(**_fields(wanted, coming))


def tick_view(tick: Tick) -> TickView:
    """The view of a tick."""
    return TickView(**tick._asdict())


def _fields(wanted: Wanted, coming: Sequence[datetime]) -> dict[str, Any]:
    fields, zone = as_fields(wanted), zone_of(wanted.timing.zone)
    return {
        **{name: fields.get(name) for name in ("name", "reportType", "parameters", "formats", "labels")},
        **{name: fields[name] for name in ("cron", "everySeconds", "timeZone", "jitterSeconds", "misfireMost")},
        "options": _shown(wanted.options or {}),
        "until": wanted.timing.until,
        "misfire": wanted.misfire,
        "overlap": wanted.overlap,
        "words": {language: in_words(wanted.timing, language) for language in LANGUAGES},
        "coming": [_coming(wanted.timing, zone, tick) for tick in coming if zone is not None],
    }


def _shown(options: Mapping[str, object]) -> dict[str, object]:
    callback = options.get(CALLBACK)
    return {**options, **({CALLBACK: without_query(str(callback))} if callback else {})}


def _coming(timing: Timing, zone: ZoneInfo, tick: datetime) -> ComingView:
    local = tick.astimezone(zone)
    return ComingView(tick=tick.astimezone(UTC), local=local.isoformat(), remark=timing.remark(tick))
