"""Brings the schedules in line with the catalog's schedule files."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from sqlalchemy.engine import Connection

from services.api.actions.auditing import audited
from services.api.actions.callbacks import callback_problem
from services.api.actions.errors import InvalidRequest, UnknownReportType
from services.api.actions.options import CALLBACK
from services.api.actions.parts import Parts
from services.api.actions.schedule_dues import next_due_of, next_of_changed, told_of
from services.api.actions.schedule_request import read_schedule
from services.api.auth.principal import Principal
from shared.access import api_keys
from shared.access.audit import Action
from shared.access.scopes import Scope
from shared.ids import uuid7
from shared.schedules import from_files, let_go, store
from shared.schedules.files import FoundFiles, ScheduleFile
from shared.schedules.schedule import Owner, Reason, Schedule, Wanted

WHO = "catalog"
"""Who creates these schedules, in the audit trail."""
Why = Literal["wrong", "no_owner"]
"""Why a file is refused: it has mistakes, or names a key that its tenant does not have."""


class ToDo(NamedTuple):
    """The changes that the files call for."""

    write: Sequence[tuple[ScheduleFile, from_files.Known | None]]
    """Files whose schedule must be created or rewritten, each with the existing schedule if there is one."""
    stop: Sequence[from_files.Known]
    """Schedules whose file is gone."""
    seen: Sequence[UUID]
    """Schedules that match a file here, or whose file here cannot be read, and that no API has confirmed lately."""


def to_do(known: Sequence[from_files.Known], found: FoundFiles, edited: Collection[str]) -> ToDo:
    """Return the changes, by the rule that a version of a file is in force as long as an API has it.

    `edited` are the names of files that changed while this API was running: such a change takes effect at once.
    """
    here = {(file.tenant, file.name): file for file in found.right}
    there = {one.at: one for one in known}
    write, seen = [], []
    for at, file in here.items():
        one = there.get(at)
        if one is not None and one.digest == file.digest and one.to_be_said_again:
            seen.append(one.schedule.id)
        if one is None or _is_to_write(file, one, edited):
            write.append((file, one))
    others = [one for one in known if one.at not in here]
    unread = [one for one in others if one.schedule.file in found.wrong]
    seen += [one.schedule.id for one in unread if one.to_be_said_again]
    gone = [one for one in others if one not in unread and one.nobodys]
    return ToDo(write, [one for one in gone if one.schedule.stop_reason is not Reason.FILE_GONE], seen)


def _is_to_write(file: ScheduleFile, known: from_files.Known, edited: Collection[str]) -> bool:
    stopped = known.schedule.stop_reason
    if known.digest == file.digest:
        return stopped in {Reason.OWNER_GONE, Reason.FILE_GONE}
    return stopped is Reason.FILE_GONE or known.nobodys or file.name in edited


class Refused(NamedTuple):
    """A file that is refused for now. Its schedule stays as it was."""

    file: str
    why: Why
    problem: str


def take(conn: Connection, parts: Parts, found: FoundFiles, edited: Collection[str]) -> list[Refused]:
    """Create, change and stop schedules as the files demand. One API at a time does this.

    Returns the refused files, which must be tried again.
    """
    wanted = to_do(from_files.hold(conn), found, edited)
    for one in wanted.stop:
        let_go.before(conn, one.schedule, store.now(conn), stops=True)
        _note(conn, Action.SCHEDULES_UPDATE, one.schedule, from_files.stop(conn, one.schedule.id))
    taken = [_take(conn, parts, file, known) for file, known in wanted.write]
    return [one for one in taken if one is not None]


def _take(conn: Connection, parts: Parts, file: ScheduleFile, known: from_files.Known | None) -> Refused | None:
    """Write the schedule as its file defines it, or return why that is impossible now."""
    key = api_keys.newest(conn, file.tenant, file.owner) if file.owner is not None else None
    if file.owner is not None and key is None:
        return Refused(file.name, "no_owner", f"the tenant {file.tenant!r} has no key {file.owner!r} that works")
    if key is not None and Scope.JOBS_CREATE not in key.scopes:
        return Refused(file.name, "wrong", f"owner: the key {file.owner!r} lacks the scope {Scope.JOBS_CREATE}")
    now = store.now(conn)
    # The author of the catalog runs the service, and may request ticks as often as they like.
    scopes = None if key is None else frozenset(key.scopes) | {Scope.ADMIN_WRITE}
    try:
        wanted = _wanted(conn, parts, Principal(file.tenant, WHO, scopes), file, now)
    except (InvalidRequest, UnknownReportType) as error:
        wrong = [f"{one.field}: {one.message}" for one in getattr(error, "violations", [])] or [str(error)]
        return Refused(file.name, "wrong", "; ".join(wrong))
    owner = Owner(file.owner, None if key is None else key.id, None)
    made = _write(conn, file, wanted, owner, None if known is None else known.schedule)
    if made is not None:
        from_files.mark(conn, made.id, file.name, file.digest)
        _note(conn, Action.SCHEDULES_CREATE if known is None else Action.SCHEDULES_UPDATE, None, made)
    return None


def _write(conn: Connection, file: ScheduleFile, wanted: Wanted, owner: Owner, old: Schedule | None) -> Schedule | None:
    now = store.now(conn)
    if old is None:
        schedule_id = uuid7()
        return store.create(conn, schedule_id, file.tenant, wanted, owner, next_due_of(schedule_id, wanted, now), None)
    # An interval counts from the schedule's creation, whatever changes in its file.
    wanted = wanted._replace(timing=wanted.timing._replace(begins_at=old.wanted.timing.begins_at))
    return store.replace(conn, old.id, file.tenant, wanted, owner, next_of_changed(conn, old, wanted, now))


def _wanted(conn: Connection, parts: Parts, principal: Principal, file: ScheduleFile, now: datetime) -> Wanted:
    """Return what the file defines. Raises InvalidRequest and UnknownReportType."""
    wanted = read_schedule(parts, principal, file.fields, now)
    problem = callback_problem(conn, file.tenant, (wanted.options or {}).get(CALLBACK))
    if problem is not None:
        raise InvalidRequest("The file has one problem.", [problem])
    return wanted


def _note(conn: Connection, action: Action, before: Schedule | None, after: Schedule) -> None:
    told = None if before is None else told_of(before)
    principal = Principal(after.tenant, WHO, None)
    audited(conn, principal, action, f"schedules/{after.id}", before=told, after=told_of(after))
