"""Report types without files run in the worker's own process, and their answers are checked here."""

from collections.abc import Mapping

from shared import json_text
from shared.catalog.asker import Asker
from shared.catalog.model import CatalogView, ReportType
from shared.reports import errors
from shared.reports.explain import explain

_MAX_BYTES = 64 * 1024
"""The longest answer, as JSON. An answer is part of the job's row, which every read of the job returns; anything larger
belongs in a file."""


def runs(catalog: CatalogView, report_type: str) -> bool:
    """True if the report type makes no files, and therefore runs in the worker's own process."""
    report = catalog.types.get(report_type)
    return report is not None and report.answer is not None


def answer(report: ReportType, parameters: Mapping[str, object], asker: Asker) -> Mapping[str, object]:
    """Return the report type's answer as a reader of the job's row will see it.

    Raises ReportError, also for any exception of the report type's code.
    """
    if report.answer is None:
        raise LookupError(f"{report.name} makes files")
    try:
        given = report.answer(parameters, asker)
    except Exception as error:
        raise explain(error, report.limits) from error
    return _checked(given)


def _checked(given: object) -> Mapping[str, object]:
    """Return the answer as jsonb will return it. Raises ReportError(answer_wrong) for what a job cannot store."""
    if not isinstance(given, dict):
        raise errors.answer_wrong(f"`answer` must return a JSON object, not {_named(given)}")
    try:
        written = json_text.write(given)
    except ValueError as error:
        raise errors.answer_wrong(str(error)) from None
    if (size := len(written.encode())) > _MAX_BYTES:
        raise errors.answer_wrong(f"{size:,} bytes; {_MAX_BYTES:,} are allowed")
    try:
        # One level deeper, because the row keeps the answer below "answer".
        [answer] = json_text.read(f"[{written}]")
    except json_text.TooDeep as error:
        raise errors.answer_wrong(str(error)) from None
    except ValueError:
        raise errors.answer_wrong("NaN and Infinity are not JSON") from None
    # PostgreSQL's jsonb cannot hold U+0000. The quick test comes first; it also matches a text in which a
    # backslash precedes "u0000" without being that escape.
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
