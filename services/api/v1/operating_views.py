"""Views for operators: dead letters, parked messages, and the state of the installation."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from services.api.actions.attention import Condition
from services.api.actions.overview import Overview
from services.api.actions.put_aside import Done, FoundDeadLetters, FoundParked
from services.api.v1.base_view import Time, View
from shared.jobs.measurements import Measured
from shared.jobs.rollups import quantile
from shared.jobs.totals import Point


class DeadLetterView(View):
    """A message of the dead-letter queue, as copied by a relay."""

    message_id: str
    first_seen_at: Time
    sent_at: Time | None
    receives: int
    """Deliveries before it was copied, approximately."""
    size_bytes: int
    why: str
    """Why a worker dead-lettered it: `malformed`, `foreign`, `unknown`; empty if the queue service did."""
    job_id: UUID | None
    tenant: str | None
    body: str
    """The beginning of the message's body."""
    wish: Annotated[str, Field(json_schema_extra={"enum": ["redrive", "drop"]})] | None
    """What a relay has been asked to do with it."""
    wished_at: Time | None
    wished_by: str | None


class DeadLettersView(View):
    """One page of dead letters, in the order in which they were first seen."""

    dead_letters: list[DeadLetterView]
    next_page_token: str | None


class ParkedMessageView(View):
    """A message of the outbox that can never be sent as it is."""

    id: str
    topic: str
    tenant: str
    payload: str
    created_at: Time
    parked_at: Time
    attempts: int
    last_error: str | None


class ParkedMessagesView(View):
    """One page of parked messages, the oldest first."""

    messages: list[ParkedMessageView]
    next_page_token: str | None


class DoneView(View):
    """The number of messages that were changed, or would be."""

    ids: list[str]
    missing: list[str]
    """Ids that were given but not found, or are already being handled."""
    dry_run: bool
    more: bool
    """True if there are more messages than one request handles."""


class ConditionView(View):
    """Something that needs attention."""

    code: str
    severity: Literal["page", "ticket", "info"]
    message: str
    facts: dict[str, Any]
    since_s: float | None
    """For how long the condition has held, in seconds; null if unknown."""


class MeasuredView(View):
    """A relay's measurement."""

    at: Time
    age_s: float
    facts: dict[str, Any]


class WorkerView(View):
    """A worker, as it last described itself."""

    name: str
    since: Time
    seen_at: Time
    gone: bool
    """True if it is dead, or cut off."""
    sick: str | None
    """Why it takes no jobs."""
    report_types: int
    """How many report types it knows."""
    slots: int
    holding: int


class PointView(View):
    """The jobs of one outcome that ended within one step of time. A step without such jobs is left out."""

    begins: Time
    outcome: str = Field(json_schema_extra={"enum": ["SUCCESS", "FAILED", "CANCELLED"]})
    jobs: int
    p50_s: float | None
    """Half of them ended within this many seconds of being requested."""
    p95_s: float | None


class AcceptedJobsView(View):
    """The jobs that were accepted within one step of time. A step without such jobs is left out."""

    begins: Time
    jobs: int


class TypeTotalView(View):
    """The jobs of one report type that ended."""

    report_type: str
    jobs: int
    failed: int


class OverviewView(View):
    """The state of the whole installation. A part is null if the database took too long to read it."""

    at: Time
    period: Literal["1h", "24h", "7d"]
    step_s: int
    conditions: list[ConditionView]
    measured: dict[str, MeasuredView] | None
    """By subject: `database`, `queue`, `dead_letters`, `store`."""
    workers: list[WorkerView] | None
    history: list[PointView] | None
    accepted: list[AcceptedJobsView] | None
    report_types: list[TypeTotalView] | None
    """The busiest first."""
    not_looked_at: list[str]


def dead_letters_view(found: FoundDeadLetters) -> DeadLettersView:
    """The view of a page of dead letters."""
    rows = [row._asdict() for row in found.rows]
    for row in rows:
        del row["id"]
        row["why"] = row.pop("reason")
    return DeadLettersView(dead_letters=[DeadLetterView(**row) for row in rows], next_page_token=found.next_page_token)


def parked_view(found: FoundParked) -> ParkedMessagesView:
    """Return the view of a page of parked messages."""
    messages = [
        ParkedMessageView(
            id=str(row.id), topic=row.topic, tenant=row.group_key, payload=row.payload, created_at=row.created_at,
            parked_at=row.parked_at, attempts=row.attempts, last_error=row.last_error,
        )
        for row in found.rows
    ]  # fmt: skip
    return ParkedMessagesView(messages=messages, next_page_token=found.next_page_token)


def done_view(done: Done) -> DoneView:
    """Return the view of what was done."""
    return DoneView(ids=list(done.ids), missing=list(done.missing), dry_run=done.dry_run, more=done.more)


def overview_view(found: Overview) -> OverviewView:
    """Return the view of the installation's state."""
    return OverviewView(
        at=found.at,
        period=found.period.value,
        step_s=found.period.step_s,
        conditions=[_condition(one) for one in found.conditions],
        measured=None if found.measured is None else {str(s): _measured(m) for s, m in found.measured.items()},
        workers=None
        if found.workers is None
        else [
            WorkerView(
                name=w.name, since=w.since, seen_at=w.seen_at, gone=w.gone, sick=w.sick, report_types=w.report_types,
                slots=w.slots, holding=w.holding,
            )
            for w in found.workers
        ],
        history=None if found.points is None else [_point(point) for point in found.points],
        accepted=None
        if found.accepted is None
        else [AcceptedJobsView(begins=one.begins, jobs=one.jobs) for one in found.accepted],
        report_types=None
        if found.types is None
        else [TypeTotalView(report_type=t.report_type, jobs=t.jobs, failed=t.failed) for t in found.types],
        not_looked_at=list(found.not_looked_at),
    )  # fmt: skip


def _condition(one: Condition) -> ConditionView:
    facts = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in one.facts.items()}
    return ConditionView(
        code=one.code, severity=one.severity.value, message=one.message, facts=facts, since_s=one.since_s
    )


def _measured(one: Measured) -> MeasuredView:
    return MeasuredView(at=one.at, age_s=one.age_s, facts=dict(one.facts))


def _point(point: Point) -> PointView:
    return PointView(
        begins=point.begins,
        outcome=point.outcome.value,
        jobs=point.jobs,
        p50_s=quantile(point.buckets, 0.5),
        p95_s=quantile(point.buckets, 0.95),
    )
