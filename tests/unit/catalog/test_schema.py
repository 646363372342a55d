"""What the validator accepts fits the published schema, and the validator enforces whatever the schema can express."""

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.load import BUILTIN, load_catalog
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import InvalidParameters, validate_parameters
from shared.catalog.relative_dates import PATTERN, REMEDY
from shared.catalog.schema import json_schema
from tests.unit.catalog.builders import a_parameter, a_report

STRING, INTEGER, DECIMAL, BOOLEAN, DATE, DATETIME, CHOICE, LIST = ParameterKind

PARAMETERS = [
    a_parameter(STRING),
    a_parameter(STRING, minimum=1, maximum=4, pattern="[A-Z0-9]+|x"),
    a_parameter(INTEGER),
    a_parameter(INTEGER, minimum=-3, maximum=3),
    a_parameter(DECIMAL, minimum="-0.5", maximum="1.25"),
    a_parameter(BOOLEAN),
    a_parameter(DATE, minimum="2013-01-01"),
    a_parameter(DATETIME),
    a_parameter(CHOICE, choices=("EWR", "JFK", "")),
    a_parameter(LIST, items=STRING, minimum=1, maximum=3, pattern="[a-z]*"),
    a_parameter(LIST, items=CHOICE, choices=("EWR", "JFK")),
    a_parameter(LIST, items=INTEGER, maximum=2),
]

texts = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            "EWR",
            "x",
            "B6",
            "12.50",
            "-1",
            "1e5",
            "2013-01-31",
            "2013-13-01",
            "20130131",
            "2012-12-31",
            "today-1d",
            "end_of_last_month+1q",
            "now-3h",
            "monday",
            "tuesdy",
        ]
    ),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.dates().map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
)
scalars = st.one_of(texts, st.integers(-5, 5), st.integers(), st.booleans(), st.floats(), st.none())
values = st.one_of(scalars, st.lists(scalars, max_size=4), st.dictionaries(texts, scalars, max_size=1))


@given(st.sampled_from(PARAMETERS), values)
def test_the_schema_fits_whatever_the_validator_accepts(parameter: Parameter, value: object) -> None:
    if value is None:
        return  # null means "left out", which the schema leaves to `required`
    schema = json_schema(a_report(parameter))["properties"]["p"]  # type: ignore[index]
    if accepts(parameter, value):
        assert fits(schema, value)


@given(st.sampled_from(PARAMETERS), values)
def test_the_validator_accepts_whatever_fits_where_json_schema_has_the_words(
    parameter: Parameter, value: object
) -> None:
    wordless = {DECIMAL, DATE, DATETIME}  # bounds of strings, days that do not exist
    if parameter.kind in wordless or value is None or isinstance(value, float) or "\0" in str(value):
        return
    schema = json_schema(a_report(parameter))["properties"]["p"]  # type: ignore[index]
    if fits(schema, value) and not has_surrogates_or_floats(value):
        assert accepts(parameter, value)


def test_the_schema_is_what_openapi_and_forms_expect() -> None:
    report = a_report(
        a_parameter(DATE, "from", description="First day.", default="2013-01-01", minimum="2013-01-01"),
        a_parameter(CHOICE, "origin", required=True, choices=("EWR", "JFK")),
        a_parameter(LIST, "carriers", items=STRING, pattern="[A-Z]+", maximum=5),
    )
    assert json_schema(report) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A report",
        "type": "object",
        "properties": {
            "from": {
                "title": "From",
                "description": "First day.",
                "type": "string",
                "anyOf": [
                    {"format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "formatMinimum": "2013-01-01"},
                    {"title": f"In words, {REMEDY}", "pattern": f"^{PATTERN}$"},
                ],
                "default": "2013-01-01",
            },
            "origin": {"title": "Origin", "type": "string", "enum": ["EWR", "JFK"]},
            "carriers": {
                "title": "Carriers",
                "type": "array",
                "items": {"type": "string", "maxLength": 1000, "pattern": "^(?:[A-Z]+)$"},
                "maxItems": 5,
            },
        },
        "additionalProperties": False,
        "required": ["origin"],
    }


def test_every_default_of_the_built_in_catalog_fits_its_own_schema() -> None:
    for report in load_catalog(BUILTIN).types.values():
        properties: Mapping[str, Any] = json_schema(report)["properties"]  # type: ignore[assignment]
        for name, value in validate_parameters(report, {}).items():
            assert value is None or fits(properties[name], value)


def accepts(parameter: Parameter, value: object) -> bool:
    try:
        validate_parameters(a_report(parameter), {"p": value})
    except InvalidParameters:
        return False
    return True


def has_surrogates_or_floats(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return any(isinstance(one, float) or (isinstance(one, str) and re.search("[\ud800-\udfff]", one)) for one in items)


def fits(schema: Mapping[str, Any], value: object) -> bool:
    """JSON Schema 2020-12 for the keywords that `json_schema` uses (written from the specification)."""
    if "anyOf" in schema and not any(fits({**one, "type": schema["type"]}, value) for one in schema["anyOf"]):
        return False
    kinds = schema.get("type", [])
    if not any(is_of_type(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return (
            schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            and re.search(schema.get("pattern", ""), value) is not None
            # ECMAScript's $ does not match before a closing line break, Python's does.
            and not ("pattern" in schema and value.endswith("\n"))
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        counted = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return counted and all(fits(schema["items"], one) for one in value)
    return True


def is_of_type(kind: str, value: object) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int):
        return kind in {"integer", "number"}
    if isinstance(value, float):
        return kind == "number" or (kind == "integer" and value.is_integer())
    return kind == {str: "string", list: "array", dict: "object", type(None): "null"}[type(value)]
