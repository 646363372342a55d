"""Which options of a job this release knows.

While a new release is rolled out, jobs may have other options. Ignoring these would be a silent error: files without
the requested password, or rows that should be left out.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shared.catalog import csv_dialect, shape
from shared.catalog.moment import zone_names
from shared.catalog.values import show
from shared.jobs.passwords import ENCRYPTED

KNOWN = frozenset(
    {
        *shape.FIELDS, shape.WORDS, ENCRYPTED, "callbackUrl", "notifyWhen", "notAfter", "maxAttempts",
        "keepFilesSeconds", "keepSeconds", "fileName", "priority",
    }
)  # fmt: skip
"""Every option that an API of this release writes, including those that only the API, the relay or the database use."""


def unknown(options: Mapping[str, Any] | None) -> list[str]:
    """Return the names of those options of a job that this release does not know; fields of csv as `csv.NAME`."""
    if not options:
        return []
    of_csv = _of_csv(options).keys() - csv_dialect.REQUEST.keys()
    return sorted([*(options.keys() - KNOWN), *(f"csv.{name}" for name in of_csv)])


def unknown_values(options: Mapping[str, Any] | None) -> list[str]:
    """Return the known options of a job with values that this release does not know, each as `NAME VALUE`."""
    if not options:
        return []
    wrong = [(name, options[name]) for name, is_known in _VALUES.items()
             if options.get(name) is not None and not is_known(options[name])]  # fmt: skip
    wrong += [(f"csv.{name}", value) for name, value in _of_csv(options).items()
              if name in csv_dialect.REQUEST and csv_dialect.field_problem(name, value)]  # fmt: skip
    return sorted(f"{name} {show(value)}" for name, value in wrong)


def _of_csv(options: Mapping[str, Any]) -> Mapping[str, Any]:
    found = options.get("csv")
    return found if isinstance(found, dict) else {}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


_VALUES: Mapping[str, Callable[[Any], bool]] = {
    "timeZone": lambda value: value in zone_names() if isinstance(value, str) else False,
    "locale": _is_text,
    "columns": _is_texts,
    "sort": _is_texts,
    "limit": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "csv": _is_object,
    shape.WORDS: _is_object,
    ENCRYPTED: lambda value: value is True,
}
"""Options that a worker uses → true for a value that it knows. Names of columns and languages depend on the catalog."""
