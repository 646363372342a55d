"""What this release knows of what a job is asked for. While a new release is rolled out, jobs may hold more than that.

Whoever ignored the rest would be wrong in silence: files without the password that was asked for, or rows that should
be left out.
"""

from collections.abc import Mapping
from typing import Any

from shared.catalog import csv_dialect, shape
from shared.jobs.passwords import ENCRYPTED

KNOWN = frozenset(
    {
        *shape.FIELDS, shape.WORDS, ENCRYPTED, "callbackUrl", "notifyWhen", "notAfter", "maxAttempts",
        "keepFilesSeconds", "keepSeconds", "fileName", "priority",
    }
)  # fmt: skip
"""Every option that an API of this release writes, also those that only the API, the relay or the database act on."""


def unknown(options: Mapping[str, Any] | None) -> list[str]:
    """The names of those options of a job that this release does not know; of csv's fields as `csv.NAME`."""
    if not options:
        return []
    of_csv = (options.get("csv") or {}).keys() - csv_dialect.REQUEST.keys()
    return sorted([*(options.keys() - KNOWN), *(f"csv.{name}" for name in of_csv)])
