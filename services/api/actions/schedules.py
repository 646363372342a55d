"""Create, read, change, pause and run schedules."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.actions.auditing import audited
from services.api.actions.callbacks import callback_problem
from services.api.actions.errors import (
    InvalidRequest,
    KeyRequestReused,
    PreconditionFailed,
    ScheduleInFile,
    TooManySchedules,
    UnknownSchedule,
)
from services.api.actions.jobs import Insists
from services.api.actions.made_once import make_once, request_of, same
from services.api.actions.options import CALLBACK
from services.api.actions.page_tokens import Listing
from services.api.actions.parts import Parts
from services.api.actions.places import at_place, place
from services.api.actions.schedule_choices import check_choices
from services.api.actions.schedule_dues import next_due_of, next_of_changed, told_of
from services.api.actions.schedule_request import read_schedule
from services.api.actions.transactions import in_one_transaction
from services.api.auth.principal import Principal
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.ids import uuid7
from shared.schedules import history, let_go, store
from shared.schedules.schedule import Owner, Reason, Schedule, Tick, Wanted
from shared.schedules.store import Next

_LAST_ID = UUID(int=2**128 - 1)


class MadeSchedule(NamedTuple):
    """A schedule that is committed."""

    schedule: Schedule
    created: bool
    """False if an earlier request with the same Idempotency-Key created it."""


class FoundSchedules(NamedTuple):
    """One page of schedules, newest first."""

    schedules: Sequence[Schedule]
    next_page_token: str | None


class FoundTicks(NamedTuple):
    """One page of a schedule's history, the latest tick first."""

    ticks: Sequence[Tick]
    next_page_token: str | None


class Preview(NamedTuple):
    """The schedule that a request would create; nothing is written."""

    wanted: Wanted
    ticks: Sequence[datetime]


async def create(
    parts: Parts, principal: Principal, fields: Mapping[str, object], *, idempotency_key: str | None
) -> MadeSchedule:
    """Create a schedule, which acts on behalf of the principal.

    Raises InvalidRequest, UnknownReportType, InsufficientScope, KeyRequestReused, IdempotencyKeyInFlight and
    TooManySchedules.
    """

    def carry_out(conn: Connection) -> MadeSchedule:
        before = partial(store.made_by, conn, principal.tenant)
        if (earlier := same(before, request)) is not None:
            return MadeSchedule(earlier, created=False)
        wanted, now = _read(conn, parts, principal, fields)
        most = parts.settings.schedules_each
        if store.count(conn, principal.tenant, most=most) >= most:
            raise TooManySchedules(most)
        schedule_id = uuid7()
        next_due = next_due_of(schedule_id, wanted, now)
        made = store.create(
            conn, schedule_id, principal.tenant, wanted, _owner(parts, principal, now), next_due, request
        )
        if made is None and (earlier := same(before, request)) is not None:
            return MadeSchedule(earlier, created=False)
        if made is None:
            raise KeyRequestReused
        audited(conn, principal, Action.SCHEDULES_CREATE, f"schedules/{made.id}", after=told_of(made))
        return MadeSchedule(made, created=True)

    principal.need(Scope.SCHEDULES_WRITE)
    principal.need(Scope.JOBS_CREATE)
    await check_choices(parts, principal, fields)
    request = request_of(idempotency_key, principal, fields)
    return await make_once(parts, "schedules", request, carry_out)


async def preview(parts: Parts, principal: Principal, fields: Mapping[str, object], *, ticks: int) -> Preview:
    """Return what such a schedule would be, with its next ticks. Raises as `create` does."""

    def look(conn: Connection) -> Preview:
        wanted, now = _read(conn, parts, principal, fields)
        return Preview(wanted, list(islice(wanted.timing.ticks(now), ticks)))

    principal.need(Scope.SCHEDULES_WRITE)
    await check_choices(parts, principal, fields)
    return await in_one_transaction(parts, look)


