"""Sets up completion in a shell: the one that the command runs in, or a named one."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import shellingham
import typer
from typer import completion

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
"""The shells that typer has a script for."""
INSTALL, SHOW = "--install-completion", "--show-completion"


def let_complete() -> None:
    """Register typer's completion with the parser, as typer does for its own options."""
    completion.get_completion_inspect_parameters()


def install(context: typer.Context, option: Any, shell: str | None) -> None:
    """Set the shell up, and exit. Raises BadParameter if none is named and none is found."""
    if shell is not None and not context.resilient_parsing:
        completion.install_callback(context, option, _known(option, shell))


def show(context: typer.Context, option: Any, shell: str | None) -> None:
    """Print the shell's script, and exit. Raises as `install` does."""
    if shell is not None and not context.resilient_parsing:
        completion.show_callback(context, option, _known(option, shell))


def joined(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with a value for each of the two options: the word that follows, or an empty one."""
    found: list[str] = []
    for one in arguments:
        if found and found[-1] in {f"{INSTALL}=", f"{SHOW}="} and not one.startswith("-"):
            found[-1] += one
        else:
            found.append(f"{one}=" if one in {INSTALL, SHOW} else one)
    return found


def _known(option: Any, shell: str) -> str:
    shell = shell or _found(option)
    if shell not in SHELLS:
        _refuse(option, f"completion is not available for {shell}")
    return shell


def _found(option: Any) -> str:
    try:
        name: str = shellingham.detect_shell()[0]
    except shellingham.ShellDetectionFailure:
        _refuse(option, "no shell was found that this command was typed into")
    return name


def _refuse(option: Any, why: str) -> NoReturn:
    named = option.opts[0]
    raise typer.BadParameter(f"{why}. Name one: {named} {SHELLS[0]} (or {', '.join(SHELLS[1:])})", param=option)


def _option(name: str, callback: Callable[..., None], told: str) -> Any:
    return typer.Option(name, metavar="[SHELL]", is_eager=True, callback=callback, show_default=False, help=told)


INSTALLING = _option(INSTALL, install, f"Install completion for this shell or the named one: {', '.join(SHELLS)}.")
SHOWING = _option(SHOW, show, "Print the completion script.")
"""The options themselves."""
