"""Run schedules outside their ticks: now, and for ticks that had no job."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import NamedTuple, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from services.api.actions.auditing import audited
from services.api.actions.errors import InvalidRequest, ScheduleCannotRun
from services.api.actions.made_once import make_once
from services.api.actions.parts import Parts
from services.api.actions.schedules import held, seen
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Principal
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.catalog.moment import zone_problem
from shared.catalog.parameter import ParameterKind
from shared.catalog.parameters import Violation
from shared.catalog.values import Refused, parse
from shared.ids import uuid7
from shared.jobs import queue_caps
from shared.jobs.submission import Accepted, IdempotencyKey, IdempotencyKeyReused
from shared.jobs.submit import claim, submit_all
from shared.schedules import due, store
from shared.schedules.schedule import Schedule
from shared.schedules.submission import submission_of
from shared.suggest import did_you_mean

MOST_BACKFILL = 1_000
"""The most ticks that one request may fill in."""
_WITHOUT_OFFSET = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?")


class Run(NamedTuple):
    """A job that was requested from a schedule."""

    job_id: UUID
    created: bool
    """False if an earlier request with the same Idempotency-Key created it."""


async def run(parts: Parts, principal: Principal, schedule_id: UUID, *, idempotency_key: str | None = None) -> Run:
    """Submit the schedule's job now, outside its ticks, on behalf of its owner.

    Raises UnknownSchedule, ScheduleCannotRun, IdempotencyKeyReused and IdempotencyKeyInFlight.
    """
    key = None if idempotency_key is None else _key(idempotency_key, schedule_id)

    def carry_out(conn: Connection) -> Run:
        job_id = uuid7()
        if key is not None:
            seen(conn, principal, schedule_id)
            # Before the schedule's row is locked, so that a request with the same key learns at once that it must
            # wait.
            if (earlier := claim(conn, principal.tenant, key, job_id)) is not None:
                return Run(_job_of(earlier), created=False)
        schedule = held(conn, principal, schedule_id)
        if queue_caps.room(conn, schedule.tenant) == 0:
            raise ScheduleCannotRun(None, "the tenant has as many unfinished jobs as it may: wait for some to end")
        asked = due.ask_now(conn, schedule)
        told, submission = submission_of(asked, parts.catalog.types, job_id=job_id)
        if submission is None:
            raise ScheduleCannotRun(told.reason, told.detail)
        due.settle(conn, [(schedule_id, told)])
        submit_all(conn, [submission], ring_after_s=parts.settings.ring_after_s)
        audited(conn, principal, Action.SCHEDULES_RUN, f"schedules/{schedule_id}", after={"jobId": str(job_id)})
        return Run(job_id, created=True)

    principal.need(Scope.SCHEDULES_WRITE)
    return await make_once(parts, "idempotency_keys", key, carry_out)


async def backfill(
    parts: Parts, principal: Principal, schedule_id: UUID, fields: Mapping[str, object], *, by_its_clocks: bool = False
) -> int:
    """Make the relay submit the jobs of those ticks of a range that had none. Returns how many there are.

    With `by_its_clocks`, bounds without an offset are local times of the schedule's zone. Raises UnknownSchedule and
    InvalidRequest.
    """

    def carry_out(conn: Connection) -> int:
        schedule, bounds = held(conn, principal, schedule_id), fields
        if by_its_clocks:
            bounds = {name: _on_the_clock(str(at), schedule.wanted.timing.zone) for name, at in fields.items()}
        wanted = _range(bounds, schedule, store.now(conn))
        many = due.ask_for(conn, schedule, wanted)
        what = {"ticks": many, **{name: str(bounds.get(name)) for name in ("from", "to")}}
        audited(conn, principal, Action.SCHEDULES_BACKFILL, f"schedules/{schedule_id}", after=what)
        return many

    principal.need(Scope.SCHEDULES_WRITE)
    return await in_one_transaction(parts, carry_out)


def _key(text: str, schedule_id: UUID) -> IdempotencyKey:
    digest = hashlib.sha256(schedule_id.bytes).hexdigest()
    return IdempotencyKey(text, digest, digest, operation="run")


def _job_of(answer: Accepted | IdempotencyKeyReused) -> UUID:
    if isinstance(answer, IdempotencyKeyReused):
        raise answer
    return answer.job_id


def _on_the_clock(entered: str, zone: str) -> str:
    """Return the moment at which the zone's clocks show what a field for date and time contains."""
    if not _WITHOUT_OFFSET.fullmatch(entered) or zone_problem(zone):
        return entered
    try:
        return datetime.fromisoformat(entered).replace(tzinfo=ZoneInfo(zone)).isoformat()
    except ValueError:  # A day that is not in the calendar: reported where the field is checked
        return entered


def _range(fields: Mapping[str, object], schedule: Schedule, now: datetime) -> list[datetime]:
    """Return the ticks of the requested range. Raises InvalidRequest, also for more than MOST_BACKFILL."""
    known = ("from", "to")
    wrong = [
        Violation(name[:100], "unknown_field", f"is not a field of this request{did_you_mean(name[:100], known)}")
        for name in islice((name for name in fields if name not in known), 20)
    ]
    bounds: list[datetime] = []
    for name in known:
        try:
            bounds.append(cast("datetime", parse(ParameterKind.DATETIME, fields.get(name) or "")))
        except Refused as refused:
            wrong.append(Violation(name, refused.code, str(refused)))
    if not wrong and bounds[0] >= bounds[1]:
        wrong.append(Violation("to", "range", "must be later than from"))
    if not wrong and bounds[1] > now:
        wrong.append(Violation("to", "range", "must not be in the future: future ticks run on schedule"))
    if wrong:
        raise InvalidRequest("The request is not valid.", wrong)
    found = list(islice(schedule.wanted.timing.between(*bounds), MOST_BACKFILL + 1))
    if len(found) > MOST_BACKFILL:
        wrong = [Violation("from", "range", f"the range has more than {MOST_BACKFILL} ticks: split it")]
        raise InvalidRequest("The request is not valid.", wrong)
    return found
