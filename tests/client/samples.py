"""Answers as the OpenAPI document describes them, and jobs in the states that tests need."""

from typing import Any

JOB_ID = "019acb2e-7c41-7e02-9a51-0e5b1a6c7f10"


def sample(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """A value of this schema in which nothing is left out and nothing is null, if it may be something."""
    if "$ref" in schema:
        return sample(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    if "anyOf" in schema:
        return sample(next(one for one in schema["anyOf"] if one.get("type") != "null"), document)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        inner = {name: sample(part, document) for name, part in schema.get("properties", {}).items()}
        more = schema.get("additionalProperties")
        return inner or ({"key": sample(more, document)} if isinstance(more, dict) else {"key": 1})
    if kind == "array":
        return [sample(schema["items"], document)]
    if kind == "string":
        return {"date-time": "2026-01-31T12:00:00+00:00", "uuid": JOB_ID}.get(schema.get("format", ""), "text")
    return {"integer": 7, "number": 1.5, "boolean": True}[kind or "object"]


def job(status: str = "PENDING", **fields: Any) -> dict[str, Any]:
    """A job on the wire."""
    done = {"finishedAt": "2026-01-31T12:00:00+00:00"} if status in {"SUCCESS", "FAILED", "CANCELLED"} else {}
    return {"jobId": JOB_ID, "status": status, "reportType": "calendar", **done, **fields}


def succeeded(*files: tuple[str, bytes], **fields: Any) -> dict[str, Any]:
    """A job that made these files."""
    from hashlib import sha256

    artifacts = [
        {"name": name, "format": "csv", "mediaType": "text/csv", "sizeBytes": len(content), "rows": 1,
         "sha256": sha256(content).hexdigest(), "url": "/elsewhere"}
        for name, content in files
    ]  # fmt: skip
    result = {"artifacts": artifacts, "requiredScopes": [], "warnings": [], "manifest": None, "answer": None}
    return job("SUCCESS", result={**result, "seconds": 1.0, **fields})
