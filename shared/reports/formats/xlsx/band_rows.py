"""Writes the totals of groups into a worksheet, as formulas with the values that they have."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.reports.extract import ExtractColumn
from shared.reports.formats.bands import Bands, Group
from shared.reports.formats.xlsx.cells import Cell, CellKind
from shared.reports.formats.xlsx.cells_in_python import number_of
from shared.reports.formats.xlsx.limits import column_letters
from shared.reports.formats.xlsx.shifted_rows import Texts
from shared.reports.formats.xlsx.styles import Style, Styles
from shared.reports.formats.xlsx.workbook import text_cell

_CODES: Mapping[str, int] = {"sum": 9, "mean": 1, "min": 5, "max": 4, "count": 3}
"""The functions of SUBTOTAL, which ignores other SUBTOTALs, so that a total of totals counts nothing twice."""
_EXACT = frozenset({CellKind.INTEGER, CellKind.DECIMAL})
_ADDED_UP = _EXACT | {CellKind.FLOAT, CellKind.DATE, CellKind.DATETIME, CellKind.DURATION}
"""The cells that SUBTOTAL adds up; it ignores booleans and texts."""


class BandRows:
    """The rows of totals of one answer."""

    def __init__(
        self, bands: Bands, columns: Sequence[ExtractColumn], cells: Sequence[Cell], formats: Sequence[str],
        styles: Styles, accent: str, tint: str,
    ) -> None:  # fmt: skip
        self._bands, self._columns, self._cells = bands, columns, cells
        self.levels = len(bands.levels) if bands.has_totals else 0
        """How deep the data rows are grouped."""
        self.texts: Texts = {}
        """The rows with text in columns of `computed`."""
        look = Style(bold=True, fill=tint, above=accent)
        self._label = styles.of(look)
        self._styles = [
            styles.of(Style(bold=True, fill=tint, above=accent, number_format="#,##0" if _is_count(bands, c) else f))
            for c, f in zip(columns, formats, strict=True)
        ]

    @property
    def computed(self) -> Mapping[int, Cell]:
        """The columns, from 0, whose total is a formula as long as no cell that it adds up is text."""
        names = {c.name: at for at, c in enumerate(self._columns)}
        places = [names[name] for name, what in self._bands.functions.items() if what != "count"]
        return {at: self._cells[at] for at in places if self._cells[at].kind in _ADDED_UP}

    def sheets(self, rows: int, most: int) -> Iterator["SheetPart"]:
        """Yield the sheets that rows and totals fill, with `most` lines below each header."""
        lines = list(self._lines(rows, most))
        before = [line.before for line in lines]
        for number in range(max(1, -(-(rows + len(lines)) // most))):
            begin, end = number * most, (number + 1) * most
            # The line of a data row is its own number plus the number of totals above it.
            first, last = (bisect_left(range(rows), at, key=lambda row: row + bisect_right(before, row))
                           for at in (begin, end))  # fmt: skip
            own = [line for line in lines if begin <= line.place < end]
            events: dict[int, bytes] = {}
            for line in own:
                events[line.before - first] = events.get(line.before - first, b"") + line.xml
            yield SheetPart(first, last, events, len(own), before, most)

    def _lines(self, rows: int, most: int) -> Iterator["_Line"]:
        between = self._bands.at()
        starts = [0] * max(self.levels, 1)
        above = 0
        for at in sorted({*between, rows}):
            ended, begun = between.get(at, ((), ()))
            for group in ended:
                yield _Line(at + above, at, self._row(group, at + above, starts[group.level], most))
                above += 1
            for group in begun if self.levels else ():
                starts[group.level] = at + above
            if at == rows and self._bands.has_totals:
                yield _Line(at + above, at, self._row(self._bands.all_rows, at + above, 0, most))

    def _row(self, group: Group, place: int, first: int, most: int) -> bytes:
        """Return the line at `place` among all lines, with the totals of those from `first` on."""
        number = place % most + 2
        # SUBTOTAL cannot add up rows of several sheets: there only the value is written.
        begins = first % most + 2 if first // most == place // most else None
        whole = group is self._bands.all_rows
        names = [c.name for c in self._columns]
        label = 0 if whole else names.index(self._bands.levels[group.level].name)
        cells = []
        for at, (column, style) in enumerate(zip(self._columns, self._styles, strict=True)):
            letters = column_letters(at)
            if column.name in group.totals:
                of = f"{letters}{begins}:{letters}{number - 1}" if begins is not None else None
                cells.append(self._total(group, at, f"{letters}{number}", of))
            elif at == label:
                cells.append(text_cell(f"{letters}{number}", self._bands.label_of(group), self._label))
            else:
                cells.append(f'<c r="{letters}{number}" s="{style}"/>')
        outline = "" if whole or not group.level else f' outlineLevel="{group.level}"'
        return f'<row spans="1:{len(names)}" r="{number}"{outline}>{"".join(cells)}</row>\n'.encode()

    def _total(self, group: Group, at: int, place: str, rows: str | None) -> str:
        name = self._columns[at].name
        total, style = group.totals[name], self._styles[at]
        value = self._value(at, total.number)
        if value is None:
            return text_cell(place, total.shown, style) if total.shown else f'<c r="{place}" s="{style}"/>'
        formula = ""
        if rows is not None and not self._has_texts(group, at):
            formula = f"<f>SUBTOTAL({_CODES[self._bands.functions[name]]},{rows})</f>"
        return f'<c r="{place}" s="{style}">{formula}<v>{value}</v></c>'

    def _value(self, at: int, number: str | None) -> str | None:
        """Return the total as a cell contains it; None if it is not a number, or there is none."""
        what = self._bands.functions[self._columns[at].name]
        kind = CellKind.INTEGER if what == "count" else self._cells[at].kind
        if number is None or kind not in _ADDED_UP:
            return None
        # A mean of exact numbers is the double nearest to it.
        return number_of(CellKind.FLOAT if what == "mean" and kind in _EXACT else kind, number)

    def _has_texts(self, group: Group, at: int) -> bool:
        """True if SUBTOTAL would ignore some of what is added up."""
        texts = self.texts.get(at, ())
        return bisect_left(texts, group.first) < bisect_right(texts, group.last)


class _Line(NamedTuple):
    """A line of totals."""

    place: int
    """Its place among all lines below headers, including data, from 0."""
    before: int
    """The data row that it precedes."""
    xml: bytes


class SheetPart(NamedTuple):
    """The part of the rows and totals that one sheet contains."""

    first: int
    end: int
    """Its data rows, from 0, the last one not included."""
    events: Mapping[int, bytes]
    """What precedes which of its data rows, counted from `first`."""
    totals: int
    """How many lines of totals it contains."""
    before: Sequence[int]
    most: int

    @property
    def numbers(self) -> Iterator[int]:
        """Yield the number of each of its data rows in the sheet."""
        return ((row + bisect_right(self.before, row)) % self.most + 2 for row in range(self.first, self.end))


def _is_count(bands: Bands, column: ExtractColumn) -> bool:
    return bands.functions.get(column.name) == "count"
