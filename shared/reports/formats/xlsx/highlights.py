"""Writes a column's highlights as Excel's conditional formats."""

from collections.abc import Iterator, Sequence

from shared.catalog.model import Column
from shared.reports.formats.xlsx.styles import Styles

_INK, _WARNING = "7A3E00", "FDE8CF"
_BAR = "9DBBD6"


def rules_of(column: Column, styles: Styles) -> Sequence[str]:
    """Return the rules that report.toml defines for the column, as `<cfRule>` elements without priority."""
    return list(_rules(column, styles))


def _rules(column: Column, styles: Styles) -> Iterator[str]:
    highlight = column.highlight
    if highlight is None:
        return
    for operator, bound in (("greaterThan", highlight.above), ("lessThan", highlight.below)):
        if bound is not None:
            look = styles.highlight(_INK, _WARNING)
            # A comparison treats an empty cell as 0.
            sign = "&gt;" if operator == "greaterThan" else "&lt;"
            yield (
                f'<cfRule type="expression" dxfId="{look}"><formula>AND(ISNUMBER({{cell}}),{{cell}}{sign}{bound:.15g})'
                "</formula></cfRule>"
            )
    if highlight.bars:
        yield (
            '<cfRule type="dataBar"><dataBar><cfvo type="min"/><cfvo type="max"/>'
            f'<color rgb="FF{_BAR}"/></dataBar></cfRule>'
        )
