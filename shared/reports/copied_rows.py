"""Keeps the first rows of a CSV that the source itself writes, as it passes through."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from shared.catalog.model import CsvOptions, ReportType
from shared.reports import first_rows
from shared.reports.columns import FORMULA_STARTS, SourceColumn, unique_names

_READ_BYTES = first_rows.MOST_BYTES + (1 << 16)
"""How much of the CSV is kept: its values take no more room there than as JSON."""


class CopiedRows:
    """Keeps the beginning of what is written through it."""

    def __init__(self) -> None:
        self._begin = bytearray()

    def beside(self, out: Callable[[bytearray], object]) -> Callable[[bytearray], None]:
        """Return a function that passes each piece of the CSV to `out`, and keeps the first ones."""

        def take(piece: bytearray) -> None:
            if len(self._begin) < _READ_BYTES:
                self._begin += piece
            out(piece)

        return take

    def keep(self, columns: Sequence[SourceColumn], report: ReportType, folder: Path, *, of: int) -> None:
        """Write the first rows into `folder`, as `first_rows.keep` does. `of` is the total number of rows."""
        names = unique_names(column.name for column in columns)
        told = first_rows.described(list(zip(columns, names, strict=True)), report)
        try:
            first_rows.write(folder / first_rows.NAME, told, self._lines(columns, report.csv, of), of=of)
        except (ValueError, OSError) as error:
            first_rows.not_kept(error)

    def _lines(self, columns: Sequence[SourceColumn], options: CsvOptions, of: int) -> Iterator[bytes]:
        # A row that is cut off at the end of the buffer is incomplete, and is left out.
        text = self._begin.decode(errors="replace")
        rows = _rows(text, options, len(columns))
        next(rows, None)  # skip the header
        is_guarded = any(f"'{start}" in text for start in FORMULA_STARTS)
        writers = [_writer(column, is_guarded=is_guarded) for column in columns]
        for row in islice(rows, min(of, first_rows.MOST_ROWS)):
            yield first_rows.as_line(row, writers)


def _rows(text: str, options: CsvOptions, width: int) -> Iterator[Sequence[str | None]]:
    """Yield the complete rows, with None for a cell that is empty without quotes. Raises ValueError."""
    end, delimiter = options.line_end, options.delimiter
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
        cell = _cell(end, delimiter)
        row: list[str | None] = []
        while len(row) < width:
            found = cell.match(text, at)
            if found is None:
                return
            quoted, plain, _ = found.groups()
            row.append(plain or None if quoted is None else quoted.replace('""', '"'))
            at = found.end()
        yield row


def _cell(end: str, delimiter: str) -> re.Pattern[str]:
    """Match a cell with or without quotes, and what ends it."""
    return re.compile(rf'(?:"((?:[^"]|"")*)"|([^"\r\n{re.escape(delimiter)}]*))({re.escape(delimiter)}|{end})')


def _writer(column: SourceColumn, *, is_guarded: bool) -> Callable[[str], str]:
    """Return a function that writes a cell's text as JSON. `is_guarded` is true if the formula guard is on."""
    write = first_rows.writer(column)
    if not (is_guarded and column.may_hold_a_formula):
        return write
    return lambda text: write(_without_guard(text))


def _without_guard(text: str) -> str:
    """Remove the apostrophe that keeps a spreadsheet from running the text.

    A text that really begins with an apostrophe before such a character loses it, too: the CSV does not distinguish the
    two.
    """
    return text[1:] if text[:1] == "'" and text[1:2] and text[1] in FORMULA_STARTS else text
