"""The password of a report's files: from a file, a pipe or a prompt, and never from the command line."""

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from todoke.cli.exits import WrongCall
from todoke.cli.terminal import is_terminal

if TYPE_CHECKING:
    from todoke.options import JobOptions

PasswordFile = Annotated[
    str | None,
    typer.Option("--password-file", metavar="FILE",
                 help="Protect PDF and XLSX with the password in this file's first line; - for stdin or a prompt."),
]  # fmt: skip

NoPassword = Annotated[bool, typer.Option("--no-password", help="Create the files without a password.")]


def password_in(file: str | None, *, params: str | None = None) -> str | None:
    """Read the password; None if no file is named. `params` is the other option that may read stdin.
    Raises WrongCall.
    """
    if file is None:
        return None
    if file == "-" and params == "-":
        raise WrongCall("--password-file - and --params - both read stdin: use a file for one of them")
    found = _typed() if file == "-" else _first_line(file)
    if not found:
        raise WrongCall(f"--password-file {file}: its first line is empty")
    return found


def protected(password: str | None) -> "JobOptions":
    """The password as an option of a job."""
    return {} if password is None else {"password": password}


def _typed() -> str:
    if not is_terminal(sys.stdin):
        return sys.stdin.readline().rstrip("\r\n")
    found = getpass.getpass("File password: ")
    if getpass.getpass("Repeat the password: ") != found:
        raise WrongCall("--password-file -: the two passwords differ")
    return found


def _first_line(file: str) -> str:
    try:
        with Path(file).open(encoding="utf-8") as lines:
            return lines.readline().rstrip("\r\n")
    except OSError as error:
        raise WrongCall(f"--password-file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongCall(f"--password-file {file}: it is not text in UTF-8") from None
