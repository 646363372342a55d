"""Report types without files run in the worker's own process, and their answers are checked here."""

from collections.abc import Mapping

from shared import json_text
from shared.catalog.asker import Asker
from shared.catalog.model import CatalogView, ReportType
from shared.reports import errors
from shared.reports.explain import explain

_MAX_BYTES = 64 * 1024
"""Longest answer as JSON. It is part of the job's row, which every look at the job reads; anything larger is a file."""


def runs(catalog: CatalogView, report_type: str) -> bool:
    """True if the report type makes no files, so that it runs in the worker's own process."""
    report = catalog.types.get(report_type)
    return report is not None and report.answer is not None


def answer(report: ReportType, parameters: Mapping[str, object], asker: Asker) -> Mapping[str, object]:
    """Return what the report type answers, as it will be read back from the job's row.

    Raises ReportError, also for whatever the report type's code raises.
    """
    if report.answer is None:
        raise LookupError(f"{report.name} makes files")
    try:
        given = report.answer(parameters, asker)
    except Exception as error:
        raise explain(error, report.limits) from error
    return _checked(given)


def _checked(given: object) -> Mapping[str, object]:
    if not isinstance(given, dict):
        raise errors.answer_wrong(f"`answer` must return a JSON object, not {_named(given)}")
    try:
        written = json_text.write(given)
    except ValueError as error:
        raise errors.answer_wrong(str(error)) from None
    if (size := len(written.encode())) > _MAX_BYTES:
        raise errors.answer_wrong(f"{size:,} bytes; {_MAX_BYTES:,} are allowed")
    try:
        # One level deeper, because it stands in the row below "answer".
        [answer] = json_text.read(f"[{written}]")
    except json_text.TooDeep as error:
        raise errors.answer_wrong(str(error)) from None
    except ValueError:
        raise errors.answer_wrong("NaN and Infinity are not JSON") from None
    # PostgreSQL's jsonb cannot hold U+0000. The quick test comes first. It is also true for a text in which a backslash
    # stands before "u0000", which is not the escape.
    if "\\u0000" in written and "\0" in "".join(_texts(answer)):
        raise errors.answer_wrong("it contains U+0000")
    checked: Mapping[str, object] = answer
    return checked


def _named(value: object) -> str:
    name = type(value).__name__
    return "None" if value is None else f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (str(key), *_texts(item))]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _texts(item)]
    return []
