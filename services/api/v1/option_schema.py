"""How the description of a request's body tells its options."""

from collections.abc import Mapping
from typing import Any

from services.api.actions import file_name, options
from shared.catalog.values import DATETIME_PATTERN


def _moment(description: str) -> dict[str, Any]:
    return {
        "type": ["string", "null"],
        "format": "date-time",
        "pattern": f"^{DATETIME_PATTERN}$",
        "description": description,
        "examples": ["2026-01-31T09:00:00+09:00"],
    }


def _seconds(description: str, least: int) -> dict[str, Any]:
    return {"type": ["integer", "null"], "minimum": least, "description": description}


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
}
"""Each option's JSON Schema, by its field. What depends on the report type and on settings is in the words only."""
