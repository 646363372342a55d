"""How languages write numbers and dates: decimal marks, digits, names of months and days.

From the Unicode CLDR (Unicode License v3), by `python -m deploy.tools.cultures`.
"""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LANGUAGE = 0x3FF
"""The bits of an LCID that identify the language, whatever the region (Microsoft, MS-LCID, read 2026-11-29)."""
_FILE = Path(__file__).with_name("cultures.json")
JAPANESE_ERAS: Sequence[tuple[str, int, str, str, str]] = (
    ("2019-05-01", 2018, "R", "令", "令和"), ("1989-01-08", 1988, "H", "平", "平成"),
    ("1926-12-25", 1925, "S", "昭", "昭和"), ("1912-07-30", 1911, "T", "大", "大正"),
    ("1868-01-01", 1867, "M", "明", "明治"),
)  # fmt: skip
"""First day, the year before the first one, and the era's name as a letter, as one character, and in full."""


@dataclass(frozen=True, slots=True)
class Culture:
    """The conventions of one language."""

    decimal: str
    group: str
    """The separator of thousands."""
    digits: str
    """Its ten digits; empty for 0 to 9."""
    months: Sequence[str]
    short_months: Sequence[str]
    days: Sequence[str]
    """Monday first."""
    short_days: Sequence[str]
    halves: Sequence[str]
    """The names of the halves of a day, before and after noon."""
    lcid: int
    """Its number in Excel's formats: 0x407 in `[$-407]`."""
    by_two: bool = False
    """True if digits beyond the thousands are grouped in pairs: 12,34,567."""

    @property
    def marks(self) -> Mapping[str, str]:
        """Each character of a program's number that is written differently here → that character."""
        ours = f".,{'0123456789' if self.digits else ''}"
        return {a: b for a, b in zip(ours, f"{self.decimal}{self.group}{self.digits}", strict=True) if a != b}


@functools.cache
def culture_of(language: str) -> Culture:
    """Return the conventions of `de-CH`, else of `de`, else of English."""
    if language in {"en", "en-US"}:
        return ENGLISH
    found = _all()
    return found.get(language) or found.get(language.partition("-")[0]) or ENGLISH


@functools.cache
def culture_of_lcid(lcid: int) -> Culture | None:
    """Return the conventions of the language and region with this number, else of the language; None for an unknown
    number.
    """
    of_language = [one for one in _all().values() if one.lcid & _LANGUAGE == lcid & _LANGUAGE]
    return next((one for one in of_language if one.lcid == lcid), next(iter(of_language), None))


@functools.cache
def _all() -> Mapping[str, Culture]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        tag: Culture(
            one["decimal"], one["group"], one["digits"], one["months"], one["shortMonths"], one["days"],
            one["shortDays"], one["halves"], one["lcid"], one.get("byTwo", False),
        )
        for tag, one in found.items()
    }  # fmt: skip


ENGLISH = Culture(
    ".", ",", "",
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
     "December"),
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), ("AM", "PM"), 0x409,
)  # fmt: skip
"""Repeated here, so that an English report does not read the file."""
