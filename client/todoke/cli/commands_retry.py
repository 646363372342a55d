"""`retry`: repeats ended jobs."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from todoke.cli import columns
from todoke.cli.commands_jobs import Ids
from todoke.cli.commands_submit import (
    CancelOnInterrupt,
    File,
    Folder,
    Force,
    Formats,
    Key,
    Params,
    ParamsFile,
    Then,
    Wait,
    format_names,
    go_on,
    typed_parameters,
)
from todoke.cli.common import command
from todoke.cli.exits import Ended, Exit, WrongCall, exit_of, worst
from todoke.cli.passwords import NoPassword, PasswordFile, password_in, protected
from todoke.cli.session import Session
from todoke.cli.terminal import say
from todoke.errors import TodokeError

if TYPE_CHECKING:
    from todoke.models import Retried
    from todoke.options import JobOptions


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app, "retry",
        "todoke retry 019acb2e-7c41-7e02-9a51-0e5b1a6c7f10 --wait",
        "todoke retry 019acb2e-7c41-7e02-9a51-0e5b1a6c7f10 -p to=2013-02-28 -f pdf",
        "todoke jobs --status FAILED -o id | xargs todoke retry --wait",
        shaped=True,
    )(retry)  # fmt: skip


def retry(
    session: Session,
    ids: Ids,
    param: Params = [],  # noqa: B006 - typer makes a new list for each call
    params: ParamsFile = None,
    formats: Formats = [],  # noqa: B006
    password_file: PasswordFile = None,
    no_password: NoPassword = False,
    idempotency_key: Key = None,
    wait: Wait = None,
    folder: Folder = None,
    file: File = None,
    cancel_on_interrupt: CancelOnInterrupt = False,
    force: Force = False,
    *,
    shape: "JobOptions",
) -> None:
    """Run ended jobs again: with changed parameters or formats, if given.

    Everything else stays as it was; NAME:=null resets a parameter to its default. Passwords are not stored: for files
    that had one, give --password-file or --no-password. A job that cannot be run again
    does not affect the others; the exit code is the worst one. With several jobs, --into gets a folder for each.
    """
    then = Then(wait, folder, file, cancel_on_interrupt, force).checked()
    olds = list(dict.fromkeys(ids))
    if len(olds) > 1 and (file is not None or idempotency_key is not None):
        raise WrongCall("retry: --file and --idempotency-key work with one job only")

    if no_password and password_file is not None:
        raise WrongCall("retry: use either --password-file or --no-password, not both")
    password = protected("" if no_password else password_in(password_file, params=params))

    def again(job_id: str) -> "Retried":
        old = session.todoke.jobs.get(job_id) if param else None
        given = typed_parameters(session, old.report_type if old else None, param, params)
        return session.todoke.jobs.retry(
            job_id, given, formats=format_names(formats), idempotency_key=idempotency_key, **(shape | password)
        )

    if len(olds) == 1:
        made, codes = [again(olds[0])], list[Exit]()
    else:
        made, codes = _each(olds, again)
    if any(one.report_version_changed for one in made):
        session.say("the report type's version has changed since the original job")
    if made:
        try:
            go_on(session, [one.raw for one in made], columns.ACCEPTED, then)
        except Ended as ended:
            codes.insert(0, ended.code)  # Ctrl-C takes precedence over refusals
    if codes:
        raise Ended(worst(codes))


def _each(olds: list[str], again: Callable[[str], "Retried"]) -> tuple[list["Retried"], list[Exit]]:
    """Return the new jobs, and the exit codes of those that cannot be retried, which are reported."""
    made, codes = [], []
    for job_id in olds:
        try:
            made.append(again(job_id))
        except (TodokeError, ValueError) as error:
            say(f"{job_id}: {error}")
            codes.append(exit_of(error))
    return made, codes
