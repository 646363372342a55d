"""Views of bulk actions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import Field, PlainSerializer

from services.api.v1.base_view import View
from services.api.v1.bulk_body import as_written
from shared.jobs.bulk import Bulk, BulkState
from shared.jobs.bulk_results import BulkResult
from shared.jobs.bulk_rules import BulkAction, BulkOutcome
from shared.jobs.states import JobStatus
from shared.stored import member

_Kind = TypeVar("_Kind", JobStatus, BulkOutcome)
_Time = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]


class MatchedView(View):
    """What the action matched when it was created, before it changed anything."""

    jobs: int = Field(examples=[37])
    at_least: bool
    """True if there may be more: only so many are counted."""
    by_status: dict[JobStatus, int] = Field(examples=[{"PENDING": 31, "PROCESSING": 6}])
    outcomes: dict[BulkOutcome, int] = Field(examples=[{"cancelled": 31, "requested": 6}])
    """What would happen to the jobs if they stayed as they were."""


class BulkView(View):
    """One action on all jobs that match a filter."""

    bulk_id: UUID
    action: BulkAction
    status: BulkState
    done: bool
    """True if nothing more will happen."""
    filter: dict[str, Any] = Field(examples=[{"status": ["PENDING", "PROCESSING"], "reportType": "carrier-delays"}])
    """As for the list of jobs; a relative time is shown as its moment."""
    reason: str = Field(examples=["asked for by mistake"])
    created_by: str | None = Field(examples=["ci"])
    created_at: _Time
    """Jobs that were accepted later are never included."""
    matched: MatchedView
    handled: int = Field(examples=[37])
    """How many jobs it has handled so far."""
    outcomes: dict[BulkOutcome, int] = Field(examples=[{"cancelled": 30, "requested": 6, "refused": 1}])
    """What happened to the jobs."""
    reached_at: _Time | None
    """It proceeds from the newest job to the oldest: jobs created since this moment are done. Null before it runs."""
    started_at: _Time | None
    ended_at: _Time | None
    stopped_by: str | None = Field(examples=[None])
    error: str | None = Field(examples=[None])
    """Why its last step failed, or why it was stopped; a failed step is tried again."""
    links: dict[str, str]


class BulksView(View):
    """One page of bulk actions, newest first."""

    bulk: list[BulkView]
    next_page_token: str | None


class BulkResultView(View):
    """What happened to one job."""

    job_id: UUID
    outcome: BulkOutcome
    code: str | None = Field(examples=[None])
    """Why it was refused: the code with which the API refuses the same action on a single job."""
    new_job_id: UUID | None
    """The job that repeats it."""
    links: dict[str, str]


class BulkResultsView(View):
    """One page of results, newest job first."""

    results: list[BulkResultView]
    next_page_token: str | None


def bulk_view(bulk: Bulk, root: str = "") -> BulkView:
    """The action as it is on the wire."""
    place = f"{root}/v1/bulk/{bulk.id}"
    links = {"self": place, "results": f"{place}/results", "jobs": f"{root}/v1/jobs?bulk={bulk.id}"}
    if bulk.state is BulkState.DRY_RUN:
        links["run"] = f"{place}:run"
    if not bulk.state.final:
        links["stop"] = f"{place}:stop"
    return BulkView(
        bulk_id=bulk.id,
        action=bulk.action,
        status=bulk.state,
        done=bulk.state.final,
        filter=as_written(bulk.filter),
        reason=bulk.reason,
        created_by=bulk.subject,
        created_at=bulk.created_at,
        matched=_matched(bulk),
        handled=sum(bulk.outcomes.values()),
        outcomes=_each(BulkOutcome, bulk.outcomes),
        reached_at=_reached_at(bulk),
        started_at=bulk.started_at,
        ended_at=bulk.ended_at,
        stopped_by=bulk.stopped_by,
        error=bulk.last_error,
        links=links,
    )


def _reached_at(bulk: Bulk) -> datetime | None:
    if bulk.started_at is None:
        return None
    if bulk.position == bulk.horizon:
        return bulk.created_at
    return min(bulk.created_at, datetime.fromtimestamp((bulk.position.int >> 80) / 1000, UTC))


def result_view(result: BulkResult, root: str = "") -> BulkResultView:
    """A result as it is on the wire."""
    links = {"job": f"{root}/v1/jobs/{result.job_id}"}
    if result.new_job_id is not None:
        links["newJob"] = f"{root}/v1/jobs/{result.new_job_id}"
    return BulkResultView(
        job_id=result.job_id, outcome=result.outcome, code=result.code, new_job_id=result.new_job_id, links=links
    )


def _matched(bulk: Bulk) -> MatchedView:
    told = bulk.matched
    return MatchedView(
        jobs=told["jobs"], at_least=told["atLeast"], by_status=_each(JobStatus, told["byStatus"]),
        outcomes=_each(BulkOutcome, told["outcomes"]),
    )  # fmt: skip


def _each(kind: type[_Kind], found: Mapping[str, int]) -> dict[_Kind, int]:
    return {member(kind, name): jobs for name, jobs in found.items()}
