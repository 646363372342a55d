"""The options that shape a report's files, for every command that requests one."""

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from todoke.cli.exits import WrongCall

if TYPE_CHECKING:
    from todoke.options import JobOptions

_TimeZone = Annotated[
    str | None,
    typer.Option("--time-zone", metavar="ZONE", help="Time zone for times and for relative dates such as `yesterday`."),
]
_Locale = Annotated[
    str | None,
    typer.Option("--locale", metavar="LANGUAGE", help="Language of document texts, among those of the type."),
]
_Columns = Annotated[
    list[str],
    typer.Option("--columns", metavar="A,B", help="Only these columns, in this order.", show_default=False),
]
_Sort = Annotated[
    list[str],
    typer.Option("--sort", metavar="A,-B", help="Sort by these columns; prefix - for descending.", show_default=False),
]
_Limit = Annotated[int | None, typer.Option("--limit", metavar="N", help="Maximum rows, applied after sorting.")]


_Csv = Annotated[
    list[str],
    typer.Option("--csv", metavar="NAME=VALUE", show_default=False,
                 help="A CSV option: delimiter, decimal-mark, header, encoding, gzip …; may be repeated."),
]  # fmt: skip


def _shape(
    time_zone: _TimeZone = None,
    locale: _Locale = None,
    columns: _Columns = [],  # noqa: B006 - typer makes a new list for each call
    sort: _Sort = [],  # noqa: B006
    limit: _Limit = None,
    csv: _Csv = [],  # noqa: B006
) -> None:
    """The options."""


OPTIONS = inspect.signature(_shape).parameters
"""By the names under which a command gets them."""


def read(given: Mapping[str, Any]) -> "JobOptions":
    """Turn the given options into JobOptions."""
    found = {
        "time_zone": given.get("time_zone"),
        "locale": given["locale"],
        "columns": _names(given["columns"]),
        "sort": _names(given["sort"]),
        "limit": given["limit"],
        "csv": _dialect(given["csv"]),
    }
    return cast("JobOptions", {name: value for name, value in found.items() if value is not None})


_FLAGS = {"true": True, "yes": True, "false": False, "no": False}


def _dialect(given: Sequence[str]) -> dict[str, object] | None:
    """Parse `delimiter=;` and so on; the server reports best which names and values exist. Raises WrongCall."""
    found: dict[str, object] = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name:
            raise WrongCall(f"--csv {one}: write NAME=VALUE, such as --csv 'delimiter=;' or --csv gzip=true")
        found[name.replace("-", "_")] = _FLAGS.get(value, "\t" if value in {"tab", "\\t"} else value)
    return found or None


def _names(given: Sequence[str]) -> list[str] | None:
    return [name for one in given for name in one.split(",") if name] or None
