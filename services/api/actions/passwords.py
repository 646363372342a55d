"""The password that a request gives its files: checked here, encrypted for its job, and shown to nobody."""

import unicodedata
from collections.abc import Mapping, Sequence

from services.api.actions import reuse
from shared.catalog.model import BUNDLE, Format, ReportType
from shared.catalog.parameters import Violation
from shared.jobs.passwords import ENCRYPTED
from shared.jobs.read import Job

FIELD = "password"
LEAST, MOST_BYTES = 6, 127
"""Characters at least, and bytes in UTF-8 at most: ISO 32000-2 (7.6.4.3.3) truncates anything longer."""
_FORMATS = (Format.PDF, Format.XLSX, BUNDLE)
"""The formats that may have one. The archive itself has none, but its content has."""


def read_password(
    fields: Mapping[str, object],
    report: ReportType,
    formats: Sequence[str],
    violations: list[Violation],
    *,
    kept: bool,
    retry_of: Job | None = None,
) -> str | None:
    """Return the password of a request; None if it has none. No message quotes it.

    `kept` is true if the service has keys to encrypt it with. `formats` are the checked formats of the request.
    """
    given = fields.get(FIELD)
    if given is None:
        if retry_of is not None and (retry_of.options or {}).get(ENCRYPTED) and FIELD not in fields:
            told = "is needed: the job's files had one, which was not kept. Give one, or null for files without"
            violations.append(Violation(FIELD, "required", told))
        return None
    if not isinstance(given, str):
        violations.append(Violation(FIELD, "type", "must be a string"))
        return None
    for code, problem in (
        ("range", _text_problem(given)),
        ("conflict", _problem(fields, report, formats, kept=kept)),
    ):
        if problem is not None:
            violations.append(Violation(FIELD, code, problem))
    return given


def _text_problem(given: str) -> str | None:
    if len(given) < LEAST or len(given.encode()) > MOST_BYTES:
        return f"must have at least {LEAST} characters, and at most {MOST_BYTES} bytes in UTF-8"
    # A PDF reader may first normalise the typed text into this form (SASLprep, RFC 4013), and could then not open
    # the file.
    if not given.isprintable() or unicodedata.normalize("NFKC", given) != given:
        return "must consist of visible characters and plain spaces, in the form that Unicode calls NFKC"
    return None


def _problem(fields: Mapping[str, object], report: ReportType, formats: Sequence[str], *, kept: bool) -> str | None:
    if not kept:
        return "cannot be kept here: SECRETS_KEY_FILE names no file of keys; ask who runs the service"
    if not report.formats:
        return f"is for files, and {report.name} makes none: leave it out"
    if others := [one for one in formats if one not in _FORMATS]:
        told = ", ".join(others)
        return f"is for pdf and xlsx, and {told} would be open to everybody: ask for those by themselves"
    archival = [one for one in report.pdf.standards if one.startswith("a-")]
    if Format.PDF in formats and archival:
        standard = f"{archival[0]}, the standard of this report's PDF"
        return f"does not go with {standard}, which forbids encryption: leave the password out, or ask for xlsx alone"
    if fields.get(reuse.FIELD) is not None:
        return f"does not go with {reuse.FIELD}: each job has its own password; leave one of them out"
    return None
