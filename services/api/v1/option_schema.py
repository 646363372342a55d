"""The options in the description of a request's body."""

from collections.abc import Mapping
from typing import Any

from services.api.actions import options
from shared.catalog.relative_dates import PATTERN, REMEDY
from shared.catalog.shape_schema import SHAPE_SCHEMA
from shared.catalog.values import DATETIME_PATTERN
from shared.jobs import file_name
from shared.webhooks import url
from shared.webhooks.conditions import FAILURE, HAS_ROWS, MOST


def _moment(description: str) -> dict[str, Any]:
    return {
        "type": ["string", "null"],
        "anyOf": [
            {"format": "date-time", "pattern": f"^{DATETIME_PATTERN}$"},
            {"title": f"In words, {REMEDY}", "pattern": f"^{PATTERN}$"},
            {"type": "null"},
        ],
        "description": description,
        "examples": ["2026-01-31T09:00:00+09:00"],
    }


def _seconds(description: str, least: int) -> dict[str, Any]:
    return {"type": ["integer", "null"], "minimum": least, "description": description}


NOTIFY_WHEN_SCHEMA: Mapping[str, Any] = {
    "type": ["array", "null"],
    "minItems": 1,
    "maxItems": MOST,
    "items": {
        "anyOf": [
            {"type": "string", "enum": [HAS_ROWS, FAILURE]},
            {
                "type": "object",
                "properties": {
                    "figure": {"type": "string", "description": "`rows`, or a column of the type's [pdf.figures]"},
                    "above": {"type": ["number", "null"]},
                    "below": {"type": ["number", "null"]},
                },
                "required": ["figure"],
                "additionalProperties": False,
            },
        ]
    },
    "examples": [["failure", {"figure": "rows", "above": 1000}]],
}
"""The schema of conditions for notifications."""
OPTION_SCHEMA: Mapping[str, Any] = {
    "runAt": _moment("Do not run before this moment; the deadline counts from it. One that has passed is now"),
    "notAfter": _moment("Fail if the job has not ended by then: within JOB_DEADLINE_S of now, or of runAt"),
    "maxAttempts": {
        "type": ["integer", "null"],
        "minimum": 1,
        "maximum": 20,
        "description": "Tries that are charged, at most as many as the report type allows",
    },
    "keepFilesSeconds": _seconds(
        "Seconds after the job's end for which its files can be downloaded", options.LEAST_KEEP_FILES_S
    ),
    "keepSeconds": _seconds("Seconds after the job's end for which it can be looked at", options.LEAST_KEEP_S),
    "fileName": {
        "type": ["string", "null"],
        "maxLength": file_name.MAX_CHARACTERS,
        "description": "The files' name, without extension. Letters, digits, spaces, '.', '_', '-', and "
        + ", ".join(f"{{{name}}}" for name in file_name.PLACEHOLDERS),
        "examples": ["sales {date}"],
    },
    "priority": {
        "type": ["integer", "null"],
        "minimum": 0,
        "maximum": options.MOST_URGENT,
        "description": "Which of the tenant's own jobs is first while many wait: 9 is the most urgent, 4 the usual one",
    },
    "callbackUrl": {
        "type": ["string", "null"],
        "maxLength": url.LONGEST,
        "description": "An address that is told of the job's end, at a host where the tenant has a webhook, whose "
        "secret signs what is sent. Answers show it without its query",
        "examples": ["https://example.com/reports/done?order=17"],
    },
    "notifyWhen": {
        **NOTIFY_WHEN_SCHEMA,
        "description": "When callbackUrl is told: if one of these is met, or always if left out. `rows`: the report "
        "has rows; `failure`: the job failed; else the job succeeded and a figure is above or below a bound",
    },
    **SHAPE_SCHEMA,
}
"""Each option's JSON Schema, by its field. Dependencies on the report type and on settings are described in words
only."""
