"""`types`: what can be asked for."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from todoke.cli import columns, completion
from todoke.cli.common import command
from todoke.cli.output import Column, Form, field
from todoke.cli.session import Session


def add(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "types", "todoke types", "todoke types flights-export", "todoke types flights-export -o json")(types)


def types(
    session: Session,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One type, with its parameters.", show_default=False,
                       autocompletion=completion.types),
    ] = None,
) -> None:  # fmt: skip
    """List what can be asked for, or show one report type's parameters."""
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


_PARAMETERS = (
    Column("PARAMETER", field("name")), Column("TYPE", field("type")), Column("REQUIRED", field("required")),
    Column("DEFAULT", field("default")), Column("ABOUT", field("about")),
)  # fmt: skip


def _described(shape: Mapping[str, Any]) -> dict[str, object]:
    kind = shape.get("format") or shape.get("type") or "any"
    if "enum" in shape:
        kind = "one of " + ", ".join(map(str, shape["enum"]))
    elif shape.get("type") == "array":
        kind = f"list of {shape.get('items', {}).get('type', 'any')}"
    default = json.dumps(shape["default"], ensure_ascii=False) if "default" in shape else None
    return {"type": kind, "default": default, "about": shape.get("description") or shape.get("title")}
