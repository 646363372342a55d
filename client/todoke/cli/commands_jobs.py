"""Look at jobs, wait for them, and end them."""

import itertools
from typing import Annotated

import typer

from todoke.cli import columns, completion
from todoke.cli.common import command
from todoke.cli.durations import seconds
from todoke.cli.exits import Ended, Exit, WrongCall, exit_of, worst
from todoke.cli.following import explain, follow
from todoke.cli.output import Form
from todoke.cli.session import Session
from todoke.cli.terminal import say

_SAMPLE = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
Id = Annotated[str, typer.Argument(metavar="ID", show_default=False, autocompletion=completion.ids)]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", show_default=False, autocompletion=completion.ids)]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "jobs", "todoke jobs", "todoke jobs --status FAILED --limit 100 -o id", "todoke jobs --all -o jsonl")(
        jobs
    )
    command(app, "show", f"todoke show {_SAMPLE}", f"todoke show {_SAMPLE} -o json --fields status,result.seconds")(
        show
    )
    command(app, "watch", f"todoke watch {_SAMPLE}", f"todoke watch {_SAMPLE} --timeout 10m")(watch)
    command(app, "why", f"todoke why {_SAMPLE}", f"todoke why {_SAMPLE} -o json")(why)
    command(app, "events", f"todoke events {_SAMPLE}", f"todoke events {_SAMPLE} -o json")(events)
    command(app, "cancel", f"todoke cancel {_SAMPLE}", "todoke jobs --status PENDING -o id | xargs todoke cancel")(
        cancel
    )


def jobs(
    session: Session,
    status: Annotated[list[str], typer.Option("--status", metavar="STATUS", help="Only in this state; may be repeated.", show_default=False, autocompletion=completion.states)] = [],  # noqa: B006, E501
    report_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only of this report type.", autocompletion=completion.types)] = None,  # noqa: E501
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="So many at most.", min=1)] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All of them, page by page.")] = False,
) -> None:  # fmt: skip
    """List jobs, newest first."""
    wanted = [one for given in status for one in given.upper().split(",")]
    if session.write.form is Form.JSON and not everything and limit <= 100:
        page = session.todoke.jobs.list(status=wanted or None, report_type=report_type, page_size=limit)
        session.write.whole(page.raw, [job.raw for job in page.jobs], columns.JOBS, id_field="jobId")
        return
    found = session.todoke.jobs.iter(
        status=wanted or None, report_type=report_type, page_size=100 if everything else min(limit, 100)
    )
    raws = (job.raw for job in (found if everything else itertools.islice(found, limit)))
    if session.write.form is Form.JSON:
        listed = list(raws)
        session.write.whole({"jobs": listed, "nextPageToken": None}, listed, columns.JOBS, id_field="jobId")
    else:
        session.write.each(raws, columns.JOBS, id_field="jobId")


def show(session: Session, job: Id) -> None:
    """Show a job: in JSON all of it, else its state and its files."""
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
    ids: Ids,
    timeout: Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="Wait so long at most.")] = None,
    cancel_on_interrupt: Annotated[
        bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C and SIGTERM cancel the jobs: for CI.")
    ] = False,
) -> None:
    """Wait until jobs have ended. The exit code says how: 0, 3 for FAILED, 9 for CANCELLED, 8 when time runs out.

    Ctrl-C leaves; the jobs go on.
    """
    within = seconds(timeout, "--timeout") if timeout else None
    outcomes = follow(session, list(dict.fromkeys(ids)), timeout=within, cancel_on_interrupt=cancel_on_interrupt)
    explain(outcomes)
    raws = [one.job.raw for one in outcomes.values() if one.job is not None]
    session.write.each(raws, columns.JOBS, id_field="jobId")
    if (code := worst([one.code for one in outcomes.values()])) is not Exit.DONE:
        raise Ended(code)


def why(session: Session, job: Id) -> None:
    """Say why a job is where it is: what it waits for, who holds it, when it goes on."""
    found = session.todoke.jobs.why(job)
    session.write.whole(found.raw, [one.raw for one in found.reasons], columns.REASONS, id_field="code")


def events(session: Session, job: Id) -> None:
    """List every change of a job's state, oldest first."""
    raws = [one.raw for one in session.todoke.jobs.events(job)]
    session.write.whole(raws, raws, columns.EVENTS, id_field="version")


def cancel(session: Session, ids: Ids) -> None:
    """Cancel jobs. A job that a worker holds is cancelled a moment later, and may still end otherwise."""
    codes = []
    for job_id in dict.fromkeys(ids):
        try:
            found = session.todoke.jobs.cancel(job_id)
        except WrongCall:
            raise
        except Exception as error:  # noqa: BLE001 - the others are cancelled nonetheless
            say(f"{job_id}: {error}")
            codes.append(exit_of(error))
        else:
            session.write.one(found.raw, columns.JOBS, id_field="jobId")
    if codes:
        raise Ended(worst(codes))
