"""The parameters of a report type in Python, as its pydantic model describes them in JSON Schema.

The model validates requests; what is here is for forms, samples and dates in words.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from shared.catalog.parameter import Parameter, ParameterKind

Schema = Mapping[str, Any]
Described = Mapping[str, Any]
"""What `Parameter` needs to know of a value, by the names of its fields."""

_STRINGS = {"date": ParameterKind.DATE, "date-time": ParameterKind.DATETIME}
"""The kinds of strings that are more than text, by their formats."""


class ModelParameters(NamedTuple):
    """The parameters of a model."""

    parameters: tuple[Parameter, ...]
    single_values: bool
    """False if one of them is neither a single value nor a list of them. It is a `string` here."""


def read_model(model: type[BaseModel]) -> ModelParameters:
    """Return one parameter for each field of the model."""
    whole = model.model_json_schema()
    found, known = [], True
    for name, field in model.model_fields.items():
        schema: Schema = whole.get("properties", {}).get(name, {})
        described = _described(schema, whole)
        known = known and described is not None
        found.append(
            Parameter(
                name=name,
                title=field.title or name.replace("_", " ").capitalize(),
                description=schema.get("description", ""),
                required=field.is_required(),
                default=schema.get("default"),
                **(described or {"kind": ParameterKind.STRING}),
            )
        )
    return ModelParameters(tuple(found), known)


def _described(schema: Schema, whole: Schema) -> Described | None:
    """Return what the schema says of a value; None if it is neither a single value nor a list of them."""
    schema = _without_null(schema, whole)
    if choices := schema.get("enum", [schema["const"]] if "const" in schema else None):
        texts = all(isinstance(one, str) for one in choices)
        return {"kind": ParameterKind.CHOICE, "choices": tuple(choices)} if texts else None
    match schema.get("type"):
        case "array":
            return _list(schema, whole)
        case "boolean":
            return {"kind": ParameterKind.BOOLEAN}
        case "integer":
            return {"kind": ParameterKind.INTEGER, **_bounds(schema, "minimum", "maximum")}
        case "number":
            return {"kind": ParameterKind.DECIMAL, **_bounds(schema, "minimum", "maximum")}
        case "string" if kind := _STRINGS.get(schema.get("format", "")):
            return {"kind": kind}
        case "string":
            return {"kind": ParameterKind.STRING, **_bounds(schema, "minLength", "maxLength")}
    return None


def _list(schema: Schema, whole: Schema) -> Described | None:
    one = _without_null(schema.get("items", {}), whole)
    item = None if one.get("type") == "array" else _described(one, whole)
    if item is None:
        return None
    bounds = _bounds(schema, "minItems", "maxItems")
    return {"kind": ParameterKind.LIST, "items": item["kind"], "choices": item.get("choices", ()), **bounds}


def _bounds(schema: Schema, least: str, most: str) -> Described:
    return {"minimum": _plain(schema.get(least)), "maximum": _plain(schema.get(most))}


def _plain(bound: float | None) -> float | None:
    """100 of 100.0, which pydantic writes of a Decimal's bounds."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _without_null(schema: Schema, whole: Schema) -> Schema:
    """Return what a `$ref` leads to, what an optional value is if it is there, and a Decimal as a number."""
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = whole.get("$defs", {}).get(name, {}) if name else schema
    ways: list[Schema] = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(ways) == 1:
        return _without_null(ways[0], whole)
    if [one.get("type") for one in ways] == ["number", "string"]:
        return ways[0]
    return schema
