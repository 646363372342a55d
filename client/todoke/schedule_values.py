"""Schedules, their ticks, and the answers about both, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class ComingTick:
    """A future tick."""

    tick: datetime | None
    local: datetime | None
    """The same moment in the schedule's zone."""
    remark: str | None
    """`moved`: the clocks skip the scheduled time; `first_of_two`: they show it twice."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(tick=read.time("tick"), local=read.time("local"), remark=read.maybe_text("remark"), raw=read.raw)


@dataclass(frozen=True, slots=True)
class SchedulePlan:
    """What a schedule requests, and when: the answer to a preview, which writes nothing."""

    name: str
    report_type: str
    parameters: Mapping[str, Any]
    """As written: dates in words are resolved at each tick."""
    formats: Sequence[str] | None
    labels: Mapping[str, str]
    options: Mapping[str, Any]
    """The other options of its jobs, under the API's names."""
    cron: str | None
    every_seconds: int | None
    time_zone: str
    until: datetime | None
    jitter_seconds: int
    misfire: str
    misfire_most: int
    overlap: str
    words: Mapping[str, str]
    """Its timing in words, by language: `en` and `ja`."""
    coming: Sequence[ComingTick]
    """The next ticks; empty while it is paused or stopped."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a schedule")
        return cls(**_plan(read), raw=read.raw)


@dataclass(frozen=True, slots=True)
class Schedule(SchedulePlan):
    """A schedule, which submits a report at each tick."""

    id: str
    state: str
    """`active`, `failing` (the server meets an error of its own at its tick, and tries again), `paused`, `stopped` (its
    job could not be submitted) or `ended` (no tick is left)."""
    failing_since: datetime | None
    """When that error was met first."""
    stop_reason: str | None
    stopped_at: datetime | None
    paused_at: datetime | None
    paused_by: str | None
    pause_note: str | None
    owner: str | None
    """On whose behalf it acts: the user who last wrote or resumed it."""
    acts_until: datetime | None
    """When it stops unless it is written or resumed before. None if the owner uses an API key."""
    last_tick: datetime | None
    last_job_id: str | None
    """The job of the last tick that had one."""
    created_at: datetime | None
    updated_at: datetime | None
    version: int
    file: str | None
    """The catalog file that defines it, the only place to change it. None if a client created it."""
    etag: str | None
    """For `if_match` in methods that change it. None for a schedule from a list."""
    replayed: bool
    """True if an earlier request with the same Idempotency-Key created it."""

    @classmethod
    def from_json(cls, raw: object, *, etag: str | None = None, replayed: bool = False) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a schedule")
        return cls(
            **_plan(read),
            id=read.text("scheduleId"),
            state=read.some_text("state"),
            failing_since=read.time("failingSince"),
            stop_reason=read.maybe_text("stopReason"),
            stopped_at=read.time("stoppedAt"),
            paused_at=read.time("pausedAt"),
            paused_by=read.maybe_text("pausedBy"),
            pause_note=read.maybe_text("pauseNote"),
            owner=read.maybe_text("owner"),
            acts_until=read.time("actsUntil"),
            last_tick=read.time("lastTick"),
            last_job_id=read.maybe_text("lastJobId"),
            created_at=read.time("createdAt"),
            updated_at=read.time("updatedAt"),
            version=read.integer("version"),
            file=read.maybe_text("file"),
            etag=etag,
            replayed=replayed,
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class SchedulesPage:
    """One page of schedules, newest first. `schedules.iter` yields the schedules of all pages."""

    schedules: Sequence[Schedule]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of schedules")
        return cls(
            schedules=tuple(Schedule.from_json(one.raw) for one in read.each("schedules")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Tick:
    """The outcome of a tick."""

    tick: datetime | None
    cause: str
    """`due`, `run` (requested by a user) or `backfill`."""
    fate: str
    """`waiting`, `submitted`, `skipped` or `failed`."""
    reason: str | None
    """Why it was skipped or failed."""
    detail: str | None
    job_id: str | None
    since: datetime | None
    """The first of several ticks that were skipped together; this is the last of them."""
    at: datetime | None
    """When this was recorded."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            tick=read.time("tick"),
            cause=read.some_text("cause"),
            fate=read.some_text("fate"),
            reason=read.maybe_text("reason"),
            detail=read.maybe_text("detail"),
            job_id=read.maybe_text("jobId"),
            since=read.time("since"),
            at=read.time("at"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class TicksPage:
    """One page of a schedule's history, latest tick first. `schedules.iter_ticks` yields the ticks of all pages."""

    ticks: Sequence[Tick]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of ticks")
        return cls(
            ticks=tuple(Tick.read(one) for one in read.each("ticks")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """A job that a schedule submitted on request, in addition to its ticks."""

    job_id: str
    replayed: bool
    """True if an earlier call with the same key submitted it."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object, *, replayed: bool = False) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a run of a schedule")
        return cls(job_id=read.text("jobId"), replayed=replayed, raw=read.raw)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Past ticks whose jobs will be submitted."""

    ticks: int
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a backfill")
        return cls(ticks=read.integer("ticks"), raw=read.raw)


def _plan(read: Fields) -> dict[str, Any]:
    """Read the fields that a schedule and its preview share."""
    return {
        "name": read.some_text("name"),
        "report_type": read.some_text("reportType"),
        "parameters": read.object("parameters"),
        "formats": None if read.raw.get("formats") is None else read.texts("formats"),
        "labels": {name: str(value) for name, value in read.object("labels").items()},
        "options": read.object("options"),
        "cron": read.maybe_text("cron"),
        "every_seconds": read.maybe_integer("everySeconds"),
        "time_zone": read.some_text("timeZone"),
        "until": read.time("until"),
        "jitter_seconds": read.integer("jitterSeconds"),
        "misfire": read.some_text("misfire"),
        "misfire_most": read.integer("misfireMost"),
        "overlap": read.some_text("overlap"),
        "words": {name: str(value) for name, value in read.object("words").items()},
        "coming": tuple(ComingTick.read(one) for one in read.each("coming")),
    }
