"""Describes what is wrong with an environment, for operators. Values are shown only where they cannot be secret."""

import difflib
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import annotated_types
from pydantic_core import ErrorDetails

_HARMLESS = re.compile(r"[-+]?[0-9][0-9.,_ ]{0,14}[A-Za-z%]{0,3}")
"""A number, perhaps with a unit. Anything else may be a password in the wrong place."""
_BOUNDS = {
    annotated_types.Ge: "at least {}",
    annotated_types.Gt: "more than {}",
    annotated_types.Le: "at most {}",
    annotated_types.Lt: "less than {}",
}


def without_password(url: str | None) -> str | None:
    """Return the URL. Raises ValueError if it contains a user name: logs and clients see this URL."""
    if url is not None and "@" in url.partition("//")[2].partition("/")[0]:
        raise ValueError("must hold no user name and no password: credentials come the standard AWS way")
    return url


def missing(variable: str, field: Any, environment: Mapping[str, str], known: Iterable[str]) -> str:
    """Describe a missing variable.

    A typing error shows as one variable missing and a similar one that nobody reads.
    """
    near = difflib.get_close_matches(variable, set(environment) - set(known), n=1, cutoff=0.8)
    hint = f" (found {near[0]}; is that a typo?)" if near else ""
    return f"{variable} is not set{hint}: {field.description or 'required'}"


def explain(problem: ErrorDetails, variable: str, field: Any, value: str) -> str:
    """Describe an invalid value: what it must be, and what it is if that may be shown."""
    if problem["type"] == "value_error":
        return f"{variable}: {problem['msg'].removeprefix('Value error, ')}"
    if problem["type"] == "finite_number":
        return f"{variable}: must be {_kind(field, value)}, neither infinite nor NaN"
    received = f", not {value.strip()}" if _HARMLESS.fullmatch(value.strip()) else ""
    return f"{variable}: must be {_kind(field, value)}{received}"


def _kind(field: Any, value: str) -> str:
    choices = typing.get_args(field.annotation) if typing.get_origin(field.annotation) is typing.Literal else ()
    if choices:
        near = difflib.get_close_matches(value.lower(), {str(c).lower(): c for c in choices}, n=1, cutoff=0.5)
        shown = [str(c) for c in choices if near and str(c).lower() == near[0]]
        return f"one of {', '.join(map(str, choices))}" + (f"; did you mean {shown[0]!r}?" if shown else "")
    types = {field.annotation, *typing.get_args(field.annotation)}
    if int in types or float in types:
        bounds = [words.format(f"{_bound(one):,.12g}") for one in field.metadata if (words := _BOUNDS.get(type(one)))]
        return ("a whole number" if int in types else "a number") + (f", {' and '.join(bounds)}" if bounds else "")
    return f"of another form ({field.description})"


def _bound(one: Any) -> float:
    return float(next(getattr(one, name) for name in ("ge", "gt", "le", "lt") if hasattr(one, name)))


def near_misses(environment: Mapping[str, str], known: Sequence[str]) -> Iterator[str]:
    """Yield variables that nobody reads and that differ from an unset one of ours by a typing error.

    Other unknown names are left alone, even with our prefix: Kubernetes sets `API_PORT_80_TCP` and the like.
    """
    ours = {name.partition("_")[0] for name in known}
    read = {*known, *(f"{name}_FILE" for name in known)}
    unset = [name for name in known if not environment.get(name) and not environment.get(f"{name}_FILE")]
    for name in sorted(set(environment) - read):
        if name.partition("_")[0] in ours and environment[name]:
            near = [one for one in unset if _typing_errors(name, one) <= _MOST_ERRORS]
            if near:
                yield f"{name} is not a setting; did you mean {near[0]}? Rename it, or remove it"


_MOST_ERRORS = 2


def _typing_errors(one: str, other: str) -> int:
    """Return the number of letters added, left out, replaced, or swapped with a neighbour (optimal string alignment
    distance).
    """
    if abs(len(one) - len(other)) > _MOST_ERRORS:
        return _MOST_ERRORS + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, row, older = row, [i], before
        for j, wanted in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        before = last
    return row[-1]
