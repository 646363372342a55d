"""The labels that Todoke itself puts into a document, by language."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Labels:
    """The labels in one language."""

    parameters: str
    rows: str
    all: str
    """Stands for a parameter without a value."""
    appendix: str
    page: str
    yes: str
    no: str


_LABELS: Mapping[str, Labels] = {
    "en": Labels(
        parameters="Parameters", rows="Rows", all="all", appendix="All rows", page="Page {page} of {pages}",
        yes="yes", no="no",
    ),
    "ja": Labels(
        parameters="条件", rows="行数", all="すべて", appendix="明細", page="{page} / {pages} ページ",
        yes="はい", no="いいえ",
    ),
}  # fmt: skip


def labels_of(language: str) -> Labels:
    """Return the labels of `language` (`ja`, `ja-JP`), or English ones if there are none."""
    return _LABELS.get(language.partition("-")[0], _LABELS["en"])
