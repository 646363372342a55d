"""Takes the first rows of a CSV that the source itself writes, while it passes by."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from shared.catalog.model import CsvOptions, ReportType
from shared.reports import first_rows
from shared.reports.columns import FORMULA_STARTS, SourceColumn, unique_names

_READ_BYTES = first_rows.MOST_BYTES + (1 << 16)
"""Of the CSV: its values take no more room there than as JSON."""
_Value = str | int | bool | None


class CopiedRows:
    """Keeps the beginning of what is written through it."""

    def __init__(self) -> None:
        self._begin = bytearray()

    def beside(self, out: Callable[[bytearray], object]) -> Callable[[bytearray], None]:
        """Return a function that gives `out` each piece of the CSV, and keeps the first ones."""

        def take(piece: bytearray) -> None:
            if len(self._begin) < _READ_BYTES:
                self._begin += piece
            out(piece)

        return take

    def keep(self, columns: Sequence[SourceColumn], report: ReportType, folder: Path, *, of: int) -> None:
        """Write the first rows into `folder`, as `first_rows.keep` does. `of` is the number of all rows."""
        names = unique_names(column.name for column in columns)
        told = first_rows.described(list(zip(columns, names, strict=True)), report)
        try:
            first_rows.write(folder / first_rows.NAME, told, self._lines(columns, report.csv, of), of=of)
        except (ValueError, OSError) as error:
            first_rows.not_kept(error)

    def _lines(self, columns: Sequence[SourceColumn], options: CsvOptions, of: int) -> Iterator[bytes]:
        # A row that is cut off at the end is not whole, and not the last one that was asked for.
        text = self._begin.decode(errors="replace")
        rows = _rows(text, options, len(columns))
        next(rows, None)  # the header
        readers = [_reader(column) for column in columns]
        for _ in range(min(of, first_rows.MOST_ROWS)):
            row = next(rows, None)
            if row is None:
                return
            values = [
                read(cell) if read and cell is not None else cell for cell, read in zip(row, readers, strict=True)
            ]
            yield first_rows.as_line(values)


def _rows(text: str, options: CsvOptions, width: int) -> Iterator[Sequence[str | None]]:
    """Yield the rows that are whole: None where a cell is empty without quotes. Raises ValueError."""
    end, delimiter = options.line_end, options.delimiter
    cell = re.compile(rf'(?:"((?:[^"]|"")*)"|([^"\r\n{re.escape(delimiter)}]*))({re.escape(delimiter)}|{end})')
    at = 0
    while at < len(text):
        stop = text.find(end, at)
        if stop < 0:
            return
        line = text[at:stop]
        if '"' not in line:
            yield [one or None for one in line.split(delimiter)]
            at = stop + len(end)
            continue
        row: list[str | None] = []
        while len(row) < width:
            found = cell.match(text, at)
            if found is None:
                return
            quoted, plain, _ = found.groups()
            row.append(plain or None if quoted is None else quoted.replace('""', '"'))
            at = found.end()
        yield row


def _reader(column: SourceColumn) -> Callable[[str], _Value] | None:
    """What makes the value of a cell's text; None if the text is the value."""
    of_its_kind = first_rows.READERS.get(first_rows.kind(column))
    return of_its_kind or (_without_guard if column.may_hold_a_formula else None)


def _without_guard(text: str) -> str:
    """The text without the apostrophe that keeps a spreadsheet from running it.

    A text that has had its own in front of such a character loses it here: the CSV itself does not tell the two apart.
    """
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in FORMULA_STARTS else text
