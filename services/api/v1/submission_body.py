"""Read what a client wants from an untrusted request."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from services.api.actions.submissions import Wanted
from services.api.http.problems import Problem, invalid
from shared import json_text
from shared.runtime import tracing

MAX_BODY_BYTES = 256 * 1024
"""A request is a handful of parameters; what is larger is a mistake or an attack."""


async def read_submission(request: Request) -> Wanted:
    """What the client wants, not checked yet. Raises Problem 400, 413, 415 or 422 if the body is not an object."""
    raw = await _body(request)
    fields = _fields(request, raw) if raw else {}
    return Wanted(fields, raw, request.headers.getlist("idempotency-key"), _trace_context(request))


async def _body(request: Request) -> bytes:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise Problem(413, "body_too_large", f"The body has more than {MAX_BODY_BYTES} bytes.")
    return raw


def _fields(request: Request, raw: bytes) -> Mapping[str, Any]:
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        said = f"not {media_type!r}" if media_type else "but none was given"
        raise Problem(415, "unsupported_media_type", f"Send the body as Content-Type: application/json, {said}.")
    try:
        content = json_text.read(raw)
    except json_text.TooDeep as error:
        raise Problem(400, "malformed_json", f"The body cannot be read: {error}.") from None
    except ValueError as error:
        raise Problem(400, "malformed_json", f"The body is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise invalid('The body must be an object such as {"reportType": "…"}.')
    return content


def _trace_context(request: Request) -> str | None:
    """The trace of this request, ours or its caller's: it travels with the job through outbox and queue."""
    traceparent = request.scope.get(tracing.TRACEPARENT)
    return json.dumps({tracing.TRACEPARENT: traceparent}) if traceparent else None
