"""`bulk`: cancel, retry or delete all jobs that match a filter, after a look at them."""

import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from todoke.cli import columns
from todoke.cli.commands_jobs import (
    By,
    Label,
    OfBulk,
    OfSchedule,
    OfType,
    RetryOf,
    Since,
    Status,
    Took,
    Until,
    WithError,
    job_filter,
)
from todoke.cli.common import command, group
from todoke.cli.durations import seconds
from todoke.cli.exits import Ended, Exit, WrongCall
from todoke.cli.listing import Limit, write_list
from todoke.cli.session import Session
from todoke.cli.terminal import is_terminal, say

if TYPE_CHECKING:
    from todoke.bulk_actions import BulkAction

_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
_TYPED_ABOVE = 1_000
"""Above so many jobs, the user types the number: a single key is pressed too easily."""
_LOOK_EVERY_S, _SAY_EVERY_S = 2.0, 10.0

Id = Annotated[str, typer.Argument(metavar="BULK-ID", show_default=False)]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Reason, recorded in the audit trail.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count; `todoke bulk run` then carries it out.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")]
Wait = Annotated[
    str | None,
    typer.Option("--wait", metavar="[=TIME]", help="Wait until it ends, up to TIME. Ctrl-C stops waiting only."),
]
_Outcome = Annotated[
    str | None,
    typer.Option("--outcome", metavar="OUTCOME", help="Only jobs with this outcome: refused, retried, cancelled, …"),
]
_DOES = {"cancelled": "cancelled", "requested": "told to stop", "retried": "asked for again", "deleted": "deleted",
         "unchanged": "left as they are", "refused": "refused"}  # fmt: skip


def add(app: typer.Typer) -> None:
    """Add the commands."""
    inner = group("Cancel, retry or delete all jobs that match a filter: counted first, then confirmed.")
    command(
        inner, "cancel",
        "todoke bulk cancel --type carrier-delays --reason 'asked for by mistake'",
        "todoke bulk cancel --label run=tonight --dry-run",
    )(cancel)  # fmt: skip
    command(
        inner, "retry",
        "todoke bulk retry --error source_unavailable --since 2h --reason 'the source is back'",
        "todoke bulk retry --status FAILED --since 24h --yes --wait",
    )(retry)  # fmt: skip
    command(inner, "delete", "todoke bulk delete --until 30d --reason 'nobody needs them'")(delete)
    command(inner, "run", f"todoke bulk run {_SAMPLE} --wait")(run)
    command(inner, "get", f"todoke bulk get {_SAMPLE}", f"todoke bulk get {_SAMPLE} -o json --fields outcomes")(get)
    command(inner, "list", "todoke bulk list")(list_bulk)
    command(inner, "results", f"todoke bulk results {_SAMPLE} --outcome refused")(results)
    command(inner, "stop", f"todoke bulk stop {_SAMPLE}")(stop)
    app.add_typer(inner, name="bulk")


def cancel(
    session: Session, status: Status = [], report_type: OfType = None, label: Label = [], since: Since = None,  # noqa: B006
    until: Until = None, requester: By = None, error_code: WithError = None, retry_of: RetryOf = None,
    bulk: OfBulk = None, schedule: OfSchedule = None, took: Took = None, reason: Reason = None,
    dry_run: DryRun = False, yes: Yes = False, wait: Wait = None,
) -> None:  # fmt: skip
    """Cancel all jobs that match a filter: unfinished ones, unless --status is given.

    Counts the jobs first and asks for confirmation. Jobs accepted in the meantime are not affected.
    """
    which = job_filter(status, report_type, label, since, until, requester, error_code, retry_of, bulk, schedule, took)
    _act(session, "cancel", which, reason, dry_run, yes, wait)


def retry(
    session: Session, status: Status = [], report_type: OfType = None, label: Label = [], since: Since = None,  # noqa: B006
    until: Until = None, requester: By = None, error_code: WithError = None, retry_of: RetryOf = None,
    bulk: OfBulk = None, schedule: OfSchedule = None, took: Took = None, reason: Reason = None,
    dry_run: DryRun = False, yes: Yes = False, wait: Wait = None,
) -> None:  # fmt: skip
    """Run all jobs that match a filter again: failed ones, unless --status is given.

    Counts the jobs first and asks for confirmation. Each creates one new job that belongs to you.
    """
    which = job_filter(status, report_type, label, since, until, requester, error_code, retry_of, bulk, schedule, took)
    _act(session, "retry", which, reason, dry_run, yes, wait)


def delete(
    session: Session, status: Status = [], report_type: OfType = None, label: Label = [], since: Since = None,  # noqa: B006
    until: Until = None, requester: By = None, error_code: WithError = None, retry_of: RetryOf = None,
    bulk: OfBulk = None, schedule: OfSchedule = None, took: Took = None, reason: Reason = None,
    dry_run: DryRun = False, yes: Yes = False, wait: Wait = None,
) -> None:  # fmt: skip
    """Permanently delete all ended jobs that match, with their files.

    Counts the jobs first and asks for confirmation.
    """
    which = job_filter(status, report_type, label, since, until, requester, error_code, retry_of, bulk, schedule, took)
    _act(session, "delete", which, reason, dry_run, yes, wait)


