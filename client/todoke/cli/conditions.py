"""The options for the notification of a job's end, and its conditions."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from todoke.cli.exits import WrongCall

Callback = Annotated[
    str | None,
    typer.Option(
        "--callback-url", metavar="URL", help="Notify this address when the job ends; its host needs a webhook."
    ),
]
NotifyWhen = Annotated[
    list[str] | None,
    typer.Option("--notify-when", metavar="WHEN", show_default=False,
                 help="rows, failure, or a bound such as 'rows>1000'; may be repeated. Default: always."),
]  # fmt: skip
ALWAYS = "always"
_BOUND = re.compile(r"\s*([^<>\s]+)\s*([<>])\s*(\S+)\s*")


def told(callback: str | None, notify_when: Sequence[str] | None) -> dict[str, Any]:
    """Turn the options about the callback into options of a job or a schedule. Raises WrongCall."""
    found = {"callback_url": callback or None, "notify_when": conditions(notify_when)}
    return {name: value for name, value in found.items() if value is not None}


def conditions(given: Sequence[str] | None) -> list[str | Mapping[str, object]] | None:
    """Return the conditions as the API takes them; None if none is given or the word is `always`. Raises WrongCall."""
    if not given or list(given) == [ALWAYS]:
        return None
    return [_condition(one) for one in given]


def _condition(text: str) -> str | Mapping[str, object]:
    bound = _BOUND.fullmatch(text)
    if bound is None:
        return text
    figure, sign, number = bound.groups()
    try:
        value = float(number)
    except ValueError:
        raise WrongCall(f"--notify-when {text!r}: {number!r} is not a number") from None
    return {"figure": figure, "above" if sign == ">" else "below": int(value) if value.is_integer() else value}
