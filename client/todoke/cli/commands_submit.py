"""`submit` and `retry`: ask for reports, and ask again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from todoke.cli import columns, completion, parameters
from todoke.cli.commands_jobs import labels
from todoke.cli.common import command
from todoke.cli.durations import seconds
from todoke.cli.exits import Ended, Exit, WrongCall, worst
from todoke.cli.files import fetch, fetch_into
from todoke.cli.following import explain, follow
from todoke.cli.session import Session

if TYPE_CHECKING:
    from todoke.options import JobOptions

Type = Annotated[
    str | None,
    typer.Argument(metavar="[TYPE]", help="A name from `todoke types`; else the default.", show_default=False,
                   autocompletion=completion.types),
]  # fmt: skip
Params = Annotated[
    list[str],
    typer.Option("-p", "--param", metavar="NAME=VALUE", show_default=False, autocompletion=completion.parameters,
                 help="A parameter: NAME=VALUE, NAME:=JSON or NAME=@FILE; repeat it for a list."),
]  # fmt: skip
ParamsFile = Annotated[
    str | None, typer.Option("--params", metavar="FILE", help="Parameters as a JSON object; - for stdin.")
]
Formats = Annotated[
    list[str],
    typer.Option("--format", "-f", metavar="FORMAT", help="A format; may be repeated, and comma-separated.",
                 show_default=False),
]  # fmt: skip
At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="Run no sooner, e.g. 2026-01-31T09:00:00+09:00.")]
NotAfter = Annotated[str | None, typer.Option("--not-after", metavar="TIME", help="Fail if it has not ended by then.")]
Attempts = Annotated[int | None, typer.Option("--max-attempts", metavar="N", help="Tries, at most as many as usual.")]
KeepFiles = Annotated[str | None, typer.Option("--keep-files", metavar="TIME", help="Keep the files so long, e.g. 7d.")]
Keep = Annotated[str | None, typer.Option("--keep", metavar="TIME", help="Keep the job so long, e.g. 90d.")]
FileName = Annotated[
    str | None, typer.Option("--file-name", metavar="NAME", help="Names the files, e.g. 'sales {date}'.")
]
Priority = Annotated[
    int | None, typer.Option("--priority", metavar="0-9", help="Before others of your own that wait; 4 is usual.")
]
Label = Annotated[
    list[str],
    typer.Option("--label", metavar="NAME=VALUE", help="A mark of your own; may be repeated.", show_default=False),
]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="The same key and request is one job, run after run."),
]
Reuse = Annotated[
    str | None, typer.Option("--reuse", metavar="TIME", help="Take the job of the same question of that long ago.")
]
Wait = Annotated[
    str | None,
    typer.Option("--wait", metavar="[=TIME]", help="Wait for the end, for TIME at most. The exit code is the job's.",
                 show_default=False),
]  # fmt: skip
Folder = Annotated[
    Path | None, typer.Option("-O", "--into", metavar="DIR", help="Wait, and download the files into this folder.")
]
File = Annotated[
    str | None, typer.Option("--file", metavar="FILE", help="Wait, and download the only file there; - for stdout.")
]
CancelOnInterrupt = Annotated[
    bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C and SIGTERM cancel the job: for CI.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app, "submit",
        "todoke submit carrier-delays --wait -O reports",
        "todoke submit flights-export -p origin=JFK -f xlsx,zip --wait=10m --file flights.zip",
        "JOB=$(todoke submit carrier-delays -o id) && todoke watch $JOB",
    )(submit)  # fmt: skip
    command(
        app, "estimate",
        "todoke estimate carrier-delays",
        "todoke estimate flights-export -p origin=JFK -f xlsx -o json",
    )(estimate)  # fmt: skip
    command(
        app, "retry",
        "todoke retry 019acb2e-7c41-7e02-9a51-0e5b1a6c7f10 --wait",
        "todoke retry 019acb2e-7c41-7e02-9a51-0e5b1a6c7f10 -p to=2013-02-28 -f pdf",
        "todoke jobs --status FAILED -o id | xargs -n 1 todoke retry",
    )(retry)  # fmt: skip


def submit(
    session: Session,
    report_type: Type = None,
    param: Params = [],  # noqa: B006 - typer makes a new list for each call
    params: ParamsFile = None,
    formats: Formats = [],  # noqa: B006
    at: At = None,
    not_after: NotAfter = None,
    max_attempts: Attempts = None,
    keep_files: KeepFiles = None,
    keep: Keep = None,
    file_name: FileName = None,
    label: Label = [],  # noqa: B006
    priority: Priority = None,
    idempotency_key: Key = None,
    reuse: Reuse = None,
    wait: Wait = None,
    folder: Folder = None,
    file: File = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    force: Force = False,
) -> None:
    """Ask for a report. Prints the job, or, after waiting, what became of it, or the files."""
    _check(wait, folder, file)
    given = _parameters(session, report_type, param, params)
    accepted = session.todoke.jobs.create(
        report_type, given, formats=_formats(formats), idempotency_key=idempotency_key,
        reuse_seconds=int(seconds(reuse, "--reuse")) if reuse else None,
        **_options(at, not_after, max_attempts, keep_files, keep, file_name, label, priority),
    )  # fmt: skip
    if wait is None and folder is None and file is None:
        session.write.one(accepted.raw, columns.ACCEPTED, id_field="jobId")
        return
    session.say(f"{accepted.id} is accepted")
    _finish(session, accepted.id, wait, folder, file, cancel_on_interrupt=cancel_on_interrupt, force=force)


def estimate(
    session: Session,
    report_type: Type = None,
    param: Params = [],  # noqa: B006
    params: ParamsFile = None,
    formats: Formats = [],  # noqa: B006
) -> None:
    """Say what a report would be: rows, seconds, and what would go wrong. Nothing is made."""
    given = _parameters(session, report_type, param, params)
    found = session.todoke.jobs.estimate(report_type, given, formats=_formats(formats))
    session.write.one(found.raw, columns.ESTIMATE, id_field="reportType")
    for caution in found.warnings:
        session.say(f"{caution.code}: {caution.message}")


def retry(
    session: Session,
    job: Annotated[str, typer.Argument(metavar="ID", show_default=False, autocompletion=completion.ids)],
    param: Params = [],  # noqa: B006
    params: ParamsFile = None,
    formats: Formats = [],  # noqa: B006
    idempotency_key: Key = None,
    wait: Wait = None,
    folder: Folder = None,
    file: File = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    force: Force = False,
) -> None:
    """Ask again for what an ended job was asked for, with other parameters or formats if given.

    What is not named stays as it was; NAME:=null takes the parameter's default.
    """
    _check(wait, folder, file)
    old = session.todoke.jobs.get(job) if param else None
    given = _parameters(session, old.report_type if old else None, param, params)
    made = session.todoke.jobs.retry(job, given, formats=_formats(formats), idempotency_key=idempotency_key)
    if made.report_version_changed:
        session.say("the report type is another version now than the old job was made with")
    if wait is None and folder is None and file is None:
        session.write.one(made.raw, columns.ACCEPTED, id_field="jobId")
        return
    session.say(f"{made.id} is accepted")
    _finish(session, made.id, wait, folder, file, cancel_on_interrupt=cancel_on_interrupt, force=force)


def _check(wait: str | None, folder: Path | None, file: str | None) -> None:
    """Before anything is sent."""
    if folder is not None and file is not None:
        raise WrongCall("--into and --file exclude each other")
    _timeout(wait)


def _timeout(wait: str | None) -> float | None:
    return seconds(wait, "--wait") if wait else None


def _finish(
    session: Session, job_id: str, wait: str | None, folder: Path | None, file: str | None, *,
    cancel_on_interrupt: bool, force: bool,
) -> None:  # fmt: skip
    outcomes = follow(session, [job_id], timeout=_timeout(wait), cancel_on_interrupt=cancel_on_interrupt)
    [outcome] = outcomes.values()
    explain(outcomes)
    if outcome.code is Exit.DONE and outcome.job is not None and file is not None:
        fetch_into(session, outcome.job, None, file, force=force)
    elif outcome.code is Exit.DONE and outcome.job is not None and folder is not None:
        fetch(session, outcome.job, folder, None, force=force)
    elif outcome.job is not None:
        session.write.one(outcome.job.raw, columns.JOBS, id_field="jobId")
    if outcome.code is not Exit.DONE:
        raise Ended(worst([outcome.code]))


def _parameters(
    session: Session, report_type: str | None, given: Sequence[str], file: str | None
) -> Mapping[str, Any] | None:
    """What the options say, typed by the report type's schema, which is asked for if there is something to type."""
    whole = parameters.read_file(file) if file else {}
    if given:
        whole |= parameters.parse(given, _schema(session, report_type))
    return whole or None


def _schema(session: Session, report_type: str | None) -> Mapping[str, Any]:
    if report_type is not None:
        return session.todoke.types.get(report_type).parameters
    found = session.todoke.types.list()
    return next((one.parameters for one in found.types if one.name == found.default), {})


def _formats(given: Sequence[str]) -> list[str] | None:
    return [name for one in given for name in one.split(",") if name] or None


def _options(
    at: str | None, not_after: str | None, attempts: int | None, keep_files: str | None, keep: str | None,
    file_name: str | None, label: Sequence[str], priority: int | None,
) -> "JobOptions":  # fmt: skip
    from todoke.options import JobOptions

    options: JobOptions = {}
    if at:
        options["run_at"] = at
    if not_after:
        options["not_after"] = not_after
    if attempts is not None:
        options["max_attempts"] = attempts
    if keep_files:
        options["keep_files_seconds"] = int(seconds(keep_files, "--keep-files"))
    if keep:
        options["keep_seconds"] = int(seconds(keep, "--keep"))
    if file_name:
        options["file_name"] = file_name
    if priority is not None:
        options["priority"] = priority
    if label:
        options["labels"] = labels(label)
    return options
