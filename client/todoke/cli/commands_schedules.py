"""`schedules`: reports that run on a schedule."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from todoke.cli import columns
from todoke.cli.commands_submit import (
    Attempts,
    CancelOnInterrupt,
    File,
    FileName,
    Folder,
    Force,
    Formats,
    Keep,
    KeepFiles,
    Label,
    Params,
    ParamsFile,
    Priority,
    Then,
    Type,
    Wait,
    format_names,
    go_on,
    job_options,
    typed_parameters,
)
from todoke.cli.common import command, group
from todoke.cli.conditions import Callback, NotifyWhen, told
from todoke.cli.exits import WrongCall
from todoke.cli.listing import All, Limit, write_list
from todoke.cli.output import Form
from todoke.cli.schedule_options import Cron, Every, Jitter, Misfire, Overlap, Until, Zone, timed
from todoke.cli.session import Session
from todoke.cli.terminal import is_terminal

if TYPE_CHECKING:
    from todoke.options import JobOptions
    from todoke.schedule_options import ScheduleChanges
    from todoke.schedule_values import Schedule, SchedulePlan

_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
Id = Annotated[str, typer.Argument(metavar="SCHEDULE-ID", show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Display name.")]
Key = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key always yields the same schedule.")
]
RunKey = Annotated[
    str | None, typer.Option("--idempotency-key", metavar="KEY", help="The same key always yields the same job.")
]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why it is paused, for others.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="Start of the range, e.g. 2026-10-01T00:00:00Z.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="End of the range (exclusive), in the past.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]
NewName = Annotated[str | None, typer.Option("--name", metavar="NAME", help="New display name.")]
NewType = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="New report type.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    inner = group("Create, change, pause and run schedules: reports that run automatically.")
    command(inner, "list", "todoke schedules list", "todoke schedules list --all -o jsonl")(list_schedules)
    command(inner, "show", f"todoke schedules show {_SAMPLE}", f"todoke schedules show {_SAMPLE} -o json")(show)
    command(
        inner, "create",
        "todoke schedules create 'Delays on Mondays' carrier-delays --cron '0 7 * * MON' --zone Asia/Tokyo",
        "todoke schedules create 'Last month' flights-export -p from=start_of_last_month -p to=end_of_last_month "
        "--cron '0 6 1 * *' -f xlsx",
        "todoke schedules create 'Twice an hour' carrier-delays --every 30m --overlap skip --misfire skip -o id",
        shaped=True, without=("time_zone",),
    )(create)  # fmt: skip
    command(
        inner, "update",
        f"todoke schedules update {_SAMPLE} --cron '30 6 * * MON-FRI'",
        f"todoke schedules update {_SAMPLE} -p origin=LAX --until 2027-01-31T00:00:00Z",
        shaped=True, without=("time_zone",),
    )(update)  # fmt: skip
    command(
        inner, "next",
        "todoke schedules next carrier-delays --cron '30 2 * * *' --zone Europe/Berlin",
        "todoke schedules next --every 2h -o json",
    )(next_ticks)  # fmt: skip
    command(inner, "pause", f"todoke schedules pause {_SAMPLE} --note 'the warehouse moves'")(pause)
    command(inner, "resume", f"todoke schedules resume {_SAMPLE}")(resume)
    command(inner, "run", f"todoke schedules run {_SAMPLE}", f"todoke schedules run {_SAMPLE} --wait -O reports")(run)
    command(
        inner, "backfill", f"todoke schedules backfill {_SAMPLE} --from 2026-10-01T00:00:00Z --to 2026-11-01T00:00:00Z"
    )(backfill)
    command(inner, "ticks", f"todoke schedules ticks {_SAMPLE}", f"todoke schedules ticks {_SAMPLE} --all -o jsonl")(
        ticks
    )
    command(inner, "delete", f"todoke schedules delete {_SAMPLE} --yes")(delete)
    app.add_typer(inner, name="schedules")


def list_schedules(session: Session, limit: Limit = 20, everything: All = False) -> None:
    """List schedules, newest first, with the next tick of each."""
    most = None if everything else limit
    write_list(
        session, "schedules", session.todoke.schedules.list, columns.SCHEDULES, id_field="scheduleId", limit=most
    )


def show(session: Session, schedule: Id) -> None:
    """Show a schedule: its timing and next ticks, or with -o json every field."""
    _shown(session, session.todoke.schedules.get(schedule))


def create(
    session: Session, name: Name, report_type: Type = None, param: Params = [], params: ParamsFile = None,  # noqa: B006
    formats: Formats = [], cron: Cron = None, every: Every = None, zone: Zone = None, until: Until = None,  # noqa: B006
    jitter: Jitter = None, misfire: Misfire = None, overlap: Overlap = None, max_attempts: Attempts = None,
    keep_files: KeepFiles = None, keep: Keep = None, file_name: FileName = None, label: Label = [],  # noqa: B006
    priority: Priority = None, callback: Callback = None, notify_when: NotifyWhen = None,
    idempotency_key: Key = None, *, shape: "JobOptions",
) -> None:  # fmt: skip
    """Create a schedule for a report. It uses the scopes that you have at each tick.

    Use relative dates such as start_of_last_month: they are computed at each tick.
    """
    options: Any = {
        **timed(cron, every, zone, until, jitter, misfire, overlap), **shape,
        **job_options(None, None, max_attempts, keep_files, keep, file_name, label, priority),
        **told(callback, notify_when),
    }  # fmt: skip
    given = typed_parameters(session, report_type, param, params)
    made = session.todoke.schedules.create(
        name, report_type, given, formats=format_names(formats), idempotency_key=idempotency_key, **options
    )
    _written(session, made)


def update(
    session: Session, schedule: Id, name: NewName = None, report_type: NewType = None, param: Params = [],  # noqa: B006
    params: ParamsFile = None, formats: Formats = [], cron: Cron = None, every: Every = None, zone: Zone = None,  # noqa: B006
    until: Until = None, jitter: Jitter = None, misfire: Misfire = None, overlap: Overlap = None,
    max_attempts: Attempts = None, keep_files: KeepFiles = None, keep: Keep = None, file_name: FileName = None,
    label: Label = [], priority: Priority = None, callback: Callback = None, notify_when: NotifyWhen = None,  # noqa: B006
    *, shape: "JobOptions",
) -> None:  # fmt: skip
    """Change only the given options. The schedule then acts on your behalf, and resumes if it had stopped.

    -p changes single parameters, and NAME:=null resets one to its default; --params replaces them all.
    """
    changes: Any = {
        **timed(cron, every, zone, until, jitter, misfire, overlap), **shape,
        **job_options(None, None, max_attempts, keep_files, keep, file_name, label, priority),
        **told(callback, notify_when),
    }  # fmt: skip
    of_its_own = {"name": name, "report_type": report_type, "formats": format_names(formats)}
    changes |= {key: value for key, value in of_its_own.items() if value is not None}
    old = session.todoke.schedules.get(schedule) if param else None
    if param or params:
        changes["parameters"] = _changed(session, old, report_type, param, params)
    if not changes:
        raise WrongCall("nothing to change: give at least one of --cron, --zone, -p, --name …")
    _written(session, _updated(session, schedule, changes, old))


def next_ticks(
    session: Session, report_type: Type = None, param: Params = [], params: ParamsFile = None,  # noqa: B006
    cron: Cron = None, every: Every = None, zone: Zone = None, until: Until = None,
) -> None:  # fmt: skip
    """Preview a schedule without creating it: its timing in words and its next ticks."""
    given = typed_parameters(session, report_type, param, params)
    options = timed(cron, every, zone, until, None, None, None)
    _shown(session, session.todoke.schedules.preview("a preview", report_type, given, **options))


def pause(session: Session, schedule: Id, note: Note = None) -> None:
    """Pause a schedule until someone resumes it."""
    _written(session, session.todoke.schedules.pause(schedule, note=note))


def resume(session: Session, schedule: Id) -> None:
    """Resume a paused or stopped schedule on your behalf. Missed ticks are not made up; see `backfill`."""
    _written(session, session.todoke.schedules.resume(schedule))


def run(
    session: Session, schedule: Id, wait: Wait = None, folder: Folder = None, file: File = None,
    cancel_on_interrupt: CancelOnInterrupt = False, force: Force = False, idempotency_key: RunKey = None,
) -> None:  # fmt: skip
    """Submit the schedule's job now, in addition to its ticks. Prints the job; after waiting, its result or files."""
    then = Then(wait, folder, file, cancel_on_interrupt, force).checked()
    go_on(session, [session.todoke.schedules.run(schedule, idempotency_key=idempotency_key).raw], columns.RUN, then)


