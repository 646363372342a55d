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
    time_zone: str
    yes: str
    no: str
    nothing: str
    """The sentence of a report without rows, behind which its parameters stand."""
    data_of: str
    """Before the moment at which the source was read."""
    version: str
    job: str
    overview: str
    chart_data: str
    """Names of a workbook's sheets."""
    total: str
    subtotal: str
    """`{group}` is the group's value."""


_LABELS: Mapping[str, Labels] = {
    "en": Labels(
        parameters="Parameters", rows="Rows", all="all", appendix="All rows", page="Page {page} of {pages}",
        time_zone="Time zone", yes="yes", no="no",
        nothing="No rows match", data_of="Data of", version="Version", job="Job", total="Total",
        overview="Overview", chart_data="Chart data",
        subtotal="{group}, total",
    ),
    "ja": Labels(
        parameters="条件", rows="行数", all="すべて", appendix="明細", page="{page} / {pages} ページ",
        time_zone="時間帯", yes="はい", no="いいえ",
        nothing="該当する行がありません", data_of="データ時点", version="版", job="ジョブ", total="合計",
        overview="概要", chart_data="グラフのデータ",
        subtotal="{group} 計",
    ),
}  # fmt: skip


def labels_of(language: str) -> Labels:
    """Return the labels of `language` (`ja`, `ja-JP`), or English ones if there are none."""
    return _LABELS.get(language.partition("-")[0], _LABELS["en"])
