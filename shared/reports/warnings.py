"""Warnings about the files of a successful job: they are complete, but somebody should look at them.

Warnings are shown in the job's `result`, in its manifest, in the worker's log and by `todoke-server check`.
docs/reference/errors.md lists their codes (`python -m deploy.tools.errors_page`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class WarningCode(StrEnum):
    """The stable name of a warning, as the wire shows it. A name that was released is never changed or reused."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """Create a member whose value is only `code`."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.remedy = meaning, remedy
        return member

    LETTERS_MISSING = (
        "letters_missing", "no font has these letters; the PDF shows a box for each",
        "Add a TrueType font with these letters to the folder in REPORT_FONTS, or request html or xlsx.",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReportWarning:
    """One warning about one file."""

    code: WarningCode
    file: str
    """The file's name."""
    message: str
    characters: Sequence[str] = ()
    """The characters concerned, by their Unicode names, up to fifty."""

    def as_json(self) -> Mapping[str, object]:
        """The warning as the job's result and the manifest hold it."""
        return {
            "code": self.code.value,
            "file": self.file,
            "message": self.message,
            "hint": self.code.remedy,
            "characters": list(self.characters),
        }
