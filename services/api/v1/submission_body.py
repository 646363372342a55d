"""Read a submission from an untrusted request, and say everything that is wrong with it."""

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastapi import Request

from services.api.http.problems import MOST_VIOLATIONS, Problem
from shared import json_text
from shared.catalog.model import BUNDLE, CatalogView, ReportType
from shared.catalog.parameters import InvalidParameters, Violation, validate_parameters
from shared.runtime import tracing
from shared.suggest import did_you_mean

MAX_BODY_BYTES = 256 * 1024
"""A request is a handful of parameters; what is larger is a mistake or an attack."""

_FIELDS = ("reportType", "parameters", "formats")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Asked(NamedTuple):
    """A request that can become a job."""

    report: ReportType
    parameters: Mapping[str, object]
    formats: tuple[str, ...]
    """Those that are made, and `zip` for all of them in one archive, too."""
    idempotency_key: str | None
    trace_context: str | None


async def read_submission(request: Request, catalog: CatalogView) -> Asked:
    """The request, checked. Raises Problem 400, 404, 413, 415 or 422."""
    content = await _content(request)
    report = _report_type(content, catalog)
    violations = [
        Violation(name[:100], "unknown_field", f"is not a field of a request{did_you_mean(name[:100], _FIELDS)}")
        for name in itertools.islice((name for name in content if name not in _FIELDS), MOST_VIOLATIONS)
    ]
    formats = _formats(content.get("formats"), report, violations)
    parameters = _parameters(content.get("parameters"), report, violations)
    key = _idempotency_key(request, violations)
    if violations:
        at_least = "at least " if len(violations) >= MOST_VIOLATIONS else ""
        many = "one problem" if len(violations) == 1 else f"{at_least}{len(violations)} problems"
        raise Problem(422, "invalid_request", f"The request has {many}.", violations=violations)
    return Asked(report, parameters, formats, key, _trace_context(request))


async def _content(request: Request) -> Mapping[str, Any]:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise Problem(413, "body_too_large", f"The body has more than {MAX_BODY_BYTES} bytes.")
    if not raw:
        return {}
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
        raise Problem(422, "invalid_request", 'The body must be an object such as {"reportType": "…"}.')
    return content


def _report_type(content: Mapping[str, Any], catalog: CatalogView) -> ReportType:
    name = content.get("reportType")
    if name is None:
        name = catalog.default
    if not isinstance(name, str):
        wrong = Violation("reportType", "type", "must be a string")
        raise Problem(422, "invalid_request", "The request has one problem.", violations=[wrong])
    report = catalog.types.get(name)
    if report is None:
        detail = f"There is no report type {name[:60]!r}{did_you_mean(name[:60], catalog.types)}"
        raise Problem(404, "unknown_report_type", detail)
    return report


def _formats(given: object, report: ReportType, violations: list[Violation]) -> tuple[str, ...]:
    if given is None:
        return report.formats[:1]
    if not isinstance(given, list) or not given:
        violations.append(Violation("formats", "type", 'must be a list such as ["csv"]'))
        return ()
    offered = [*(str(f) for f in report.formats), BUNDLE]
    unknown = ((n, f[:100] if isinstance(f, str) else "") for n, f in enumerate(given) if f not in offered)
    wrong = [
        Violation(f"formats[{n}]", "unknown_format", f"{report.name} has no such format{did_you_mean(f, offered)}")
        for n, f in itertools.islice(unknown, MOST_VIOLATIONS)
    ]
    violations += wrong
    if wrong:
        return ()
    asked = tuple(dict.fromkeys(given))
    # The archive alone is an archive of everything that the report type makes.
    return (*report.formats, BUNDLE) if asked == (BUNDLE,) else asked


def _parameters(given: object, report: ReportType, violations: list[Violation]) -> Mapping[str, object]:
    if given is None:
        given = {}
    if not isinstance(given, dict):
        violations.append(Violation("parameters", "type", "must be an object"))
        return {}
    try:
        return validate_parameters(report, given)
    except InvalidParameters as error:
        violations += error.violations
        return {}


def _idempotency_key(request: Request, violations: list[Violation]) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        message = "must be 1 to 255 visible ASCII characters, for example a UUID"
        violations.append(Violation("Idempotency-Key", "malformed", message))
    return key


def _trace_context(request: Request) -> str | None:
    """The trace of this request, ours or its caller's: it travels with the job through outbox and queue."""
    traceparent = request.scope.get(tracing.TRACEPARENT)
    return json.dumps({tracing.TRACEPARENT: traceparent}) if traceparent else None
