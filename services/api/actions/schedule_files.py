"""Let the schedules of the catalog's files be there as they are written, and no others."""

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial

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
from shared.schedules import from_files, store
from shared.schedules.files import ScheduleFile
from shared.schedules.schedule import Owner, Reason, Schedule, Wanted

log = logging.getLogger(__name__)

WHO = "catalog"
"""Who makes them, in the audit trail."""


def take(conn: Connection, parts: Parts, files: Sequence[ScheduleFile], *, changed: bool = True) -> bool:
    """Make, change and remove schedules, so that there are those of the files. One API at a time does it.

    Unless the files have `changed`, only those go on that lacked their owner. Returns False if something of a file is
    to be asked again: a key that is not there yet, or a mistake, which is logged. Its schedule stays as it was.
    """
    known = {one.schedule.file: one for one in from_files.hold(conn)}
    here = {file.name: file for file in files}
    for name, one in known.items():
        if changed and (name not in here or here[name].tenant != one.schedule.tenant):
            store.delete(conn, one.schedule.id, one.schedule.tenant)
            _note(conn, one.schedule, Action.SCHEDULES_DELETE)
    there = {name: one for name, one in known.items() if name in here and here[name].tenant == one.schedule.tenant}
    wanted = [file for file in files if _is_new(file, there.get(file.name), changed=changed)]
    taken = [_take(conn, parts, file, there.get(file.name)) for file in wanted]
    return all(taken)


def _is_new(file: ScheduleFile, known: from_files.Known | None, *, changed: bool) -> bool:
    """True if there is something to do about it."""
    if known is None or known.digest != file.digest:
        return changed
    return known.schedule.stop_reason is Reason.OWNER_GONE


def _take(conn: Connection, parts: Parts, file: ScheduleFile, known: from_files.Known | None) -> bool:
    """Write the schedule as its file has it. Returns False if that cannot be done now."""
    key = api_keys.newest(conn, file.tenant, file.owner) if file.owner is not None else None
    if file.owner is not None and key is None:
        if known is None or known.digest != file.digest:
            log.error("schedule_file.no_owner", extra={"file": file.name, "tenant": file.tenant, "owner": file.owner})
        return False
    old = None if known is None else known.schedule
    now = store.now(conn)
    # Whoever writes the catalog runs the service, and may ask for ticks as often as they like.
    scopes = None if key is None else frozenset(key.scopes) | {Scope.ADMIN_WRITE}
    try:
        wanted = _wanted(conn, parts, Principal(file.tenant, WHO, scopes), file, now)
    except (InvalidRequest, UnknownReportType) as error:
        wrong = [f"{one.field}: {one.message}" for one in getattr(error, "violations", [])] or [str(error)]
        log.error("schedule_file.wrong", extra={"file": file.name, "problem": "; ".join(wrong)})
        return False
    owner = Owner(file.owner, None if key is None else key.id, None)
    if old is None:
        schedule_id = uuid7()
        made = store.create(conn, schedule_id, file.tenant, wanted, owner, next_due_of(schedule_id, wanted, now), None)
    else:
        # It counts from its beginning, whatever is changed in its file.
        wanted = wanted._replace(timing=wanted.timing._replace(begins_at=old.wanted.timing.begins_at))
        made = store.replace(conn, old.id, file.tenant, wanted, owner, next_of_changed(conn, old, wanted, now))
    if made is not None:
        from_files.mark(conn, made.id, file.name, file.digest)
        _note(conn, made, Action.SCHEDULES_CREATE if old is None else Action.SCHEDULES_UPDATE)
    return True


def _wanted(conn: Connection, parts: Parts, principal: Principal, file: ScheduleFile, now: datetime) -> Wanted:
    """What the file asks for. Raises InvalidRequest and UnknownReportType."""
    wanted = read_schedule(parts, principal, file.fields, now)
    problem = callback_problem(conn, file.tenant, (wanted.options or {}).get(CALLBACK))
    if problem is not None:
        raise InvalidRequest("The file has one problem.", [problem])
    return wanted


def _note(conn: Connection, schedule: Schedule, action: Action) -> None:
    told = partial(audited, conn, Principal(schedule.tenant, WHO, None), action, f"schedules/{schedule.id}")
    if action is Action.SCHEDULES_DELETE:
        told(before=told_of(schedule))
    else:
        told(after=told_of(schedule))
