"""An example for every answer in the API description, made from its schema and the names of its fields."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from services.api.http.problem_codes import PROBLEMS, RETRYABLE

Schemas = Mapping[str, Mapping[str, Any]]

_JOB = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"
_OLD_JOB = "019acb2a-10d3-7b1c-8a44-93f0c2e1d7aa"
_PLACE = f"/v1/jobs/{_JOB}"
_FILE = f"{_PLACE}/artifacts/carrier-delays.csv"
_AT, _LATER = "2026-01-31T12:00:00.250000+00:00", "2026-03-02T12:00:04.750000+00:00"
_FIELDS: Mapping[str, object] = {
    "jobId": _JOB, "retryOf": _OLD_JOB, "status": "SUCCESS", "fromStatus": "PROCESSING", "toStatus": "SUCCESS",
    "verb": "succeed", "done": True, "reportType": "carrier-delays", "reportVersion": "1",
    "requestedBy": "ci", "parameters": {"from": "2013-01-01", "to": "2013-01-31"}, "formats": ["csv"],
    "labels": {"team": "finance"}, "fileName": None, "callbackUrl": None, "file": None, "notifyWhen": None,
    "attempt": 1, "maxAttempts": 3, "crashes": 0, "version": 3,
    "links": {"self": _PLACE, "events": f"{_PLACE}/events", "cancel": f"{_PLACE}:cancel", "retry": f"{_PLACE}:retry"},
    "progress": None, "error": None, "answer": None, "reason": None, "warnings": [], "requiredScopes": [],
    "name": "carrier-delays.csv", "format": "csv", "mediaType": "text/csv; charset=utf-8", "sizeBytes": 48213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "rows": 1204, "seconds": 1.5,
    "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",  # from the Standard Webhooks specification; not in use
    "url": _FILE, "nextPageToken": None, "scheduledFor": None, "runAt": None, "notAfter": None, "nextAttemptAt": None,
    "cancelRequestedAt": None, "expiresAt": _LATER, "keptUntil": _LATER, "deadlineAt": _LATER, "tenant": "acme",
    "title": "Delays by carrier", "description": "Flights and their delays, by carrier and month.", "unit": "min",
    "requiredScope": None, "default": "carrier-delays", "subject": "ci", "scopes": ["jobs:create", "jobs:read"],
    "address": "203.0.113.7", "action": "jobs.cancel", "object": f"jobs/{_JOB}", "before": None,
    "after": {"outcome": "cancelled"}, "requestId": "019acb31-02a4-7d3c-8a1f-5e0b7f1f9c55", "revokedAt": None,
    "code": "held_by_a_worker", "message": "A worker holds it until 12:01:00.", "reportVersionChanged": False,
}  # fmt: skip
"""By the names on the wire. An example that does not fit the schema is not used."""
_BY_TYPE: Mapping[str, object] = {"string": "text", "integer": 1, "number": 1.5, "boolean": False, "null": None}


def example_of(schema: Mapping[str, Any], schemas: Schemas, name: str = "") -> Any:
    """Return an example that fits the schema. `name` is the field that has this schema."""
    if "$ref" in schema:
        schema = schemas[str(schema["$ref"]).rpartition("/")[2]]
    for key in ("example", "const"):
        if key in schema:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if name in _FIELDS and _takes(schema, _FIELDS[name], schemas):
        return _FIELDS[name]
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return example_of(either[0], schemas, name)
    if "enum" in schema:
        return schema["enum"][0]
    return _of_type(schema, schemas, name)


def _of_type(schema: Mapping[str, Any], schemas: Schemas, name: str) -> Any:
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {field: example_of(of, schemas, field) for field, of in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, name.removesuffix("s"))]
    if kind == "string" and schema.get("format") in ("uuid", "date-time"):
        return _JOB if schema["format"] == "uuid" else _AT
    return schema.get("minimum", _BY_TYPE[kind]) if kind in ("integer", "number") else _BY_TYPE[kind]


def _takes(schema: Mapping[str, Any], value: object, schemas: Schemas) -> bool:
    """True if a value of this JSON type fits the schema."""
    if "$ref" in schema:
        schema = schemas[str(schema["$ref"]).rpartition("/")[2]]
    if either := schema.get("anyOf") or schema.get("oneOf"):
        return any(_takes(one, value, schemas) for one in either)
    if value not in schema.get("enum", [value]):
        return False
    kinds = schema.get("type", [])
    return _kind(value) in ([kinds] if isinstance(kinds, str) else kinds) and "properties" not in schema


def _kind(value: object) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


_TITLES = {413: "Content Too Large", 416: "Range Not Satisfiable", 422: "Unprocessable Content"}
"""Titles from RFC 9110 where Python 3.11 still has older ones."""


def title_of(status: int) -> str:
    """Return the title of problems with this status."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


