"""The schedule, and its policies for missed ticks and for jobs that are still running."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from shared.schedules.timing import Timing


class Misfire(StrEnum):
    """What happens to ticks that were missed because no relay was running."""

    RUN_ONCE = "run_once"
    """The latest of them runs; the others are skipped."""
    RUN_ALL = "run_all"
    """The latest `misfire_most` of them run, oldest first; those before are skipped."""
    SKIP = "skip"
    """None of them runs."""


class Overlap(StrEnum):
    """What happens to a tick while the job of the previous one has not ended."""

    SKIP = "skip"
    """The tick is skipped."""
    QUEUE = "queue"
    """Its job is submitted all the same."""
    CANCEL = "cancel"
    """The earlier job is cancelled, and this one submitted."""


class Cause(StrEnum):
    """Why there is a tick in the history."""

    DUE = "due"
    """The schedule was due."""
    RUN = "run"
    """Somebody ran the schedule by hand."""
    BACKFILL = "backfill"
    """Somebody requested the ticks of a range that had no job."""


class Fate(StrEnum):
    """What happened to a tick."""

    WAITING = "waiting"
    """A relay will submit its job."""
    SUBMITTED = "submitted"
    """Its job is committed."""
    SKIPPED = "skipped"
    """A policy of the schedule skipped it; the reason says which."""
    FAILED = "failed"
    """Its job could not be submitted; the reason says why."""


class Reason(StrEnum):
    """Why a tick was skipped or failed, and why a schedule stopped."""

    MISSED = "missed"
    """No relay was running in time, and the schedule skips missed ticks."""
    OVERLAP = "overlap"
    """The job of the previous tick had not ended."""
    PAUSED = "paused"
    """The schedule was paused."""
    STOPPED = "stopped"
    """The schedule had stopped."""
    TIMING_CHANGED = "timing_changed"
    """The timing was changed before a relay came to the tick, and the new timing does not include it."""
    OWNER_GONE = "owner_gone"
    """The API key that the schedule acts with was revoked or has expired. It stops the schedule."""
    OWNER_LACKS_SCOPE = "owner_lacks_scope"
    """The owner may not request this report any more. It stops the schedule."""
    GRANT_OVER = "grant_over"
    """The bearer of a token wrote the schedule so long ago that it may not act with the token's scopes any more. It
    stops the schedule."""
    REPORT_TYPE_GONE = "report_type_gone"
    """The catalog has no such report type, or it lacks the requested formats. It stops the schedule."""
    PARAMETERS_WRONG = "parameters_wrong"
    """The report type does not accept the parameters any more. It stops the schedule."""
    FILE_GONE = "file_gone"
    """Its file is in no API's catalog any more. It stops the schedule until an API has the file again."""
    NO_TICKS_LEFT = "no_ticks_left"
    """Its `until` has passed, or its expression never matches again. It ends the schedule."""


class Owner(NamedTuple):
    """On whose behalf a schedule submits."""

    subject: str | None
    """The requester of its jobs; None where no identity is required."""
    key_id: str | None
    """The id of the API key with whose scopes it acts, as they are at each tick."""
    scopes: Sequence[str] | None
    """The scopes of a token's bearer when the schedule was written, because they cannot be checked later. None means
    those of the key, or everything without a key."""
    until: datetime | None = None
    """When these scopes expire; None except for a token's bearer."""


class Terms(NamedTuple):
    """The terms of each of its jobs, as determined when the schedule was written."""

    max_attempts: int | None
    """None uses the report type's."""
    max_crashes: int
    deadline_s: float
    keep_artifacts_s: int
    keep_s: int
    priority: int | None = None
    file_name: str | None = None
    """A template (shared/jobs/file_name.py)."""


class Wanted(NamedTuple):
    """What a schedule requests, and when: everything that its owner writes."""

    name: str
    report_type: str
    parameters: Mapping[str, object]
    """As they were written: a relative date is evaluated at each tick."""
    formats: Sequence[str]
    """Empty means the report type's first."""
    labels: Mapping[str, str] | None
    options: Mapping[str, object] | None
    """The request's other fields, by their names on the wire."""
    terms: Terms
    timing: Timing
    misfire: Misfire = Misfire.RUN_ONCE
    misfire_most: int = 1
    overlap: Overlap = Overlap.SKIP


class Schedule(NamedTuple):
    """A schedule as stored in the database."""

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
    """None while it is paused, and after it has stopped."""
    due_at: datetime | None
    """When the next tick's job is submitted: after its jitter."""
    last_tick: datetime | None
    last_job_id: UUID | None
    """The job of the last tick that had one, whatever caused it."""
    due_job_id: UUID | None
    """The job of the last due tick that had one, which the next tick may overlap."""
    failing_since: datetime | None = None
    """When relays began to meet an unexpected error; None while they do not. They look again at `due_at`."""
    failing_because: str | None = None
    """The error, for operators."""
    file: str | None = None
    """The file of the catalog that defines it (shared/schedules/files.py); None if a client created it."""


class Tick(NamedTuple):
    """One moment of a schedule's history."""

    tick: datetime
    cause: Cause
    fate: Fate
    reason: Reason | None
    detail: str | None
    """For people: for example what was wrong with the parameters."""
    job_id: UUID | None
    since: datetime | None
    """The first of several ticks that were skipped together, of which this was the last."""
    at: datetime
    """When this line was written."""
