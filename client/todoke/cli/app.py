"""The application: its commands, and how their errors are handled."""

import json
import os
import re
import sys
from collections.abc import Container, Sequence
from typing import Annotated

import typer

from todoke import errors
from todoke.cli import (
    commands_access,
    commands_admin,
    commands_bulk,
    commands_files,
    commands_jobs,
    commands_many,
    commands_profile,
    commands_retry,
    commands_rows,
    commands_schedules,
    commands_share,
    commands_submit,
    commands_types,
    commands_webhooks,
    help_topics,
    shells,
)
from todoke.cli.exits import Ended, Exit, exit_of
from todoke.cli.light_values import lighten
from todoke.cli.profiles import DEFAULT_URL
from todoke.cli.terminal import say

_COMPLETING = "_TODOKE_COMPLETE"
"""The variable that a shell sets when it asks for a completion."""


def application(words: Container[str] | None = None) -> typer.Typer:
    """Build the command line. With `words`, other commands get their help only and no options, which are slow to
    describe.
    """
    app = typer.Typer(
        name="todoke",
        help="Request reports from Todoke, wait for them, and download and verify their files.",
        epilog="More: todoke help exit-codes | environment | output",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,  # its options cannot name a shell: `shells` has some that can
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    shells.let_complete()
    app.callback()(_root)
    for commands in (
        commands_submit, commands_retry, commands_many, commands_jobs, commands_bulk, commands_rows, commands_files,
        commands_schedules, commands_share, commands_webhooks, commands_types, commands_profile, commands_access,
        commands_admin, help_topics,
    ):  # fmt: skip
        commands.add(app)
    if words is not None:
        _describe_only(app, words)
    return app


def _describe_only(group: typer.Typer, words: Container[str]) -> None:
    for command in group.registered_commands:
        if command.name not in words:
            command.callback = _not_named
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            _describe_only(inner.typer_instance, words)


def _not_named() -> None:
    """Stands for a command that is not called."""


def _words(arguments: Sequence[str]) -> set[str]:
    """Return every word that may name a command: of the call, or of the line that a shell wants completed."""
    line = os.environ.get("COMP_WORDS", "") + " " + os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return {*arguments, *line.split()}


def _versions(wanted: bool) -> None:
    if not wanted:
        return
    from todoke.cli.versions import lines

    for line in lines():
        typer.echo(line)
    raise typer.Exit(Exit.DONE)


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the client and server versions and exit.", is_eager=True, callback=_versions
        ),
    ] = False,
    install_completion: Annotated[str | None, shells.INSTALLING] = None,
    show_completion: Annotated[str | None, shells.SHOWING] = None,
) -> None:
    """The global options; the parser calls this with what comes before a command."""


def run(arguments: Sequence[str]) -> int:
    """Run one command. Returns its exit code."""
    arguments = _by_its_own_name(arguments)
    try:
        command = lighten(typer.main.get_command(application(_words(arguments))))
        code = command(args=_with_values(arguments), prog_name="todoke", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except Ended as ended:
        return _closed_pipe() if ended.code is Exit.CLOSED_PIPE else _flushed(ended.code)
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit as ended:  # the parser's own exit: of a completion or its installation, or of a closed pipe
        if _COMPLETING in os.environ or not ended.code:
            raise
        return _closed_pipe()
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except typer.Abort:
        return int(Exit.INTERRUPTED)
    except typer.TyperException as error:
        told = error.format_message()
        say(told if told.startswith("Usage: ") else f"todoke: {told}")  # help, where a command is missing
        return int(Exit.WRONG_CALL)
    except (errors.TodokeError, ValueError, OSError) as error:
        _tell(error, arguments)
        return _flushed(exit_of(error))


_OTHER_NAMES = {"dlq": "dead-letters", "outbox": "parked"}
"""The names that `todoke-server` uses for commands of `admin`."""


def _by_its_own_name(arguments: Sequence[str]) -> Sequence[str]:
    if len(arguments) > 1 and arguments[0] == "admin":
        return [arguments[0], _OTHER_NAMES.get(arguments[1], arguments[1]), *arguments[2:]]
    return arguments


def _with_values(arguments: Sequence[str]) -> list[str]:
    """`--wait` alone means without a limit; the parser wants a value for each option that may have one."""
    return ["--wait=" if one == "--wait" else one for one in shells.joined(arguments)]


def _tell(error: Exception, arguments: Sequence[str]) -> None:
    wants_json = any(re.fullmatch(r"(-o=?|--output=)?jsonl?", one) for one in arguments)
    if isinstance(error, errors.ApiError) and wants_json and error.problem:
        say(json.dumps(error.problem, ensure_ascii=False))
    else:
        if isinstance(error, errors.Unauthorized):
            error.hint = "Sign in with `todoke login`, or set TODOKE_API_KEY."
        say(f"todoke: {error}")
        if isinstance(error, errors.ConnectionFailed) and DEFAULT_URL in str(error):
            say("This is the default address. Set another with --url, TODOKE_URL or `todoke login --at URL`.")


def _flushed(code: Exit) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    return int(code)


def _closed_pipe() -> int:
    """The reader has closed the pipe: write nothing more, not even at the end of the process."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return int(Exit.CLOSED_PIPE)
