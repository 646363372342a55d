"""Bulk actions, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from todoke.reading import Fields
from todoke.results import Raw


@dataclass(frozen=True, slots=True)
class Matched:
    """What an action matched when it was created, before it changed anything."""

    jobs: int
    at_least: bool
    """True if there may be more: counting stopped at this number."""
    by_status: Mapping[str, int]
    outcomes: Mapping[str, int]
    """The outcomes that it would have if the jobs did not change."""

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            jobs=read.integer("jobs"),
            at_least=read.flag("atLeast"),
            by_status=read.object("byStatus"),
            outcomes=read.object("outcomes"),
        )


@dataclass(frozen=True, slots=True)
class BulkAction:
    """One action on all jobs that match a filter."""

    id: str
    action: str
    """`cancel`, `retry` or `delete`."""
    status: str
    """`DRY_RUN`, `RUNNING`, `DONE` or `STOPPED`."""
    done: bool
    """True if it will do nothing more."""
    filter: Mapping[str, Any]
    reason: str
    created_by: str | None
    created_at: datetime | None
    """Jobs accepted later are never included."""
    matched: Matched
    handled: int
    """Jobs handled so far."""
    outcomes: Mapping[str, int]
    """How many jobs had which outcome."""
    reached_at: datetime | None
    """It handles the newest job first: jobs created after this time are done."""
    started_at: datetime | None
    ended_at: datetime | None
    stopped_by: str | None
    error: str | None
    """Why its last step failed, or why it was stopped. A failed step is retried."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a bulk action")
        return cls(
            id=read.text("bulkId"),
            action=read.text("action"),
            status=read.text("status"),
            done=read.flag("done"),
            filter=read.object("filter"),
            reason=read.some_text("reason"),
            created_by=read.maybe_text("createdBy"),
            created_at=read.time("createdAt"),
            matched=Matched.read(Fields(read.object("matched"), "what a bulk action met")),
            handled=read.integer("handled"),
            outcomes=read.object("outcomes"),
            reached_at=read.time("reachedAt"),
            started_at=read.time("startedAt"),
            ended_at=read.time("endedAt"),
            stopped_by=read.maybe_text("stoppedBy"),
            error=read.maybe_text("error"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class BulkActionsPage:
    """One page of bulk actions, newest first."""

    bulk: Sequence[BulkAction]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of bulk actions")
        return cls(
            bulk=tuple(BulkAction.from_json(one.raw) for one in read.each("bulk")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class BulkResult:
    """The outcome for one job."""

    job_id: str
    outcome: str
    """`cancelled`, `requested`, `retried`, `deleted`, `unchanged` or `refused`."""
    code: str | None
    """Why it was refused: the code that the API returns for the same request on one job."""
    new_job_id: str | None
    """The job that repeats this one."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            job_id=read.text("jobId"),
            outcome=read.text("outcome"),
            code=read.maybe_text("code"),
            new_job_id=read.maybe_text("newJobId"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class BulkResultsPage:
    """One page of the outcomes per job, newest job first."""

    results: Sequence[BulkResult]
    next_page_token: str | None
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: object) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        read = Fields(raw, "a page of a bulk action's results")
        return cls(
            results=tuple(BulkResult.read(one) for one in read.each("results")),
            next_page_token=read.maybe_text("nextPageToken"),
            raw=read.raw,
        )
