"""An Excel workbook with typed cells, written row by row in constant memory."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from shared.catalog.model import Column, Limits, ReportType
from shared.reports.errors import cell_too_long, row_limit_exceeded
from shared.reports.excel_value import CELL_CHARACTERS, SHEET_ROWS, characters, excel_value
from shared.reports.source import Extract, SourceColumn

_DATE_FORMAT = "yyyy-mm-dd"
_DATETIME_FORMAT = "yyyy-mm-dd hh:mm:ss"
_DEFAULT_FORMATS = {"date": _DATE_FORMAT, "timestamp": _DATETIME_FORMAT, "timestamptz": _DATETIME_FORMAT}
_WIDTH_SAMPLE = 200
_PROGRESS_ROWS = 1_000
_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a workbook's properties have no zone
"""The same rows give the same bytes, so no file tells the time of its making."""


def write_xlsx(
    extract: Extract, report: ReportType, limits: Limits, path: Path, progress: Callable[[int], None]
) -> int:
    """Write a workbook: bold frozen header with titles and units, filter, widths; a new sheet every 1,048,575 rows.

    Numbers that Excel cannot hold exactly (over 15 digits) are written as text, never rounded. Text is text,
    also when it looks like a formula or a link. Returns the data rows.
    """
    options = {"constant_memory": True, "tmpdir": str(path.parent), "default_date_format": _DATE_FORMAT}
    workbook = xlsxwriter.Workbook(str(path), options)
    workbook.set_properties({"title": report.title, "created": _CREATED})
    writer = _Writer(workbook, report, extract.columns)
    rows = 0
    for row in extract.rows():
        rows += 1
        if rows > limits.max_rows:
            raise row_limit_exceeded(limits)
        writer.write(row, rows)
        if rows % _PROGRESS_ROWS == 0:
            progress(rows)
    writer.finish_sheet()
    workbook.close()  # only now: closing after an error would build the whole file, and hide the error behind its own
    return rows


class _Writer:
    """Knows where the next row goes and how each column is shown."""

    def __init__(self, workbook: Any, report: ReportType, columns: Sequence[SourceColumn]) -> None:
        self._workbook = workbook
        self._columns = columns
        self._shown = [report.columns.get(c.name) or Column(c.name, c.name) for c in columns]
        self._title = report.title
        self._header = workbook.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._blank = workbook.add_format()
        self._formats = [self._format(c, shown) for c, shown in zip(columns, self._shown, strict=True)]
        self._sheets = 0
        self._widths = [0.0] * len(columns)
        self._next = 0
        self._sheet: Any = None
        self._new_sheet()

    def _format(self, column: SourceColumn, shown: Column) -> Any:
        number_format = shown.number_format or _DEFAULT_FORMATS.get(column.type_name, "")
        return self._workbook.add_format({"num_format": number_format}) if number_format else None

    def _new_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._workbook.add_worksheet(_sheet_name(self._title, self._sheets))
        self._sheet.freeze_panes(1, 0)
        for at, shown in enumerate(self._shown):
            text = f"{shown.title} ({shown.unit})" if shown.unit else shown.title
            self._sheet.write_string(0, at, text, self._header)
            self._widths[at] = max(self._widths[at], min(len(text), 24) + 3)
        self._next = 1

    def write(self, row: Sequence[Any], number: int) -> None:
        """One row of the result."""
        if self._next == SHEET_ROWS:
            self.finish_sheet()
            self._new_sheet()
        blank = True
        for at, value in enumerate(row):
            if value is not None:
                self._cell(at, value, number)
                blank = False
        if blank:
            # A row without a cell would not be in the file at all.
            self._sheet.write_blank(self._next, 0, None, self._blank)
        self._next += 1

    def _cell(self, at: int, value: Any, number: int) -> None:
        sheet, row, shape = self._sheet, self._next, self._formats[at]
        value = excel_value(value)
        if isinstance(value, bool):
            sheet.write_boolean(row, at, value, shape)
        elif isinstance(value, int | float):
            sheet.write_number(row, at, value, shape)
        elif isinstance(value, date):
            sheet.write_datetime(row, at, value, shape)
        else:
            if (length := characters(value)) > CELL_CHARACTERS:
                raise cell_too_long(self._columns[at].name, number, length)
            sheet.write_string(row, at, value)
            if number <= _WIDTH_SAMPLE:
                self._widths[at] = max(self._widths[at], min(len(value), 60) + 2)

    def finish_sheet(self) -> None:
        """Set the widths and the filter, now that the rows are known."""
        for at, (column, shown) in enumerate(zip(self._columns, self._shown, strict=True)):
            least = 12 if column.is_number else 20 if column.type_name.startswith("timestamp") else 11
            self._sheet.set_column(at, at, shown.width or max(self._widths[at], least))
        self._sheet.autofilter(0, 0, self._next - 1, max(0, len(self._columns) - 1))


def _sheet_name(title: str, number: int) -> str:
    """A name Excel accepts: 31 characters, none of []:*?/\\, no apostrophe at the ends, not History."""
    clean = "".join(" " if c in "[]:*?/\\" or not c.isprintable() else c for c in title).strip(" '")
    if clean.lower() in {"", "history"}:
        clean = "Report"
    suffix = "" if number == 1 else f" {number}"
    while characters(clean) > 31 - len(suffix):
        clean = clean[:-1]
    return clean.strip(" '") + suffix
