"""Writes the totals of groups into a worksheet, as formulas with the values that they have."""

import re
from collections.abc import Mapping, Sequence

from shared.reports.extract import ExtractColumn
from shared.reports.formats.bands import Bands, Group
from shared.reports.formats.xlsx.cells import Cell, CellKind
from shared.reports.formats.xlsx.limits import EXACT_DIGITS, column_letters
from shared.reports.formats.xlsx.styles import Style, Styles
from shared.reports.formats.xlsx.workbook import text_cell

_CODES: Mapping[str, int] = {"sum": 9, "mean": 1, "min": 5, "max": 4, "count": 3}
"""The functions of SUBTOTAL, which leaves other SUBTOTALs out: a total of totals counts nothing twice."""
_NUMBERS = frozenset({CellKind.INTEGER, CellKind.DECIMAL, CellKind.FLOAT})
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")


class BandRows:
    """The rows of totals of one sheet."""

    def __init__(
        self, bands: Bands, columns: Sequence[ExtractColumn], cells: Sequence[Cell], formats: Sequence[str],
        styles: Styles, accent: str, tint: str,
    ) -> None:  # fmt: skip
        self._bands, self._columns, self._cells = bands, columns, cells
        self.levels = len(bands.levels) if bands.has_totals else 0
        """How deep the data rows are grouped."""
        look = Style(bold=True, fill=tint, above=accent)
        self._label = styles.of(look)
        self._styles = [
            styles.of(Style(bold=True, fill=tint, above=accent, number_format="#,##0" if _is_count(bands, c) else f))
            for c, f in zip(columns, formats, strict=True)
        ]

    @property
    def shift(self) -> str:
        """SQL for how many rows of totals stand above a data row that begins new groups, beside the one before it."""
        keys = [c.quoted for c in self._bands.levels] if self.levels else []
        changes = [
            " OR ".join(f"{key} IS DISTINCT FROM lag({key}) OVER ()" for key in keys[: at + 1])
            for at in range(len(keys))
        ]
        steps = " + ".join(f"({change})::INTEGER" for change in changes) or "0"
        return f"CASE WHEN file_row_number = 0 THEN 0 ELSE {steps} END"

    def events(self, rows: int) -> tuple[Mapping[int, bytes], Sequence[int]]:
        """Return what stands before each data row, from 0, and behind the last; and each data row's own number."""
        between, starts = self._bands.at(), [0] * max(self.levels, 1)
        found: dict[int, bytes] = {}
        numbers: list[int] = []
        above = 0
        for at in sorted({*between, rows}):
            numbers += range(len(numbers) + 2 + above, at + 2 + above)
            ended, begun = between.get(at, ((), ()))
            parts = []
            for group in ended:
                number = at + 2 + above
                parts.append(self._row(group, number, starts[group.level]))
                above += 1
            for group in begun if self.levels else ():
                starts[group.level] = at + 2 + above
            if at == rows and self._bands.has_totals:
                parts.append(self._row(self._bands.all_rows, at + 2 + above, 2))
            if parts:
                found[at] = "".join(parts).encode()
        return found, numbers

    def _row(self, group: Group, number: int, first: int) -> str:
        whole = group is self._bands.all_rows
        names = [c.name for c in self._columns]
        place = 0 if whole else names.index(self._bands.levels[group.level].name)
        cells = []
        for at, (column, style) in enumerate(zip(self._columns, self._styles, strict=True)):
            letters = column_letters(at)
            if column.name in group.totals:
                cells.append(self._total(group, at, f"{letters}{number}", f"{letters}{first}:{letters}{number - 1}"))
            elif at == place:
                cells.append(text_cell(f"{letters}{number}", self._bands.label_of(group), self._label))
            else:
                cells.append(f'<c r="{letters}{number}" s="{style}"/>')
        outline = "" if whole or not group.level else f' outlineLevel="{group.level}"'
        return f'<row spans="1:{len(names)}" r="{number}"{outline}>{"".join(cells)}</row>\n'

    def _total(self, group: Group, at: int, place: str, rows: str) -> str:
        name = self._columns[at].name
        total, style = group.totals[name], self._styles[at]
        number = total.number or ""
        if len(number.lstrip("-").replace(".", "").strip("0")) > EXACT_DIGITS and self._bands.functions[name] != "mean":
            return text_cell(place, total.shown, style)  # no number of Excel's has so many digits
        known = self._cells[at].kind in _NUMBERS or _is_count(self._bands, self._columns[at])
        value = f"<v>{number}</v>" if known and _PLAIN.fullmatch(number) else ""
        return f'<c r="{place}" s="{style}"><f>SUBTOTAL({_CODES[self._bands.functions[name]]},{rows})</f>{value}</c>'


def _is_count(bands: Bands, column: ExtractColumn) -> bool:
    return bands.functions.get(column.name) == "count"
