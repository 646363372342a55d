"""Parses plain values of the command line without the library that the parser loads for every value."""

from collections.abc import Callable
from enum import Enum
from typing import Any

# typer converts each value with pydantic, whose import is half of the processor time of a command: `python -X
# importtime -m todoke.cli types`. Texts, numbers and choices do not need it. Values that are not plain, or are wrong,
# take the parser's own way, so its messages stay. If a future typer no longer calls `get_runtime_param`, commands only
# become slower, and tests/client/test_command.py, which lists the modules that a command loads, fails.


def lighten(command: Any) -> Any:
    """Return the command with plain parameters, its own and those of all commands below it, parsed here."""
    of_the_parser = command.get_params

    def get_params(context: Any) -> Any:
        params = of_the_parser(context)
        for param in params:
            slow = getattr(param, "get_runtime_param", None)
            if slow is not None and not isinstance(getattr(slow, "__self__", None), _Light):
                param.get_runtime_param = _Light(param.type_descriptor, slow).get
        return params

    command.get_params = get_params
    for inner in getattr(command, "commands", {}).values():
        lighten(inner)
    return command


class _Light:
    """Replaces a parameter's own coercion, and delegates everything that is not plain to it."""

    def __init__(self, described: Any, slow: Callable[[], Any]) -> None:
        self._wanted = described.annotation
        self._info = described.parameter_info
        self._slow = slow

    def get(self) -> "_Light":
        """Called by the parser to get the coercion of a parameter."""
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Convert the value for the command. Raises what the parser raises for a wrong one."""
        read = None
        if value is None and not (param.multiple or param.nargs == -1):
            return None
        if self._info.parser is None:
            read = _plain(self._wanted, value, self._info)
        return self._slow().coerce(value, param=param, ctx=ctx) if read is None else read


def _plain(wanted: Any, value: Any, info: Any) -> Any:
    """Convert the value; None if it is not plain or not valid."""
    if wanted == list[str]:
        given = () if value is None else value
        return list(given) if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given) else None
    if wanted is str or wanted is bool:
        return value if isinstance(value, wanted) else None
    if wanted is int:
        return _number(value, info)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return next((one for one in wanted if value in (one, one.value)), None)
    return None


def _number(value: Any, info: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or info.clamp:
        return None
    fits = (info.min is None or value >= info.min) and (info.max is None or value <= info.max)
    return value if fits else None
