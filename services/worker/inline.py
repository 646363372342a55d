"""Report types without files: run in the worker's own process, and their answer checked."""

import json
from collections.abc import Mapping

from shared.catalog.model import ReportType
from shared.reports import errors
from shared.reports.explain import explain

_MAX_BYTES = 64 * 1024
"""An answer is part of the job's row, which every look at the job reads; what is larger is a file."""


def answer(report: ReportType, parameters: Mapping[str, object]) -> Mapping[str, object]:
    """What the report type answers, as it can be stored. Raises ReportError, and whatever its code raises is explained
    as for any report."""
    if report.answer is None:
        raise LookupError(f"{report.name} makes files")
    try:
        given = report.answer(parameters)
    except Exception as error:
        raise explain(error, report.limits) from error
    return _checked(given)


def _checked(given: object) -> Mapping[str, object]:
    if not isinstance(given, dict):
        raise errors.answer_wrong(f"{type(given).__name__} is no JSON object")
    try:
        written = json.dumps(given, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise errors.answer_wrong(str(error)) from None
    if len(written) > _MAX_BYTES:
        raise errors.answer_wrong(f"{len(written):,} bytes; {_MAX_BYTES:,} are allowed")
    # Escapes of ASCII JSON: PostgreSQL's jsonb holds neither U+0000 nor half of a surrogate pair.
    if "\\u0000" in written or "\\ud" in written:
        try:
            json.dumps(given, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise errors.answer_wrong("it contains half of a surrogate pair") from None
        if "\0" in "".join(_texts(given)):
            raise errors.answer_wrong("it contains U+0000")
    return given


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (str(key), *_texts(item))]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return []