async def get(parts: Parts, principal: Principal, schedule_id: UUID) -> Schedule:
    """Return one schedule. Raises UnknownSchedule."""
    principal.need(Scope.SCHEDULES_READ)
    return await in_one_transaction(parts, lambda conn: seen(conn, principal, schedule_id))


async def list_page(parts: Parts, principal: Principal, *, size: int, token: str | None) -> FoundSchedules:
    """List the schedules that the principal may see.

    Raises PageTokenInvalid, PageTokenMismatch and PageTokenExpired.
    """
    listing = Listing("schedules", principal, {})

    def look(conn: Connection) -> FoundSchedules:
        before = _LAST_ID if token is None else parts.page_tokens.read(conn, listing, token)
        owner = principal.sees_only
        found = store.list_page(conn, principal.tenant, owner=owner, before=before, limit=size + 1)
        if len(found) <= size:
            return FoundSchedules(found, None)
        return FoundSchedules(found[:size], parts.page_tokens.write(conn, listing, found[size - 1].id))

    principal.need(Scope.SCHEDULES_READ)
    return await in_one_transaction(parts, look)


async def ticks(parts: Parts, principal: Principal, schedule_id: UUID, *, size: int, token: str | None) -> FoundTicks:
    """List what happened to the schedule's ticks. Raises UnknownSchedule, and as `list_page` does."""
    listing = Listing("ticks", principal, {"schedule": str(schedule_id)})

    def look(conn: Connection) -> FoundTicks:
        seen(conn, principal, schedule_id)
        before = None if token is None else at_place(parts.page_tokens.read(conn, listing, token))[0]
        found = history.ticks(conn, schedule_id, limit=size + 1, before=before)
        if len(found) <= size:
            return FoundTicks(found, None)
        return FoundTicks(found[:size], parts.page_tokens.write(conn, listing, place(found[size - 1].tick, 0)))

    principal.need(Scope.SCHEDULES_READ)
    return await in_one_transaction(parts, look)


async def update(
    parts: Parts, principal: Principal, schedule_id: UUID, fields: Mapping[str, object], *, insists: Insists = None
) -> Schedule:
    """Change the fields that are given, and keep the others. The schedule acts on behalf of the principal from now on.

    A schedule that had stopped resumes. Raises UnknownSchedule, PreconditionFailed, InvalidRequest, UnknownReportType,
    InsufficientScope and ScheduleInFile.
    """

    def carry_out(conn: Connection) -> Schedule:
        old = _of_no_file(held(conn, principal, schedule_id, insists))
        wanted, now = _read(conn, parts, principal, fields, old)
        next_due = next_of_changed(conn, old, wanted, now)
        new = store.replace(conn, schedule_id, principal.tenant, wanted, _owner(parts, principal, now), next_due)
        return _changed(conn, principal, Action.SCHEDULES_UPDATE, old, new)

    principal.need(Scope.SCHEDULES_WRITE)
    principal.need(Scope.JOBS_CREATE)
    await check_choices(
        parts, principal, fields, lambda: in_one_transaction(parts, lambda conn: seen(conn, principal, schedule_id))
    )
    return await in_one_transaction(parts, carry_out)


async def pause(
    parts: Parts, principal: Principal, schedule_id: UUID, *, note: str, insists: Insists = None
) -> Schedule:
    """Suspend all ticks until somebody resumes the schedule. Raises UnknownSchedule and PreconditionFailed."""

    def carry_out(conn: Connection) -> Schedule:
        old = held(conn, principal, schedule_id, insists)
        let_go.before(conn, old, store.now(conn))
        new = store.pause(conn, schedule_id, principal.tenant, by=principal.subject, note=note)
        return _changed(conn, principal, Action.SCHEDULES_PAUSE, old, new)

    principal.need(Scope.SCHEDULES_WRITE)
    return await in_one_transaction(parts, carry_out)


