"""`types`: the report types that can be requested."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from todoke.cli import columns, completion
from todoke.cli.common import command
from todoke.cli.exits import WrongCall
from todoke.cli.output import Column, Form, field
from todoke.cli.session import Session


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "types", "todoke types", "todoke types flights-export", "todoke types flights-export -o json",
            "todoke types flights-export --choices carriers")(types)  # fmt: skip


def types(
    session: Session,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Show this report type and its parameters.", show_default=False,
                       autocompletion=completion.types),
    ] = None,
    choices: Annotated[
        str | None, typer.Option("--choices", metavar="PARAMETER", help="List the allowed values of this parameter.")
    ] = None,
    param: Annotated[
        list[str],
        typer.Option("-p", "--param", metavar="NAME=VALUE", show_default=False,
                     help="With --choices: the value of another parameter."),
    ] = [],  # noqa: B006 - typer makes a new list for each call
) -> None:  # fmt: skip
    """List report types: one type's parameters, or the choices of a parameter."""
    if choices is not None:
        _choices(session, name, choices, param)
        return
    if name is None:
        found = session.todoke.types.list()
        session.write.whole(found.raw, [one.raw for one in found.types], columns.TYPES, id_field="name")
        return
    one = session.todoke.types.get(name)
    if session.write.form is not Form.TABLE:
        session.write.one(one.raw, columns.TYPES, id_field="name")
        return
    required = one.parameters.get("required", [])
    rows = [
        {"name": key, "required": key in required, **_described(shape)}
        for key, shape in one.parameters.get("properties", {}).items()
    ]
    session.say(f"{one.name} {one.version}: {one.title}\nformats: {', '.join(one.formats)}")
    session.write.each(rows, _PARAMETERS, id_field="name")


def _choices(session: Session, name: str | None, parameter: str, given: list[str]) -> None:
    if name is None:
        raise WrongCall("--choices: give the name of a report type, too")
    others: dict[str, list[str]] = {}
    for one in given:
        key, sign, value = one.partition("=")
        if not sign:
            raise WrongCall(f"-p {one}: write NAME=VALUE")
        others.setdefault(key, []).append(value)
    found = session.todoke.types.choices(name, parameter, others)
    session.write.whole(found.raw, [one.raw for one in found.choices], _CHOICES, id_field="value")
    if found.more:
        session.say("there are more choices")


_CHOICES = (Column("VALUE", field("value")), Column("TITLE", field("title"), prose=True))
_PARAMETERS = (
    Column("PARAMETER", field("name")), Column("TYPE", field("type")), Column("REQUIRED", field("required")),
    Column("DEFAULT", field("default")), Column("ABOUT", field("about"), prose=True),
)  # fmt: skip


_KINDS = {"date-time": "datetime", "int64": "integer"}
"""Formats of JSON Schema that have other names in report.toml."""


def kind_of(shape: Mapping[str, Any]) -> str:
    """Return the kind of a parameter, in the words of report.toml."""
    if "enum" in shape:
        return "one of " + ", ".join(map(str, shape["enum"]))
    if shape.get("type") == "array":
        return f"list of {kind_of(shape.get('items', {}))}"
    ways = [shape, *shape.get("anyOf", ())]
    if formats := [one["format"] for one in ways if "format" in one]:
        return _KINDS.get(formats[0], str(formats[0]))
    listed = [one["type"] for one in ways if "type" in one]
    types = {one for names in listed for one in (names if isinstance(names, list) else [names])} - {"null"}
    if types == {"number", "string"}:  # a text keeps all digits
        return "decimal"
    return " or ".join(sorted(types)) or "any"


def _described(shape: Mapping[str, Any]) -> dict[str, object]:
    default = json.dumps(shape["default"], ensure_ascii=False) if "default" in shape else None
    if "x-default" in shape:
        default = "from the data"
    return {"type": kind_of(shape), "default": default, "about": shape.get("description") or shape.get("title")}
