"""Commands that read jobs, wait for them, and end them."""

import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from todoke.cli import columns, completion
from todoke.cli.common import command
from todoke.cli.durations import seconds
from todoke.cli.exits import Ended, Exit, WrongCall, exit_of, worst
from todoke.cli.following import explain, follow
from todoke.cli.listing import All, Limit, write_list
from todoke.cli.output import Form, Raw
from todoke.cli.session import Session
from todoke.cli.terminal import is_terminal, say
from todoke.cli.watching import watch_all
from todoke.errors import TodokeError

if TYPE_CHECKING:
    from todoke.options import JobFilter

_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
Id = Annotated[str, typer.Argument(metavar="ID", show_default=False, autocompletion=completion.ids)]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", show_default=False, autocompletion=completion.ids)]


Status = Annotated[
    list[str],
    typer.Option("--status", metavar="STATUS", help="Only jobs with this status; may be repeated.", show_default=False,
                 autocompletion=completion.states),
]  # fmt: skip
OfType = Annotated[
    str | None,
    typer.Option("--type", metavar="TYPE", help="Only jobs of this report type.", autocompletion=completion.types),
]
Label = Annotated[
    list[str],
    typer.Option(
        "--label", metavar="NAME=VALUE", help="Only jobs with this label; may be repeated.", show_default=False
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only jobs since then: 24h, or a timestamp.")
]
Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Only jobs before then: 7d, or a timestamp.")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Only jobs requested by this name.")]
WithError = Annotated[str | None, typer.Option("--error", metavar="CODE", help="Only jobs that failed with this code.")]
RetryOf = Annotated[str | None, typer.Option("--retry-of", metavar="ID", help="Only retries of this job.")]
OfSchedule = Annotated[str | None, typer.Option("--schedule", metavar="ID", help="Only jobs of this schedule.")]
Took = Annotated[
    str | None, typer.Option("--took", metavar="TIME", help="Only jobs that ran at least this long: 30s, 5m.")
]
OfBulk = Annotated[str | None, typer.Option("--bulk", metavar="ID", help="Only jobs that this bulk action processed.")]

FilesUntil = Annotated[
    str | None,
    typer.Option("--files-until", metavar="TIME", help="New expiry of the files, e.g. 2027-01-31T00:00:00Z."),
]
KeptUntil = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="New expiry of the jobs; not before that of the files.")
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "jobs", "todoke jobs", "todoke jobs --status FAILED --limit 100 -o id", "todoke jobs --all -o jsonl")(
        jobs
    )
    command(app, "show", f"todoke show {_SAMPLE}", f"todoke show {_SAMPLE} -o json --fields status,result.seconds")(
        show
    )
    command(app, "watch", f"todoke watch {_SAMPLE}", f"todoke watch {_SAMPLE} --timeout 10m", "todoke watch -o jsonl")(
        watch
    )
    command(app, "why", f"todoke why {_SAMPLE}", f"todoke why {_SAMPLE} -o json")(why)
    command(app, "events", f"todoke events {_SAMPLE}", f"todoke events {_SAMPLE} -o json")(events)
    command(app, "cancel", f"todoke cancel {_SAMPLE}", "todoke jobs --status PENDING -o id | xargs todoke cancel")(
        cancel
    )
    command(app, "keep", f"todoke keep {_SAMPLE}", f"todoke keep {_SAMPLE} --files-until 2027-01-31T00:00:00Z")(keep)
    command(app, "delete", f"todoke delete {_SAMPLE}", f"todoke delete {_SAMPLE} --cancel --yes")(delete)


def jobs(
    session: Session,
    status: Status = [],  # noqa: B006 - typer makes a new list for each call
    report_type: OfType = None,
    label: Label = [],  # noqa: B006
    since: Since = None,
    until: Until = None,
    requester: By = None,
    error_code: WithError = None,
    retry_of: RetryOf = None,
    bulk: OfBulk = None,
    schedule: OfSchedule = None,
    took: Took = None,
    limit: Limit = 20,
    everything: All = False,
) -> None:
    """List jobs, newest first."""
    which = job_filter(status, report_type, label, since, until, requester, error_code, retry_of, bulk, schedule, took)
    pages = partial(session.todoke.jobs.list, **which)
    write_list(session, "jobs", pages, columns.JOBS, id_field="jobId", limit=None if everything else limit)


def job_filter(
    status: Sequence[str], report_type: str | None, label: Sequence[str], since: str | None, until: str | None,
    requester: str | None, error_code: str | None, retry_of: str | None, bulk: str | None,
    schedule: str | None, took: str | None,
) -> "JobFilter":  # fmt: skip
    """Turn the options of a list of jobs into a JobFilter. Raises WrongCall."""
    which: JobFilter = {}
    if states := [one for given in status for one in given.upper().split(",")]:
        which["status"] = states
    if label:
        which["labels"] = labels(label)
    texts = {
        "report_type": report_type, "created_after": _ago(since), "created_before": _ago(until),
        "requester": requester, "error_code": error_code, "retry_of": retry_of, "bulk": bulk,
        "schedule": schedule, "took_at_least": took,
    }  # fmt: skip
    which.update({name: value for name, value in texts.items() if value is not None})  # type: ignore[typeddict-item]
    return which


