"""What all commands share: their options, their help, and how they are added to the application."""

import inspect
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from todoke.cli import shape_options
from todoke.cli.durations import seconds
from todoke.cli.exits import Ended, Exit
from todoke.cli.output import Form
from todoke.cli.session import Session

_Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The API's address (TODOKE_URL).", show_default=False)
]
_Profile = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="A profile of `todoke login` (TODOKE_PROFILE).")
]
_Output = Annotated[
    Form | None,
    typer.Option("--output", "-o", help="Output format: see `todoke help output`.", show_default=False),
]
_Fields = Annotated[str | None, typer.Option("--fields", metavar="A,B", help="Only these fields of the API's answer.")]
_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show requests and their ids.")]
_MaxWait = Annotated[
    str, typer.Option("--max-wait", metavar="TIME", help="Longest wait that a busy server may ask for.")
]


def _common(
    url: _Url = None,
    profile: _Profile = None,
    output: _Output = None,
    fields: _Fields = None,
    quiet: _Quiet = False,
    verbose: _Verbose = False,
    max_wait: _MaxWait = "60s",
) -> None:
    """The options of every command that calls the API."""


COMMON = inspect.signature(_common).parameters
"""The options that every command has, by name."""


def group(told: str) -> typer.Typer:
    """Build a group of commands under one name; the name alone shows its help."""
    return typer.Typer(help=told, short_help=_short(told), no_args_is_help=True, rich_markup_mode=None)


def command(
    app: typer.Typer, name: str, *examples: str, without: tuple[str, ...] = (), shaped: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function to the application: its first parameter is the session, the others are the command's own.

    The help consists of the docstring, the examples, and the options. A `shaped` command also has the options of
    `shape_options`, and gets their values as `shape`. `without` names common options that make no sense for this
    command.
    """
    shape = {key: one for key, one in shape_options.OPTIONS.items() if shaped and key not in without}
    common = {key: one for key, one in COMMON.items() if key not in without}

    def add(function: Callable[..., None]) -> Callable[..., None]:
        signature = list(inspect.signature(function).parameters.values())[1:]
        own = [*(one for one in signature if not shaped or one.name != "shape"), *shape.values()]
        keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *common.values())]

        def run(**given: Any) -> None:
            said = {key: given.pop(key) for key in common}
            if shaped:
                given["shape"] = shape_options.read({key: given.pop(key) for key in shape})
            said["max_wait"] = seconds(said.get("max_wait", "60s"), "--max-wait")
            try:
                function(Session(**said), **given)
                sys.stdout.flush()
            except BrokenPipeError:  # the parser would report it as an error
                raise Ended(Exit.CLOSED_PIPE) from None

        run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in keyword}
        run.__name__ = function.__name__
        text = inspect.getdoc(function) or ""
        app.command(name, help=_help(text, examples), short_help=_short(text))(run)
        return function

    return add


def _short(text: str) -> str:
    """Return the beginning of the first sentence, up to a colon: a line in the list of commands."""
    return re.split(r"[.:](?:\s|$)", text, maxsplit=1)[0] + "."


def _help(text: str, examples: tuple[str, ...]) -> str:
    if not examples:
        return text
    first, _, rest = text.partition("\n\n")
    shown = "\n".join(["\b", "Examples:", *(f"  {one}" for one in examples)])
    return "\n\n".join(part for part in (first, shown, rest) if part)
