"""The schedule, and how it meets what was missed and what still runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from shared.schedules.timing import Timing


class Misfire(StrEnum):
    """What becomes of ticks that no relay was there for."""

    RUN_ONCE = "run_once"
    """The latest of them runs; the others are skipped."""
    RUN_ALL = "run_all"
    """The latest `misfire_most` of them run, oldest first; those before are skipped."""
    SKIP = "skip"
    """None of them runs."""


class Overlap(StrEnum):
    """What becomes of a tick while the job of the one before is not at its end."""

    SKIP = "skip"
    """It is skipped."""
    QUEUE = "queue"
    """Its job is submitted all the same."""
    CANCEL = "cancel"
    """The earlier job is cancelled, and this one submitted."""


class Cause(StrEnum):
    """Why there is a tick in the history."""

    DUE = "due"
    """It was time."""
    RUN = "run"
    """Somebody asked for it now."""
    BACKFILL = "backfill"
    """Somebody asked for the ticks of a range that had no job."""


class Fate(StrEnum):
    """What became of a tick."""

    WAITING = "waiting"
    """A relay will submit its job."""
    SUBMITTED = "submitted"
    """Its job is committed."""
    SKIPPED = "skipped"
    """A policy of the schedule let it go by; the reason says which."""
    FAILED = "failed"
    """Its job could not be submitted; the reason says why."""


class Reason(StrEnum):
    """Why a tick was skipped or failed, and why a schedule stopped."""

    MISSED = "missed"
    """No relay was there in time, and the schedule skips what was missed."""
    OVERLAP = "overlap"
    """The job of the tick before was not at its end."""
    PAUSED = "paused"
    """The schedule was paused."""
    STOPPED = "stopped"
    """The schedule had stopped."""
    TIMING_CHANGED = "timing_changed"
    """Somebody changed the timing before a relay came to the tick, and the new one does not name it."""
    OWNER_GONE = "owner_gone"
    """The API key that the schedule acts with was revoked, or its time is over. It stops the schedule."""
    OWNER_LACKS_SCOPE = "owner_lacks_scope"
    """The owner may not ask for this report any more. It stops the schedule."""
    GRANT_OVER = "grant_over"
    """The bearer of a token wrote it so long ago that it may not act with the token's scopes any more. It stops the
    schedule."""
    REPORT_TYPE_GONE = "report_type_gone"
    """The catalog has no such report type, or does not make its formats. It stops the schedule."""
    PARAMETERS_WRONG = "parameters_wrong"
    """The report type does not take the parameters any more. It stops the schedule."""
    FILE_GONE = "file_gone"
    """It is written in a file of the catalog that no API has any more. It stops the schedule until one has it again."""
    NO_TICKS_LEFT = "no_ticks_left"
    """Its `until` has passed, or no day of its expression comes any more. It ends the schedule."""


class Owner(NamedTuple):
    """On whose behalf a schedule submits."""

    subject: str | None
    """The requester of its jobs; None where no identity is asked for."""
    key_id: str | None
    """Of the API key whose scopes it acts with, as they are at each tick."""
    scopes: Sequence[str] | None
    """Those of a token's bearer when the schedule was written, who cannot be asked later. None: with a key, those of
    the key; without, everything."""
    until: datetime | None = None
    """When it acts with these scopes no more; None but for a token's bearer."""


class Terms(NamedTuple):
    """What holds for each of its jobs, as it was worked out when the schedule was written."""

    max_attempts: int | None
    """None: the report type's."""
    max_crashes: int
    deadline_s: float
    keep_artifacts_s: int
    keep_s: int
    priority: int | None = None
    file_name: str | None = None
    """A template (shared/jobs/file_name.py)."""


class Wanted(NamedTuple):
    """What a schedule asks for, and when: everything that its owner writes."""

    name: str
    report_type: str
    parameters: Mapping[str, object]
    """As they were written: a relative date is evaluated at each tick."""
    formats: Sequence[str]
    """Empty: the report type's first."""
    labels: Mapping[str, str] | None
    options: Mapping[str, object] | None
    """What a request may ask for beside, by the names of the wire."""
    terms: Terms
    timing: Timing
    misfire: Misfire = Misfire.RUN_ONCE
    misfire_most: int = 1
    overlap: Overlap = Overlap.SKIP


class Schedule(NamedTuple):
    """A schedule as the database has it."""

    id: UUID
    tenant: str
    wanted: Wanted
    owner: Owner
    version: int
    created_at: datetime
    updated_at: datetime
    paused_at: datetime | None
    paused_by: str | None
    pause_note: str | None
    stopped_at: datetime | None
    stop_reason: Reason | None
    next_tick: datetime | None
    """None while it is paused, and once it has stopped."""
    due_at: datetime | None
    """When the next tick's job is submitted: after its jitter."""
    last_tick: datetime | None
    last_job_id: UUID | None
    """Of the last tick that had a job, whatever made it."""
    due_job_id: UUID | None
    """Of the last tick that was due and had a job: what the next one may overlap with."""
    file: str | None = None
    """The file of the catalog that it is written in (shared/schedules/files.py); None if a client made it."""


class Tick(NamedTuple):
    """One moment of a schedule's history."""

    tick: datetime
    cause: Cause
    fate: Fate
    reason: Reason | None
    detail: str | None
    """For people: what was wrong with the parameters, for example."""
    job_id: UUID | None
    since: datetime | None
    """The first of the ticks that were let go by together, of which this was the last."""
    at: datetime
    """When that was written."""
