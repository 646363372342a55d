"""The application: its commands, and what becomes of everything that can go wrong in one."""

import json
import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from todoke import errors
from todoke.cli import (
    commands_access,
    commands_files,
    commands_jobs,
    commands_many,
    commands_profile,
    commands_submit,
    commands_types,
    help_topics,
)
from todoke.cli.exits import Ended, Exit, exit_of
from todoke.cli.terminal import say


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        name="todoke",
        help="Ask Todoke for reports, wait for them, and download them, verified.",
        epilog="More: todoke help exit-codes | environment | output",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for commands in (
        commands_submit, commands_many, commands_jobs, commands_files, commands_types, commands_profile,
        commands_access, help_topics,
    ):  # fmt: skip
        commands.add(app)
    return app


def _versions(wanted: bool) -> None:
    if not wanted:
        return
    from todoke.cli.versions import lines

    for line in lines():
        typer.echo(line)
    raise typer.Exit(Exit.DONE)


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show versions and exit.", is_eager=True, callback=_versions)
    ] = False,
) -> None:
    """The options of the whole; the parser calls this for what stands before a command."""


def run(arguments: Sequence[str]) -> int:
    """Run one command. Returns its exit code."""
    try:
        code = application()(args=_with_values(arguments), prog_name="todoke", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except Ended as ended:
        return _closed_pipe() if ended.code is Exit.CLOSED_PIPE else _flushed(ended.code)
    except BrokenPipeError:
        return _closed_pipe()
    except KeyboardInterrupt:
        return int(Exit.INTERRUPTED)
    except typer.Abort:
        return int(Exit.INTERRUPTED)
    except typer.TyperException as error:
        say(f"todoke: {error.format_message()}")
        return int(Exit.WRONG_CALL)
    except (errors.TodokeError, ValueError, OSError) as error:
        _tell(error, arguments)
        return _flushed(exit_of(error))


def _with_values(arguments: Sequence[str]) -> list[str]:
    """`--wait` alone means without a limit; the parser wants a value for each option that may have one."""
    return ["--wait=" if one == "--wait" else one for one in arguments]


def _tell(error: Exception, arguments: Sequence[str]) -> None:
    wants_json = any(re.fullmatch(r"(-o=?|--output=)?jsonl?", one) for one in arguments)
    if isinstance(error, errors.ApiError) and wants_json and error.problem:
        say(json.dumps(error.problem, ensure_ascii=False))
    else:
        say(f"todoke: {error}")


def _flushed(code: Exit) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    return int(code)


def _closed_pipe() -> int:
    """Whoever read has left: nothing more is written, not even at the end of the process."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return int(Exit.CLOSED_PIPE)
