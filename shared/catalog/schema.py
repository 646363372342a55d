"""A report type's parameters as JSON Schema: for the API's description and for forms."""

from typing import Any

from shared.catalog.model import Parameter, ParameterKind, ReportType

_TYPES: dict[ParameterKind, dict[str, Any]] = {
    ParameterKind.STRING: {"type": "string"},
    ParameterKind.CHOICE: {"type": "string"},
    ParameterKind.INTEGER: {"type": "integer"},
    ParameterKind.DECIMAL: {"type": ["number", "string"]},
    ParameterKind.BOOLEAN: {"type": "boolean"},
    ParameterKind.DATE: {"type": "string", "format": "date"},
    ParameterKind.DATETIME: {"type": "string", "format": "date-time"},
}
_BOUNDS = {
    ParameterKind.STRING: ("minLength", "maxLength"),
    ParameterKind.LIST: ("minItems", "maxItems"),
    ParameterKind.INTEGER: ("minimum", "maximum"),
    ParameterKind.DECIMAL: ("minimum", "maximum"),
}


def json_schema(report: ReportType) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the `parameters` object of a request for this report type."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "title": report.title,
        "additionalProperties": False,
        "properties": {p.name: _property(p) for p in report.parameters},
        "required": [p.name for p in report.parameters if p.required],
    }


def _property(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"title": parameter.title}
    if parameter.description:
        schema["description"] = parameter.description
    if parameter.kind is ParameterKind.LIST:
        schema |= {"type": "array", "items": _scalar(parameter, parameter.item_kind)}
    else:
        schema |= _scalar(parameter, parameter.kind)
    least, most = _BOUNDS.get(parameter.kind, ("x-minimum", "x-maximum"))
    if parameter.minimum is not None:
        schema[least] = parameter.minimum
    if parameter.maximum is not None:
        schema[most] = parameter.maximum
    if parameter.default is not None:
        schema["default"] = parameter.default
    return schema


def _scalar(parameter: Parameter, kind: ParameterKind) -> dict[str, Any]:
    schema = dict(_TYPES[kind])
    if kind is ParameterKind.CHOICE:
        schema["enum"] = list(parameter.choices)
    if kind is ParameterKind.STRING and parameter.pattern is not None:
        schema["pattern"] = f"^(?:{parameter.pattern})$"
    return schema
