"""Describes a report type's parameters as JSON Schema 2020-12, for OpenAPI, forms and clients.

Everything that `validate_parameters` accepts fits this schema. The schema accepts a little more, where JSON Schema
cannot say it: days that do not exist, bounds of decimals written as strings, `formatMinimum` and `formatMaximum`
(known to ajv; other validators ignore them, which the specification asks them to do).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from shared.catalog.model import ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import MAX_CHARACTERS, MAX_ITEMS, item_of
from shared.catalog.query import BUILT_IN, placeholders
from shared.catalog.relative_dates import PATTERN, REMEDY
from shared.catalog.values import (
    DATE_PATTERN,
    DATETIME_PATTERN,
    DECIMAL_PATTERN,
    MAX_DECIMAL_CHARACTERS,
    MAX_INTEGER,
    MIN_INTEGER,
)

Schema = dict[str, object]
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(report: ReportType) -> Schema:
    """Return the schema of `parameters` in a request for this report type. The caller may change the dict."""
    if report.parameter_model is not None:
        whole = report.parameter_model.model_json_schema()
        properties = {name: _with_words(one) for name, one in whole.get("properties", {}).items()}
        return {"$schema": _DIALECT, **whole, "properties": properties}
    required = [p.name for p in report.parameters if p.required]
    schema: Schema = {
        "$schema": _DIALECT,
        "title": report.title,
        "type": "object",
        "properties": {p.name: _property(p) for p in report.parameters},
        "additionalProperties": False,
    }
    if report.description:
        schema["description"] = report.description
    if required:
        schema["required"] = required
    return schema


def _property(parameter: Parameter) -> Schema:
    schema: Schema = {"title": parameter.title}
    if parameter.description:
        schema["description"] = parameter.description
    schema |= _shape(parameter)
    if parameter.choice_query is not None:
        schema["x-choices"] = {
            "dependsOn": depends_on(parameter), "strict": parameter.choice_query.strict,
        }  # fmt: skip
    if parameter.default_query:
        schema["x-default"] = {"dependsOn": _used_in(parameter.default_query)}
    if parameter.default is not None:
        default = parameter.default
        schema["default"] = list(default) if isinstance(default, list | tuple) else default
    return schema


def depends_on(parameter: Parameter) -> list[str]:
    """Return the parameters that its choices depend on, in the order of its query."""
    return _used_in(parameter.choice_query.query) if parameter.choice_query is not None else []


def _used_in(query: str) -> list[str]:
    names = dict.fromkeys(token.text[1:] for token in placeholders(query))
    return [name for name in names if name not in BUILT_IN]


def _shape(parameter: Parameter) -> Schema:
    return _SHAPES[parameter.kind](parameter)


def _string(parameter: Parameter) -> Schema:
    schema: Schema = {
        "type": "string",
        "maxLength": MAX_CHARACTERS if parameter.maximum is None else parameter.maximum,
    }
    if parameter.minimum is not None:
        schema["minLength"] = parameter.minimum
    if parameter.pattern is not None:
        # JSON Schema searches for the pattern, while we match the whole string.
        schema["pattern"] = f"^(?:{parameter.pattern})$"
    return schema


def _integer(parameter: Parameter) -> Schema:
    return {
        "type": "integer",
        "format": "int64",
        "minimum": MIN_INTEGER if parameter.minimum is None else parameter.minimum,
        "maximum": MAX_INTEGER if parameter.maximum is None else parameter.maximum,
    }


def _decimal(parameter: Parameter) -> Schema:
    schema: Schema = {
        "type": ["string", "number"],
        "pattern": f"^{DECIMAL_PATTERN}$",
        "maxLength": MAX_DECIMAL_CHARACTERS,
    }
    if parameter.minimum is not None:
        schema["minimum"] = _number(parameter.minimum)
    if parameter.maximum is not None:
        schema["maximum"] = _number(parameter.maximum)
    return schema


def _number(bound: object) -> int | float:
    exact = Decimal(str(bound))
    return int(exact) if exact == exact.to_integral_value() else float(exact)


def _instant(parameter: Parameter) -> Schema:
    day = parameter.kind is ParameterKind.DATE
    written: Schema = {
        "format": "date" if day else "date-time",
        "pattern": f"^{DATE_PATTERN if day else DATETIME_PATTERN}$",
    }
    if parameter.minimum is not None:
        written["formatMinimum"] = parameter.minimum
    if parameter.maximum is not None:
        written["formatMaximum"] = parameter.maximum
    return {"type": "string", "anyOf": [written, dict(_IN_WORDS)]}


_IN_WORDS: Mapping[str, object] = {"title": f"In words, {REMEDY}", "pattern": f"^{PATTERN}$"}


def _with_words(schema: Schema) -> Schema:
    """What pydantic writes of a field, with words allowed where it has a date, or a list of them."""
    schema = dict(schema)
    if schema.get("type") == "string" and schema.get("format") in {"date", "date-time"}:
        schema["anyOf"] = [{"format": schema.pop("format")}, dict(_IN_WORDS)]
    elif isinstance(several := schema.get("anyOf"), list):
        schema["anyOf"] = [_with_words(one) for one in several]
    elif isinstance(items := schema.get("items"), dict):
        schema["items"] = _with_words(items)
    return schema


def _list(parameter: Parameter) -> Schema:
    schema: Schema = {
        "type": "array",
        "items": _shape(item_of(parameter)),
        "maxItems": MAX_ITEMS if parameter.maximum is None else parameter.maximum,
    }
    if parameter.minimum is not None:
        schema["minItems"] = parameter.minimum
    return schema


_SHAPES: Mapping[ParameterKind, Callable[[Parameter], Schema]] = {
    ParameterKind.STRING: _string,
    ParameterKind.INTEGER: _integer,
    ParameterKind.DECIMAL: _decimal,
    ParameterKind.BOOLEAN: lambda _: {"type": "boolean"},
    ParameterKind.DATE: _instant,
    ParameterKind.DATETIME: _instant,
    ParameterKind.CHOICE: lambda parameter: (
        _string(parameter) if parameter.choice_query else {"type": "string", "enum": list(parameter.choices)}
    ),
    ParameterKind.LIST: _list,
}