_STORED = "/artifacts/|/rows|/page.png"
_ONLY_AT: Mapping[str, str] = {
    "page_token_invalid": "pageToken", "page_token_mismatch": "pageToken", "page_token_expired": "pageToken",
    "malformed_json": "requestBody", "idempotency_key_reused": "Idempotency-Key", "unknown_job": "{job_id}",
    "unknown_artifact": "/artifacts/", "unknown_report_type": "report", "unknown_key": "{key_id}",
    "not_ready": _STORED, "job_already_ended": ":cancel", "not_ended": ":retry", "keys_not_in_use": "/keys",
    "key_not_usable": ":rotate", "key_already_replaced": ":rotate", "artifact_store_unavailable": _STORED,
    "unknown_gate": "/gates/", "gate_resuming": ":pause",
    "too_many_streams": "/stream", "no_stream_left": "/stream", "no_rows": "/rows", "no_picture": "/page.png",
    "unknown_share": "/shares/", "too_many_shares": ":share", "sharing_off": ":share",
    "unknown_bulk": "{bulk_id}", "not_your_bulk": "/bulk/{bulk_id}:run", "bulk_already_ended": "/bulk/{bulk_id}:",
    "bulk_too_old": "/bulk/{bulk_id}:run", "too_many_bulk_actions": "/bulk",
    "too_many_unfinished_jobs": "Idempotency-Key", "idempotency_in_flight": "Idempotency-Key",
    "unknown_webhook": "{webhook_id}", "too_many_webhooks": "createWebhook", "secrets_not_kept": "createWebhook",
    "webhook_not_ready": ":redeliver|:test|rotateWebhook", "secret_keys_unusable": "createWebhook|rotateWebhook",
}  # fmt: skip
"""Code → what the path or description of an operation must contain for that code. Other codes may come from any
operation."""
_NOWHERE = {
    "unknown_path", "malformed_request", "too_many_connections", "unknown_view", "view_exists", "too_many_views",
    "share_over",
}  # fmt: skip
"""Codes that are answered before an operation is known, and codes of the console alone."""


def problem_codes(status: int, operation: str) -> list[str]:
    """Return the codes with which an operation may answer that status.

    The text has the operation's path and description.
    """
    codes = [code for with_status, some, _ in PROBLEMS for code in some if with_status == status]
    own = [code for code in codes if code not in _NOWHERE and _may_come_from(operation, code)]
    return own or codes


def _may_come_from(operation: str, code: str) -> bool:
    return any(mark in operation for mark in _ONLY_AT.get(code, "").split("|"))


def problem_examples() -> dict[str, Any]:
    """Return an example of each problem, by its code."""
    return {
        code: {"summary": f"{meaning[:1].upper()}{meaning[1:]}", "value": _problem(status, code, meaning)}
        for status, codes, meaning in PROBLEMS
        for code in codes
    }


def _problem(status: int, code: str, meaning: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title_of(status),
        "status": status,
        "detail": f"{meaning[:1].upper()}{meaning[1:]}.",
        "code": code,
        "retryable": code in RETRYABLE,
        "instance": f"/requests/{_FIELDS['requestId']}",
        "requestId": _FIELDS["requestId"],
    }
    if code == "invalid_request":
        message = "'31.1.2013' is not a date: write it like 2013-01-31"
        body["violations"] = [{"field": "parameters.from", "code": "date", "message": message}]
    return body
