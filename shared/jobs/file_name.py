"""The names of a job's files, as a client may choose them: a template with our placeholders and safe characters."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from shared.catalog.model import BUNDLE, Format
from shared.joiners import without_joiners
from shared.suggest import did_you_mean

PLACEHOLDERS = ("reportType", "reportVersion", "jobId", "date")
"""What a template may name in braces: `date` is the day (UTC) on which the job is to run."""
MAX_CHARACTERS = 120
MAX_BYTES = 190
"""Length of the finished name in UTF-8. With its extension it stays within the 200 bytes that any file of a job may
have."""

_PART = re.compile(r"\{([^{}]*)\}|([^{}]+)|([{}])")
_PUNCTUATION = frozenset(" ._-")
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))})
"""Windows reserves these names, whatever extension they have."""
_EXTENSIONS = frozenset(map(str, (*Format, BUNDLE)))


def problem(template: str) -> str | None:
    """Say why a template cannot name files, and how to mend it; None if it can."""
    if len(template) > MAX_CHARACTERS:
        return f"must have at most {MAX_CHARACTERS} characters"
    letters: list[str] = []
    for placeholder, plain, brace in _PART.findall(template):
        if brace:
            return 'has a brace without its partner: write placeholders as in "{reportType}-{date}"'
        if not plain and placeholder not in PLACEHOLDERS:
            return f"knows no placeholder {placeholder[:30]!r}{did_you_mean(placeholder[:30], PLACEHOLDERS)}"
        letters += plain or "x"
    return _name_problem("".join(letters))


def expand(template: str, *, report_type: str, report_version: str, job_id: UUID, day: datetime) -> str:
    """Return the name without its extension, which may still be too long. `template` must have no `problem`."""
    values: Mapping[str, str] = {
        "reportType": report_type,
        "reportVersion": "".join(c if _is_safe(c) else "_" for c in report_version)[:40],
        "jobId": str(job_id),
        "date": day.strftime("%Y-%m-%d"),
    }
    return _PART.sub(lambda part: values[part[1]] if part[1] else part[0], template)


def _name_problem(name: str) -> str | None:
    unsafe = next((c for c in without_joiners(name) if not _is_safe(c)), None)
    if unsafe is not None:
        shown = unsafe if unsafe.isprintable() else f"U+{ord(unsafe):04X}"
        return f"contains {shown!r}: write letters, digits, spaces, '.', '_' and '-' only; the extension is added"
    if not name or not name[0].isalnum() or name[-1] in " .":
        return "must begin with a letter or a digit, and not end in a space or a '.'"
    if ".." in name:
        return "must not contain '..'"
    if unicodedata.normalize("NFC", name) != name:
        return "must be written in Unicode's composed form (NFC)"
    if name.partition(".")[0].rstrip().lower() in _DEVICES:
        return "is a name that Windows keeps for a device: choose another"
    stem, _, extension = name.rpartition(".")
    if stem and extension.lower() in _EXTENSIONS:
        return f"must not end in '.{extension}': the extension of each format is added"
    return None


def _is_safe(character: str) -> bool:
    """True for letters, their marks, digits and some punctuation: nothing with a meaning in shells,
    paths or headers.
    """
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LM" or character.isdecimal()
