"""The options of a job that this release can honour. A newer API may write others while a new release is rolled out."""

from collections.abc import Iterator, Mapping
from typing import Any

from shared.catalog import csv_dialect, shape
from shared.failures import FailureCode
from shared.jobs.passwords import ENCRYPTED
from shared.reports.errors import failure
from shared.webhooks import conditions

KNOWN = frozenset(
    {
        *shape.FIELDS, shape.WORDS, ENCRYPTED, conditions.FIELD, "callbackUrl", "notAfter", "maxAttempts",
        "keepFilesSeconds", "keepSeconds", "fileName", "priority",
    }
)  # fmt: skip
"""Every option that an API of this release writes, also those that only the API, the relay or the database act on."""


def refuse_unknown(options: Mapping[str, Any] | None) -> None:
    """Return if this release knows all of a job's options. Raises ReportError(option_unknown), the worker's own fault.

    To ignore one would be wrong in silence: files without the password that was asked for, or rows that should be left
    out.
    """
    unknown = sorted(_unknown(options)) if options else None
    if unknown:
        raise failure(
            FailureCode.OPTION_UNKNOWN,
            f"This worker's release does not know {', '.join(unknown)}, which the job was asked for.",
        )


def _unknown(options: Mapping[str, Any]) -> Iterator[str]:
    yield from options.keys() - KNOWN
    yield from (f"csv.{name}" for name in (options.get("csv") or {}).keys() - csv_dialect.REQUEST.keys())
