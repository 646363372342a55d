"""The labels that Todoke itself puts into a document, by language."""

import functools
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels in one language."""

    parameters: str
    rows: str
    all: str
    """Stands for a parameter without a value."""
    appendix: str
    page: str
    time_zone: str
    yes: str
    no: str
    nothing: str
    """The sentence of a report without rows, followed by its parameters."""
    data_of: str
    """Precedes the moment at which the source was read."""
    version: str
    job: str
    overview: str
    chart_data: str
    """The names of a workbook's sheets."""
    total: str
    subtotal: str
    """`{group}` is the group's value."""


_FILE = Path(__file__).with_name("labels.json")
_AS_IN: Mapping[str, str] = {"zh-tw": "zh-hant", "zh-hk": "zh-hant", "zh-mo": "zh-hant", "no": "nb", "nn": "nb"}


def left_to_right(text: str, *, from_right: bool) -> str:
    """Return a date, number or name that keeps its order after letters of a right-to-left document: their direction
    would reverse its parts (UAX #9, U+200E). A text that has such letters itself is unchanged.
    """
    if not text or not from_right or any(unicodedata.bidirectional(letter) in _FROM_RIGHT for letter in text):
        return text
    return f"\u200e{text}\u200e"


NOTHING = "–"  # noqa: RUF001 - a dash as wide as a digit
"""Replaces NULL in a heading, and an empty list of parameters. A cell of a table is left empty instead."""
_FROM_RIGHT = frozenset({"R", "AL"})


def labels_of(language: str) -> Labels:
    """Return the labels of `pt-BR`, else of `pt`, else of English."""
    tag = language.lower()
    while tag:
        if found := _all().get(_AS_IN.get(tag, tag)):
            return found
        tag = tag.rpartition("-")[0]
    return _all()["en"]


@functools.cache
def _all() -> Mapping[str, Labels]:
    found: Mapping[str, Mapping[str, str]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return {language.lower(): Labels(**texts) for language, texts in found.items()}