def run(session: Session, bulk_id: Id, wait: Wait = None) -> None:
    """Carry out a dry run that you made and reviewed."""
    _follow(session, session.todoke.bulk.run(bulk_id), wait)


def get(session: Session, bulk_id: Id) -> None:
    """Show the progress of a bulk action: the number of jobs per outcome."""
    found = session.todoke.bulk.get(bulk_id)
    session.write.one(found.raw, columns.BULK, id_field="bulkId")
    if found.error:
        session.say(found.error)


def list_bulk(session: Session, limit: Limit = 20) -> None:
    """List bulk actions, newest first."""
    write_list(session, "bulk", session.todoke.bulk.list, columns.BULK, id_field="bulkId", limit=limit)


def results(
    session: Session,
    bulk_id: Id,
    outcome: _Outcome = None,
    limit: Limit = 100,
) -> None:
    """List the outcome for each job, newest first."""
    pages = partial(session.todoke.bulk.results, bulk_id, outcome=outcome)
    write_list(session, "results", pages, columns.BULK_RESULTS, id_field="jobId", limit=limit)


def stop(session: Session, bulk_id: Id) -> None:
    """Stop a bulk action. Changes already made remain."""
    session.write.one(session.todoke.bulk.stop(bulk_id).raw, columns.BULK, id_field="bulkId")


def _act(
    session: Session, action: str, which: object, reason: str | None, dry_run: bool, yes: bool, wait: str | None
) -> None:
    if not dry_run and not yes and not is_terminal(sys.stdin):
        raise WrongCall(
            f"bulk {action}: pass --yes when there is no terminal for the confirmation, or --dry-run to count only"
        )
    _within(wait)
    made = session.todoke.bulk.create(action, reason=reason, **which)  # type: ignore[arg-type] # a JobFilter
    session.say(_told(made))
    if dry_run:
        session.write.one(made.raw, columns.BULK, id_field="bulkId")
        return
    if not made.matched.jobs and not made.matched.at_least:
        session.todoke.bulk.stop(made)
        session.write.one(made.raw, columns.BULK, id_field="bulkId")
        return
    if not yes:
        _ask(action, made)
    _follow(session, session.todoke.bulk.run(made), wait)


def _told(made: "BulkAction") -> str:
    many = f"{'at least ' if made.matched.at_least else ''}{made.matched.jobs:,}"
    if not made.matched.jobs:
        return "no job matches" if not made.matched.at_least else "no job matches so far; there is more to look at"
    states = ", ".join(f"{jobs:,} {state}" for state, jobs in made.matched.by_status.items())
    effects = ", ".join(f"{jobs:,} would be {_DOES.get(one, one)}" for one, jobs in made.matched.outcomes.items())
    return f"{many} job{'' if many == '1' else 's'} ({states}): {effects}"


def _ask(action: str, made: "BulkAction") -> None:
    """Ask the user for confirmation. For many jobs the user types the number. Raises Abort."""
    jobs = made.matched.jobs
    if jobs <= _TYPED_ABOVE:
        typer.confirm(f"{action.capitalize()} {jobs:,} job{'s' if jobs != 1 else ''}?", abort=True, err=True)
        return
    typed = typer.prompt(f"Type {jobs} to {action} them", err=True)
    if str(typed).strip().replace(",", "") != str(jobs):
        raise WrongCall(f"{typed} is not {jobs}; nothing was changed")


def _follow(session: Session, started: "BulkAction", wait: str | None) -> None:
    """Wait for its end, if requested; the exit code reports whether something was refused."""
    now = started
    if wait is not None:
        try:
            now = _ended(session, started, _within(wait))
        except KeyboardInterrupt:
            say(f"\nStopped waiting; the action continues. To wait again: todoke bulk run {started.id} --wait")
            raise Ended(Exit.INTERRUPTED) from None
    session.write.one(now.raw, columns.BULK, id_field="bulkId")
    if now.done and now.outcomes.get("refused"):
        say(f"{now.outcomes['refused']:,} refused; list them with: todoke bulk results {now.id} --outcome refused")
        raise Ended(Exit.REFUSED)
    if not now.done:
        session.say(f"still running; check with: todoke bulk get {now.id}")


def _ended(session: Session, now: "BulkAction", within: float | None) -> "BulkAction":
    """Return the action once it has ended. Raises Ended when the time runs out."""
    began = said = time.monotonic()
    while not now.done:
        if within is not None and time.monotonic() - began > within:
            say(f"still running; check with: todoke bulk get {now.id}")
            raise Ended(Exit.TIME_OVER)
        time.sleep(_LOOK_EVERY_S)
        now = session.todoke.bulk.get(now)
        if time.monotonic() - said >= _SAY_EVERY_S:
            said = time.monotonic()
            session.say(f"{now.handled:,} processed so far")
    return now


def _within(wait: str | None) -> float | None:
    """Return the seconds; None for no limit, and for no wait."""
    return seconds(wait, "--wait") if wait else None