def _ago(given: str | None) -> str | None:
    """`24h` means 24 hours ago, which the API writes as `-24h`."""
    return f"-{given}" if given and re.fullmatch(r"[0-9]{1,6}[smhdw]", given) else given


def labels(given: Sequence[str]) -> dict[str, str]:
    """Parse `name=value` each. Raises WrongCall."""
    pairs = [one.partition("=") for one in given]
    if wrong := [name for name, sign, _ in pairs if not name or not sign]:
        raise WrongCall(f"--label {wrong[0]}: write name=value")
    return {name: value for name, _, value in pairs}


def show(session: Session, job: Id) -> None:
    """Show a job: its status and files, or with -o json every field."""
    found = session.todoke.jobs.get(job)
    session.write.one(found.raw, columns.JOBS, id_field="jobId")
    if session.write.form is not Form.TABLE:
        return
    if found.result and found.result.artifacts:
        session.write.each([one.raw for one in found.result.artifacts], columns.FILES, id_field="name")
    for warning in found.result.warnings if found.result else ():
        session.say(f"{warning.file}: {warning.message} {warning.hint}")
    if found.error:
        session.say(f"{found.error.code}: {found.error.message} {found.error.hint}")


def watch(
    session: Session,
    ids: Ids = [],  # noqa: B006
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Stop waiting after this time.")
    ] = None,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Cancel the jobs on Ctrl-C or SIGTERM, for CI.")
    ] = False,
) -> None:
    """Wait until jobs end. Exit codes: 0 for SUCCESS, 3 for FAILED, 9 for CANCELLED, 8 on timeout.

    Without an ID: print the newest jobs, then every change to any job, until interrupted.
    Ctrl-C stops waiting; the jobs continue.
    """
    if not ids:
        if timeout or cancel_on_interrupt:
            raise WrongCall("watch: --timeout and --cancel-on-interrupt need job ids")
        watch_all(session)
    within = seconds(timeout, "--timeout") if timeout else None
    outcomes = follow(session, list(dict.fromkeys(ids)), timeout=within, cancel_on_interrupt=cancel_on_interrupt)
    explain(outcomes)
    raws = [one.job.raw for one in outcomes.values() if one.job is not None]
    session.write.each(raws, columns.JOBS, id_field="jobId")
    if (code := worst([one.code for one in outcomes.values()])) is not Exit.DONE:
        raise Ended(code)


def why(session: Session, job: Id) -> None:
    """Explain a job's current state: what it is waiting for, who is running it, and when it continues."""
    found = session.todoke.jobs.why(job)
    session.write.whole(found.raw, [one.raw for one in found.reasons], columns.REASONS, id_field="code")


def events(session: Session, job: Id) -> None:
    """List the status changes of a job, oldest first."""
    raws = [one.raw for one in session.todoke.jobs.events(job)]
    session.write.whole(raws, raws, columns.EVENTS, id_field="version")


def cancel(session: Session, ids: Ids) -> None:
    """Cancel jobs. A running job stops within moments, and may still succeed or fail before that."""
    _each(session, ids, lambda job_id: session.todoke.jobs.cancel(job_id).raw)


def keep(
    session: Session,
    ids: Ids,
    files: FilesUntil = None,
    until: KeptUntil = None,
) -> None:
    """Extend the expiry of ended jobs and their files: to the maximum, or to the given times."""
    _each(session, ids, lambda job_id: session.todoke.jobs.keep(job_id, expires_at=files, kept_until=until).raw)


def delete(
    session: Session,
    ids: Ids,
    end: Annotated[bool, typer.Option("--cancel", help="Cancel jobs that have not ended, then delete them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation.")] = False,
) -> None:
    """Permanently delete ended jobs with their history and files."""
    if not yes:
        if not is_terminal(sys.stdin):
            raise WrongCall("delete: pass --yes when there is no terminal for the confirmation")
        typer.confirm(f"Permanently delete {len(ids)} job{'s' if len(ids) != 1 else ''}?", abort=True, err=True)

    def erase(job_id: str) -> Raw:
        session.todoke.jobs.delete(job_id, cancel=end)
        return {"jobId": job_id, "deleted": True}

    _each(session, ids, erase)


def _each(session: Session, ids: Sequence[str], change: Callable[[str], Raw]) -> None:
    """Apply a change to each job, whether or not others fail; the exit code is the worst."""
    codes = []
    for job_id in dict.fromkeys(ids):
        try:
            raw = change(job_id)
        except (TodokeError, ValueError) as error:
            say(f"{job_id}: {error}")
            codes.append(exit_of(error))
        else:
            session.write.one(raw, columns.JOBS, id_field="jobId")
    if codes:
        raise Ended(worst(codes))