async def resume(parts: Parts, principal: Principal, schedule_id: UUID, *, insists: Insists = None) -> Schedule:
    """Continue with the next future tick, on behalf of the principal.

    Ticks that were due in the meantime are not made up for. A schedule that was neither paused nor stopped keeps its
    tick, even if it is due. Raises UnknownSchedule, PreconditionFailed, ScheduleInFile, InvalidRequest,
    UnknownReportType and InsufficientScope.
    """

    def carry_out(conn: Connection) -> Schedule:
        old = held(conn, principal, schedule_id, insists)
        if _file_is_gone(old):
            _of_no_file(old)
        wanted, now = _read(conn, parts, principal, {}, old)
        if old.next_tick is None:
            let_go.before(conn, old, now)
        next_due = (
            Next(old.next_tick, old.due_at) if old.next_tick is not None else next_due_of(schedule_id, wanted, now)
        )
        # The owner of a schedule from a file is named in the file.
        owner = _owner(parts, principal, now) if old.file is None else old.owner
        new = store.resume(conn, schedule_id, principal.tenant, owner, next_due)
        return _changed(conn, principal, Action.SCHEDULES_RESUME, old, new)

    principal.need(Scope.SCHEDULES_WRITE)
    principal.need(Scope.JOBS_CREATE)
    return await in_one_transaction(parts, carry_out)


async def delete(parts: Parts, principal: Principal, schedule_id: UUID, *, insists: Insists = None) -> None:
    """Remove the schedule with its history; its jobs stay.

    Raises UnknownSchedule, PreconditionFailed and ScheduleInFile.
    """

    def carry_out(conn: Connection) -> None:
        old = held(conn, principal, schedule_id, insists)
        if not _file_is_gone(old):
            _of_no_file(old)
        store.delete(conn, schedule_id, principal.tenant)
        audited(conn, principal, Action.SCHEDULES_DELETE, f"schedules/{schedule_id}", before=told_of(old))

    principal.need(Scope.SCHEDULES_WRITE)
    await in_one_transaction(parts, carry_out)


def _read(
    conn: Connection, parts: Parts, principal: Principal, fields: Mapping[str, object], old: Schedule | None = None
) -> tuple[Wanted, datetime]:
    """Return what is wanted, and the time by the database's clock. Raises InvalidRequest and UnknownReportType."""
    now = store.now(conn)
    wanted = read_schedule(parts, principal, fields, now, old)
    problem = callback_problem(conn, principal.tenant, (wanted.options or {}).get(CALLBACK))
    if problem is not None:
        raise InvalidRequest("The request is not valid.", [problem])
    return wanted, now


def _of_no_file(schedule: Schedule) -> Schedule:
    if schedule.file is not None:
        raise ScheduleInFile(schedule.file, gone=_file_is_gone(schedule))
    return schedule


def _file_is_gone(schedule: Schedule) -> bool:
    return schedule.stop_reason is Reason.FILE_GONE


def _changed(conn: Connection, principal: Principal, action: Action, old: Schedule, new: Schedule | None) -> Schedule:
    if new is None:
        raise UnknownSchedule(old.id)
    audited(conn, principal, action, f"schedules/{old.id}", before=told_of(old), after=told_of(new))
    return new


def seen(conn: Connection, principal: Principal, schedule_id: UUID) -> Schedule:
    """Return the schedule as it is now. Raises UnknownSchedule."""
    found = store.get(conn, schedule_id, principal.tenant, owner=principal.sees_only)
    if found is None:
        raise UnknownSchedule(schedule_id)
    return found


def held(conn: Connection, principal: Principal, schedule_id: UUID, insists: Insists = None) -> Schedule:
    """Lock the schedule until the transaction ends, and return it. Raises UnknownSchedule and PreconditionFailed."""
    found = store.get(conn, schedule_id, principal.tenant, owner=principal.sees_only, hold=True)
    if found is None:
        raise UnknownSchedule(schedule_id)
    if insists is not None and not insists(str(found.version)):
        raise PreconditionFailed
    return found


def _owner(parts: Parts, principal: Principal, now: datetime) -> Owner:
    if principal.key_id is not None or principal.scopes is None:
        return Owner(principal.subject, principal.key_id, None)
    until = now + timedelta(days=parts.settings.schedule_grant_days)
    return Owner(principal.subject, None, sorted(principal.scopes), until)
