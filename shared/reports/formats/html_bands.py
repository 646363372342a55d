"""Writes the rows of an HTML table that describe other rows: headings of groups, and totals."""

import html
from collections.abc import Mapping, Sequence

from shared.reports.extract import ExtractColumn
from shared.reports.formats.bands import Bands, Group


def band_rows(bands: Bands, columns: Sequence[ExtractColumn], rows: int) -> Mapping[int, bytes]:
    """Return what precedes each row of the table, and what follows the last one."""
    found = {
        row: "".join([*(_totals(bands, one, columns) for one in ended), *(_heading(one, columns) for one in begun)])
        for row, (ended, begun) in bands.at().items()
    }
    if bands.has_totals:
        found[rows] = found.get(rows, "") + _totals(bands, bands.all_rows, columns)
    return {row: text.encode() for row, text in found.items()}


def _heading(group: Group, columns: Sequence[ExtractColumn]) -> str:
    return (
        f'<tr class="group level{group.level}"><th scope="rowgroup" dir="auto" colspan="{len(columns)}">'
        f"{html.escape(group.title)}</th></tr>\n"
    )


def _totals(bands: Bands, group: Group, columns: Sequence[ExtractColumn]) -> str:
    first = next((at for at, column in enumerate(columns) if column.name in group.totals), len(columns))
    label = html.escape(bands.label_of(group))
    kind = "total" if group is bands.all_rows else f"subtotal level{group.level}"
    if first == 0:  # no room for the label in front of the numbers
        before = f'{_labelled(kind, label, len(columns))}</tr>\n<tr class="{kind}">'
    else:
        before = _labelled(kind, label, first)
    cells = []
    for column in columns[first:]:
        total = group.totals.get(column.name)
        text = html.escape(total.shown) if total else ""
        cells.append(f'<td class="n">{text}</td>' if column.source.at_right else f"<td>{text}</td>")
    return f"{before}{''.join(cells)}</tr>\n"


def _labelled(kind: str, label: str, width: int) -> str:
    return f'<tr class="{kind}"><th scope="row" dir="auto" colspan="{width}">{label}</th>'
