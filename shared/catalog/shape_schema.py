"""Describes as JSON Schema what a request may say about the shape of its answer, for OpenAPI, forms and clients."""

from collections.abc import Mapping
from typing import Any

from shared.catalog.csv_dialect import REQUEST
from shared.catalog.locales import languages
from shared.catalog.model import Format, ReportType
from shared.catalog.read_shape import MOST_SORTS

Schema = dict[str, Any]


def options_schema(report: ReportType) -> Schema:
    """Return the schema of those fields of a request that the report type allows, with its defaults."""
    if not report.formats:
        return {"type": "object", "properties": {}}
    names = [column.name for column in report.columns.values()]
    defaults = report.options.defaults.as_json()
    properties = {name: dict(schema) for name, schema in SHAPE_SCHEMA.items() if name not in report.options.forbid}
    for name, schema in properties.items():
        if name in defaults:
            schema["default"] = defaults[name]
    if "locale" in properties:
        properties["locale"]["enum"] = [*languages(report), None]
    if Format.CSV not in report.formats:
        properties.pop("csv", None)
    if "limit" in properties:
        properties["limit"]["maximum"] = report.limits.max_rows
    for name, items in (("columns", names), ("sort", [*names, *(f"-{one}" for one in names)])):
        if not names:
            properties.pop(name, None)
        elif name in properties:
            properties[name]["items"] = {"type": "string", "enum": items}
    return {"type": "object", "properties": properties}


SHAPE_SCHEMA: Mapping[str, Schema] = {
    "timeZone": {
        "type": ["string", "null"],
        "description": "The IANA time zone of the query's session, of words such as `yesterday`, and of every time "
        "that a reader sees; UTC if left out",
        "examples": ["Asia/Tokyo"],
    },
    "locale": {
        "type": ["string", "null"],
        "description": "The language of a document's texts: one that the report type has; its own if left out",
        "examples": ["ja"],
    },
    "columns": {
        "type": ["array", "null"],
        "items": {"type": "string"},
        "minItems": 1,
        "uniqueItems": True,
        "description": "The columns that files have, in this order: names of the report type's `columns`",
    },
    "sort": {
        "type": ["array", "null"],
        "items": {"type": "string"},
        "minItems": 1,
        "maxItems": MOST_SORTS,
        "description": "The columns to sort by, the most significant first; `-` in front of a name turns its order. "
        "Empty values come last, and rows that are equal stay as the query has them",
        "examples": [["-amount", "name"]],
    },
    "limit": {
        "type": ["integer", "null"],
        "minimum": 1,
        "description": "The most rows, of the sorted ones; at most what the report type allows",
    },
    "csv": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {
            name: {"type": "boolean"} if True in allowed else {"type": "string", "enum": list(allowed)}
            for name, allowed in REQUEST.items()
        },
        "description": "How a CSV is written: delimiter and decimal mark, the first line as names, titles or none, "
        "line end, byte order mark, encoding, the guard against formulas, gzip. What is left out is as the report type "
        "has it",
    },
}
"""Each field's schema, without what depends on the report type."""