def backfill(session: Session, schedule: Id, begin: From, end: To) -> None:
    """Submit jobs for past ticks without one: missed, skipped, failed, or before the schedule was created."""
    found = session.todoke.schedules.backfill(schedule, begin, end)
    session.write.one(found.raw, columns.BACKFILL, id_field="ticks")
    session.say(f"to see the results: todoke schedules ticks {schedule}")


def ticks(session: Session, schedule: Id, limit: Limit = 20, everything: All = False) -> None:
    """List past ticks and their results, latest first: skipped ones with the reason."""
    pages = partial(session.todoke.schedules.ticks, schedule)
    write_list(session, "ticks", pages, columns.TICKS, id_field="tick", limit=None if everything else limit)


def delete(session: Session, schedule: Id, yes: Yes = False) -> None:
    """Delete a schedule and its history. Its jobs remain."""
    if not yes:
        if not is_terminal(sys.stdin):
            raise WrongCall("schedules delete: pass --yes when there is no terminal for the confirmation")
        typer.confirm(f"Delete {session.todoke.schedules.get(schedule).name!r} and its history?", abort=True, err=True)
    session.todoke.schedules.delete(schedule)
    session.say(f"{schedule} deleted")


def _updated(session: Session, schedule: str, changes: "ScheduleChanges", old: "Schedule | None") -> "Schedule":
    """Apply the changes; if they were computed from a schedule that was read, only while it is unchanged."""
    return session.todoke.schedules.update(schedule, if_match=old.etag if old else None, **changes)


