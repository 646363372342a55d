"""Reads `[parameters.NAME]` of report.toml."""

import re
from collections.abc import Mapping
from dataclasses import replace

from shared.catalog.moment import Moment
from shared.catalog.parameter import ChoiceQuery, Parameter, ParameterKind
from shared.catalog.parameters import check_value, has_words
from shared.catalog.pattern import UnusablePattern, check_pattern
from shared.catalog.query import BUILT_IN, query_problems
from shared.catalog.toml import Table
from shared.catalog.values import Refused, parse, store
from shared.suggest import did_you_mean

_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PARAMETER_KEYS = ("type", "title", "description", "required", "default")
_CONSTRAINTS: Mapping[ParameterKind, tuple[str, ...]] = {
    ParameterKind.STRING: ("min", "max", "pattern"),
    ParameterKind.INTEGER: ("min", "max"),
    ParameterKind.DECIMAL: ("min", "max"),
    ParameterKind.BOOLEAN: (),
    ParameterKind.DATE: ("min", "max"),
    ParameterKind.DATETIME: ("min", "max"),
    ParameterKind.CHOICE: ("choices",),
    ParameterKind.LIST: ("items", "min", "max", "pattern", "choices"),
}
ALL_CONSTRAINTS = _CONSTRAINTS[ParameterKind.LIST]
_COUNTED = (ParameterKind.STRING, ParameterKind.LIST)
"""Kinds whose min and max count characters or items."""

CHOICES_KEYS = ("query", "strict")
DEFAULT_KEYS = ("query",)
_MOST_COUNTED = 100_000
"""The most characters or items that a parameter may allow: a request's body is 256 KiB at most."""


def parameter(name: str, table: Table) -> Parameter:
    """Read one parameter."""
    if name in BUILT_IN:
        table.wrong("", f"is Todoke's own: use :{name} in query.sql without declaring it, or choose another name")
    if not _PARAMETER_NAME.fullmatch(name):
        table.wrong("", "rename it to lower-case letters, digits and underscores, a letter first, 63 at most")
    kind = _kind(table, "type", [str(one) for one in ParameterKind])
    if kind is None:
        return Parameter(name, ParameterKind.STRING, name)
    items = None
    if kind is ParameterKind.LIST:
        scalars = [str(one) for one in ParameterKind if one is not ParameterKind.LIST]
        items = _kind(table, "items", scalars) or ParameterKind.STRING
    _check_keys(table, kind, items)
    choices, choice_query = _choices(table, kind, items)
    found = Parameter(
        name=name,
        kind=kind,
        title=table.text("title") or name.replace("_", " ").capitalize(),
        description=table.text("description"),
        required=table.flag("required"),
        minimum=_bound(table, "min", kind),
        maximum=_bound(table, "max", kind),
        pattern=_pattern(table),
        choices=choices,
        choice_query=choice_query,
        items=items,
    )
    _check_order(table, found)
    return _with_default(table, found)


def _kind(table: Table, key: str, known: list[str]) -> ParameterKind | None:
    name = table.text(key)
    if name in known:
        return ParameterKind(name)
    said = f"{name!r} is not a type" if name else "is missing"
    table.wrong(key, f"{said}{did_you_mean(name, known)}")
    return None


def _check_keys(table: Table, kind: ParameterKind, items: ParameterKind | None) -> None:
    table.only([*PARAMETER_KEYS, *ALL_CONSTRAINTS])
    allowed = list(_CONSTRAINTS[kind])
    if items is not None:
        allowed = [key for key in allowed if key in {"items", "min", "max"} or key in _CONSTRAINTS[items]]
    if table.is_table("choices") and (items or kind) is ParameterKind.STRING:
        allowed.append("choices")  # a query may suggest values for any text
    what = f"list of {items}" if items else str(kind)
    for key in ALL_CONSTRAINTS:
        if key in table and key not in allowed:
            table.wrong(key, f"means nothing for a {what}: remove it")


def _bound(table: Table, key: str, kind: ParameterKind) -> object:
    if kind in _COUNTED:
        return table.whole(key, 0, _MOST_COUNTED)
    if key not in table or key not in _CONSTRAINTS[kind]:
        return None
    try:
        return store(kind, parse(kind, table.json(key)))
    except Refused as refused:
        table.wrong(key, str(refused))
        return None


def _check_order(table: Table, parameter: Parameter) -> None:
    low, high = parameter.minimum, parameter.maximum
    if low is None or high is None:
        return
    if parameter.kind not in _COUNTED:
        low, high = parse(parameter.kind, low), parse(parameter.kind, high)
    if low > high:  # type: ignore[operator] # both came from the parser of one kind
        table.wrong("min", "is above max: swap them")


def _pattern(table: Table) -> str | None:
    pattern = table.text("pattern")
    if not pattern:
        return None
    try:
        check_pattern(pattern)
    except UnusablePattern as unusable:
        table.wrong("pattern", str(unusable))
        return None
    return pattern


def _choices(
    table: Table, kind: ParameterKind, items: ParameterKind | None
) -> tuple[tuple[str, ...], ChoiceQuery | None]:
    """Read the listed choices, or the query that returns them."""
    if table.is_table("choices"):
        return (), _choice_query(table.table("choices"))
    choices = table.strings("choices")
    if choices is None and "choices" not in table and ParameterKind.CHOICE in {kind, items}:
        table.wrong("", 'has no choices: write choices = ["…", "…"], or [parameters.NAME.choices] with a query')
    for choice in choices or ():
        try:
            parse(ParameterKind.CHOICE, choice)
        except Refused as refused:
            table.wrong("choices", f"{choice!r} {refused}")
    return choices or (), None


def _choice_query(table: Table) -> ChoiceQuery:
    table.only(CHOICES_KEYS)
    query = table.text("query")
    for _, problem in query_problems(query):
        table.wrong("query", problem)
    return ChoiceQuery(query, strict=table.flag("strict"))


def _default_query(table: Table, parameter: Parameter) -> str:
    table.only(DEFAULT_KEYS)
    query = table.text("query")
    if parameter.kind is ParameterKind.LIST:
        table.wrong("query", "gives one value, and a list has several: write the values, or another type")
    for _, problem in query_problems(query):
        table.wrong("query", problem)
    return query


def _with_default(table: Table, parameter: Parameter) -> Parameter:
    if "default" not in table:
        return parameter
    if parameter.required:
        table.wrong("default", "is never used, because the parameter is required: remove one of the two")
        return parameter
    if table.is_table("default"):
        return replace(parameter, default_query=_default_query(table.table("default"), parameter))
    given = table.json("default")
    default, violations = check_value(parameter, given, "default", Moment.now())
    if has_words(parameter, given):  # what they stand for changes, and so may lie outside min and max today
        violations = [v for v in violations if v.code not in {"minimum", "maximum"}]
        default = given
    for violation in violations:
        index = violation.field.removeprefix("default")
        table.wrong("default", f"{index} {violation.message}".strip())
    return parameter if violations else replace(parameter, default=default)
