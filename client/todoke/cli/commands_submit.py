"""`submit` and `estimate`: submits a report, or estimates it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from todoke.cli import columns, completion, parameters
from todoke.cli.commands_jobs import labels
from todoke.cli.common import command
from todoke.cli.conditions import Callback, NotifyWhen, told
from todoke.cli.durations import seconds
from todoke.cli.exits import Ended, Exit, WrongCall, worst
from todoke.cli.files import fetch, fetch_into
from todoke.cli.following import explain, follow
from todoke.cli.output import Column, Raw
from todoke.cli.passwords import PasswordFile, password_in, protected
from todoke.cli.session import Session

if TYPE_CHECKING:
    from todoke.options import JobOptions

Type = Annotated[
    str | None,
    typer.Argument(metavar="[TYPE]", help="A report type from `todoke types`; default: the server's default.",
                   show_default=False, autocompletion=completion.types),
]  # fmt: skip
Params = Annotated[
    list[str],
    typer.Option("-p", "--param", metavar="NAME=VALUE", show_default=False, autocompletion=completion.parameters,
                 help="A parameter: NAME=VALUE, NAME:=JSON or NAME=@FILE; repeat for a list."),
]  # fmt: skip
ParamsFile = Annotated[
    str | None, typer.Option("--params", metavar="FILE", help="Parameters as a JSON object; - for stdin.")
]
Formats = Annotated[
    list[str],
    typer.Option("--format", "-f", metavar="FORMAT", help="A file format; may be repeated or comma-separated.",
                 show_default=False),
]  # fmt: skip
At = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="Do not start before, e.g. 2026-01-31T09:00:00+09:00.")
]
NotAfter = Annotated[
    str | None, typer.Option("--not-after", metavar="TIME", help="Deadline: fail if not finished by then.")
]
Attempts = Annotated[
    int | None, typer.Option("--max-attempts", metavar="N", help="Maximum attempts, up to the report type's.")
]
KeepFiles = Annotated[
    str | None, typer.Option("--keep-files", metavar="TIME", help="How long to keep the files, e.g. 7d.")
]
Keep = Annotated[str | None, typer.Option("--keep", metavar="TIME", help="How long to keep the job, e.g. 90d.")]
FileName = Annotated[
    str | None, typer.Option("--file-name", metavar="NAME", help="File name pattern, e.g. 'sales {date}'.")
]
Priority = Annotated[
    int | None,
    typer.Option("--priority", metavar="0-9", help="Priority among your own waiting jobs, 9 first; default: 4."),
]
Label = Annotated[
    list[str],
    typer.Option("--label", metavar="NAME=VALUE", help="A label of your own; may be repeated.", show_default=False),
]
Key = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="The same key and request always yield the same job."),
]
Reuse = Annotated[
    str | None,
    typer.Option("--reuse", metavar="TIME", help="Reuse a job with the same request that is at most this old."),
]
Wait = Annotated[
    str | None,
    typer.Option("--wait", metavar="[=TIME]", help="Wait until the job ends, up to TIME. Exit with its code.",
                 show_default=False),
]  # fmt: skip
Folder = Annotated[
    Path | None, typer.Option("-O", "--into", metavar="DIR", help="Wait, then download the files into this folder.")
]
File = Annotated[
    str | None, typer.Option("--file", metavar="FILE", help="Wait, then download the only file as this; - for stdout.")
]
CancelOnInterrupt = Annotated[
    bool, typer.Option("--cancel-on-interrupt", help="Cancel the job on Ctrl-C or SIGTERM, for CI.")
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app, "submit",
        "todoke submit carrier-delays --wait -O reports",
        "todoke submit flights-export -p origin=JFK -f xlsx,zip --wait=10m --file flights.zip",
        "todoke submit flights-export -p from=start_of_last_month --columns flight_date,airline --sort=-flight_date",
        "todoke submit carrier-delays -f pdf --password-file - -O reports",
        "JOB=$(todoke submit carrier-delays -o id) && todoke watch $JOB",
        shaped=True,
    )(submit)  # fmt: skip
    command(
        app, "estimate",
        "todoke estimate carrier-delays",
        "todoke estimate flights-export -p origin=JFK -f xlsx -o json",
        shaped=True,
    )(estimate)  # fmt: skip


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
    callback: Callback = None,
    notify_when: NotifyWhen = None,
    password_file: PasswordFile = None,
    idempotency_key: Key = None,
    reuse: Reuse = None,
    wait: Wait = None,
    folder: Folder = None,
    file: File = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    force: Force = False,
    *,
    shape: "JobOptions",
) -> None:
    """Request a report. Prints the job; after waiting, its result or the downloaded files."""
    then = Then(wait, folder, file, cancel_on_interrupt, force).checked()
    given = typed_parameters(session, report_type, param, params)
    password = protected(password_in(password_file, params=params))
    accepted = session.todoke.jobs.create(
        report_type, given, formats=format_names(formats), idempotency_key=idempotency_key,
        reuse_seconds=int(seconds(reuse, "--reuse")) if reuse else None,
        **(job_options(at, not_after, max_attempts, keep_files, keep, file_name, label, priority) | shape | password),
        **told(callback, notify_when),
    )  # fmt: skip
    go_on(session, [accepted.raw], columns.ACCEPTED, then)


def estimate(
    session: Session,
    report_type: Type = None,
    param: Params = [],  # noqa: B006
    params: ParamsFile = None,
    formats: Formats = [],  # noqa: B006
    *,
    shape: "JobOptions",
) -> None:
    """Estimate a report without creating it: rows, duration and likely problems."""
    given = typed_parameters(session, report_type, param, params)
    found = session.todoke.jobs.estimate(report_type, given, formats=format_names(formats), **shape)
    session.write.one(found.raw, columns.ESTIMATE, id_field="reportType")
    for caution in found.warnings:
        session.say(f"{caution.code}: {caution.message}")


class Then(NamedTuple):
    """What to do once jobs are accepted: nothing, or wait, and download."""

    wait: str | None
    folder: Path | None
    file: str | None
    cancel_on_interrupt: bool
    force: bool

    def checked(self) -> "Then":
        """Return itself. Raises WrongCall, before anything is sent."""
        if self.folder is not None and self.file is not None:
            raise WrongCall("use either --into or --file, not both")
        self.timeout()
        return self

    def timeout(self) -> float | None:
        """Return the longest wait in seconds; None for no limit. Raises WrongCall."""
        return seconds(self.wait, "--wait") if self.wait else None


def go_on(session: Session, accepted: Sequence[Raw], shown: Sequence[Column], then: Then) -> None:
    """Write the accepted jobs; or wait, and write their outcomes, or download their files. Raises Ended for a bad end.

    Each of several jobs has its own folder below that of `then`: their files may have the same names.
    """
    if then.wait is None and then.folder is None and then.file is None:
        for raw in accepted:
            session.write.one(raw, shown, id_field="jobId")
        return
    ids = [raw["jobId"] for raw in accepted]
    session.say("\n".join(f"{job_id} accepted" for job_id in ids))
    outcomes = follow(session, ids, timeout=then.timeout(), cancel_on_interrupt=then.cancel_on_interrupt)
    explain(outcomes)
    codes = [outcome.code for outcome in outcomes.values()]
    for job_id, outcome in outcomes.items():
        job = outcome.job
        if outcome.code is Exit.DONE and job is not None and then.file is not None:
            fetch_into(session, job, None, then.file, force=then.force)
        elif outcome.code is Exit.DONE and job is not None and then.folder is not None:
            fetch(session, job, then.folder / job_id if len(ids) > 1 else then.folder, None, force=then.force)
        elif job is not None:
            session.write.one(job.raw, columns.JOBS, id_field="jobId")
    if (code := worst(codes)) is not Exit.DONE:
        raise Ended(code)


def typed_parameters(
    session: Session, report_type: str | None, given: Sequence[str], file: str | None
) -> Mapping[str, Any] | None:
    """Return the parameters that the options set, typed by the report type's schema. The schema is fetched only if
    needed.
    """
    whole = parameters.read_file(file) if file else {}
    if given:
        whole |= parameters.parse(given, _schema(session, report_type))
    return whole or None


def _schema(session: Session, report_type: str | None) -> Mapping[str, Any]:
    if report_type is not None:
        return session.todoke.types.get(report_type).parameters
    found = session.todoke.types.list()
    return next((one.parameters for one in found.types if one.name == found.default), {})


def format_names(given: Sequence[str]) -> list[str] | None:
    """Return the formats; None if none is given."""
    return [name for one in given for name in one.split(",") if name] or None


def job_options(
    at: str | None, not_after: str | None, attempts: int | None, keep_files: str | None, keep: str | None,
    file_name: str | None, label: Sequence[str], priority: int | None,
) -> "JobOptions":  # fmt: skip
    """Turn the options about the job into JobOptions. Raises WrongCall."""
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
