"""Reads a client's submission from an untrusted request."""

import codecs
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from services.api.actions.checks import Wanted
from services.api.http.problems import Problem, invalid
from shared import json_text
from shared.runtime import tracing

MAX_BODY_BYTES = 256 * 1024
"""A request has a handful of parameters; a larger body is a mistake or an attack."""


async def read_submission(request: Request) -> Wanted:
    """Return what the client wants, not yet checked.

    Raises Problem 400, 413, 415 or 422 if the body is not an object.
    """
    raw = await _body(request)
    fields = _fields(request, raw) if raw else {}
    return Wanted(fields, raw, request.headers.getlist("idempotency-key"), trace_context(request))


async def read_fields(request: Request, *, most_bytes: int = MAX_BODY_BYTES) -> Mapping[str, Any]:
    """Return the fields of a body that is an object; none without a body. Raises Problem as `read_submission` does."""
    raw = await _body(request, most_bytes)
    return _fields(request, raw) if raw else {}


async def _body(request: Request, most_bytes: int = MAX_BODY_BYTES) -> bytes:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > most_bytes:
            raise Problem(413, "body_too_large", f"The body is larger than {most_bytes} bytes.")
    return raw


def _fields(request: Request, raw: bytes) -> Mapping[str, Any]:
    _check_headers(request)
    try:
        # RFC 8259, section 8.1: a parser may ignore a byte order mark.
        raw = raw.removeprefix(codecs.BOM_UTF8)
        content = json_text.read(raw)
        twice = _twice(raw, content)
    except json_text.TooDeep as error:
        raise Problem(400, "malformed_json", f"The body cannot be read: {error}.") from None
    except ValueError as error:
        raise Problem(400, "malformed_json", f"The body is not UTF-8 JSON: {_guess(raw) or error}.") from None
    if twice is not None:
        raise Problem(400, "malformed_json", f"The body contains {twice[:100]!r} twice in one object.")
    if not isinstance(content, dict):
        raise invalid('The body must be an object such as {"reportType": "…"}.')
    return content


def _check_headers(request: Request) -> None:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        detail = f"Send the body as it is, not encoded as {coding[:40]!r}."
        raise Problem(415, "unsupported_media_type", detail, headers={"Accept-Encoding": "identity"})
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    media_type = media_type.strip()
    if media_type != "application/json" and not media_type.endswith("+json"):
        said = f"not {media_type[:100]!r}" if media_type else "but none was given"
        detail = f"Send the body as Content-Type: application/json, {said}."
        raise Problem(415, "unsupported_media_type", detail, headers={"Accept-Post": "application/json"})
    for parameter in parameters:
        name, _, charset = (part.strip(' \t"') for part in parameter.partition("="))
        if name == "charset" and charset not in ("utf-8", "utf8", "us-ascii"):
            detail = f"Send the body in UTF-8, not in {charset[:40]!r}."
            raise Problem(415, "unsupported_media_type", detail, headers={"Accept-Post": "application/json"})


def _guess(raw: bytes) -> str | None:
    """Guess what the bytes are, if they are not text in UTF-8."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]:
        return "it looks like UTF-16 or UTF-32"
    if raw.startswith(b"\x1f\x8b"):
        return "it looks like gzip"
    return None


_NAME = re.compile(rb'"\s*:')


def _twice(raw: bytes, content: object) -> str | None:
    """Return a name that occurs twice in one object: readers would disagree on which one counts."""
    if len(_NAME.findall(raw)) == _names(content):
        return None
    found: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            found.append(next(name for name, times in Counter(names).items() if times > 1))

    # Names inside texts look the same, so only this parses a second time. The first parser has bounded the depth.
    json.loads(raw, object_pairs_hook=note, parse_int=str, parse_float=str)
    return found[0] if found else None


def _names(content: object) -> int:
    if isinstance(content, dict):
        return len(content) + sum(_names(one) for one in content.values() if isinstance(one, dict | list))
    if isinstance(content, list):
        return sum(_names(one) for one in content if isinstance(one, dict | list))
    return 0


def trace_context(request: Request) -> str | None:
    """Return the trace context of this request, ours or the caller's: it travels with the job
    through outbox and queue.
    """
    traceparent = request.scope.get(tracing.TRACEPARENT)
    return json.dumps({tracing.TRACEPARENT: traceparent}) if traceparent else None