def _changed(
    session: Session, old: "Schedule | None", report_type: str | None, given: Sequence[str], file: str | None
) -> Mapping[str, Any]:
    """Return the new parameters. A parameter that is null is left out, so its default applies."""
    before = old.parameters if old is not None and file is None else {}
    kind = report_type or (old.report_type if old is not None else None)
    whole = {**before, **(typed_parameters(session, kind, given, file) or {})}
    return {name: value for name, value in whole.items() if value is not None}


def _written(session: Session, schedule: "Schedule") -> None:
    session.write.one(schedule.raw, columns.SCHEDULES, id_field="scheduleId")


def _shown(session: Session, plan: "SchedulePlan") -> None:
    """Write everything as JSON; else the schedule, if it is one, and its next ticks."""
    is_there = plan.raw.get("scheduleId") is not None
    if is_there or session.write.form in {Form.JSON, Form.JSONL}:
        session.write.one(plan.raw, columns.SCHEDULES, id_field="scheduleId")
    if session.write.form in {Form.JSON, Form.JSONL} or (is_there and session.write.form is Form.ID):
        return
    if not is_there:
        session.say(f"{plan.words.get('en', '')} ({plan.time_zone})")
    session.write.each([one.raw for one in plan.coming], columns.COMING, id_field="tick")
    for field, state in (
        ("pauseNote", "paused"),
        ("stopReason", "stopped"),
        ("failingSince", "failing since"),
        ("actsUntil", "acts until"),
    ):
        if plan.raw.get(field):
            session.say(f"{state}: {plan.raw[field]}")
