"""The `webhooks` section of the API description: what is sent to webhooks (OpenAPI 3.1, `webhooks`)."""

from collections.abc import Mapping
from typing import Any

from shared.webhooks.event import ABOUT_JOBS, EventType

_MOMENT = {"type": "string", "format": "date-time"}
_LINKS = {"type": "object", "additionalProperties": {"type": "string"}, "description": "Paths of the API"}
_ID = {"type": "string", "format": "uuid"}
_TEXT = {"type": "string"}
_DATA: Mapping[str, Mapping[str, Any]] = {
    "job": {
        "jobId": _ID, "status": _TEXT, "reportType": _TEXT,
        "version": {"type": "integer", "description": "The higher one is the later: the order of messages is not"},
        "links": _LINKS,
    },
    "schedule": {"scheduleId": _ID, "reportType": _TEXT, "tick": _MOMENT, "reason": _TEXT, "links": _LINKS},
    "webhook": {"webhookId": _ID, "links": _LINKS},
}  # fmt: skip
_TELLS = {
    EventType.JOB_SUCCEEDED: "A report was made, and its files can be downloaded",
    EventType.JOB_FAILED: "A report was not made, and will not be",
    EventType.JOB_CANCELLED: "Somebody did not want a report any more",
    EventType.JOB_EXPIRED: "The time of a job's files is over",
    EventType.SCHEDULE_MISSED: "Ticks of a schedule were let go by",
    EventType.SCHEDULE_FAILED: "The job of a tick could not be submitted",
    EventType.PING: "Somebody tries the webhook",
}
_HEADERS = {
    "webhook-id": "The same for each try and each redelivery: do a thing once",
    "webhook-timestamp": "Seconds since 1970, of this try",
    "webhook-signature": "`v1,` and Base64 of HMAC-SHA-256 over `id.timestamp.body`, for each secret that is valid",
}


def sent() -> dict[str, Any]:
    """Return what is sent, by event type."""
    return {str(kind): {"post": _operation(kind)} for kind in EventType}


def _operation(kind: EventType) -> dict[str, Any]:
    about = "job" if kind in ABOUT_JOBS else str(kind).partition(".")[0]
    properties = {"type": {"const": str(kind)}, "timestamp": _MOMENT, "data": _object(_DATA[about])}
    return {
        "operationId": f"on{''.join(part.capitalize() for part in str(kind).split('.'))}",
        "summary": _TELLS[kind],
        "tags": ["webhooks"],
        "security": [],  # the signature authenticates the sender
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": tells, "schema": _TEXT}
            for name, tells in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _object(properties)}}},
        "responses": {
            "2XX": {"description": "It is told"},
            "410": {"description": "Nothing more is to be told: the webhook is disabled"},
            "default": {"description": "It is told again later, for three days"},
        },
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}
