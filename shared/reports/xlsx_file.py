"""An Excel workbook with typed cells, written row by row in constant memory."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from shared.catalog.model import Column, Limits, ReportType
from shared.reports.errors import cell_too_long, row_limit_exceeded
from shared.reports.source import Extract, SourceColumn

# Excel specifications and limits (support.microsoft.com, read 2026-11-23).
SHEET_ROWS = 1_048_576
_CELL_CHARACTERS = 32_767
_EXACT_DIGITS = 15
_FIRST_DAY = date(1900, 3, 1)
"""Excel believes that 1900 was a leap year; dates before this one are written as text."""

_DATE_FORMAT = "yyyy-mm-dd"
_DATETIME_FORMAT = "yyyy-mm-dd hh:mm:ss"
_WIDTH_SAMPLE = 200
_NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8"})


def write_xlsx(
    extract: Extract, report: ReportType, limits: Limits, path: Path, progress: Callable[[int], None]
) -> int:
    """Write a workbook: bold frozen header with titles and units, filter, widths; a new sheet every 1,048,575 rows.

    Numbers that Excel cannot hold exactly (over 15 digits) are written as text, never rounded. Text is text,
    also when it looks like a formula or a link. Returns the data rows.
    """
    options = {"constant_memory": True, "tmpdir": str(path.parent), "default_date_format": _DATE_FORMAT}
    workbook = xlsxwriter.Workbook(str(path), options)
    # The same rows give the same bytes.
    workbook.set_properties({"title": report.title, "created": datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)})
    writer = _Writer(workbook, report, extract.columns)
    rows = 0
    try:
        for row in extract.rows():
            rows += 1
            if rows > limits.max_rows:
                raise row_limit_exceeded(limits)
            writer.write(row, rows)
            if rows % 1_000 == 0:
                progress(rows)
        writer.finish_sheet()
    finally:
        workbook.close()
    return rows


class _Writer:
    """Knows where the next row goes and how each column is shown."""

    def __init__(self, workbook: Any, report: ReportType, columns: Sequence[SourceColumn]) -> None:
        self._workbook = workbook
        self._columns = columns
        self._shown = [report.columns.get(c.name) or Column(c.name, c.name) for c in columns]
        self._title = report.title
        self._header = workbook.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        self._formats = [self._format(c, shown) for c, shown in zip(columns, self._shown, strict=True)]
        self._sheets = 0
        self._widths = [0.0] * len(columns)
        self._next = 0
        self._sheet: Any = None
        self._new_sheet()

    def _format(self, column: SourceColumn, shown: Column) -> Any:
        default = {"date": _DATE_FORMAT, "timestamptz": _DATETIME_FORMAT, "timestamp": _DATETIME_FORMAT}
        number_format = shown.number_format or default.get(column.type_name, "")
        return self._workbook.add_format({"num_format": number_format}) if number_format else None

    def _new_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._workbook.add_worksheet(_sheet_name(self._title, self._sheets))
        self._sheet.freeze_panes(1, 0)
        for at, shown in enumerate(self._shown):
            text = f"{shown.title} ({shown.unit})" if shown.unit else shown.title
            self._sheet.write_string(0, at, text[:_CELL_CHARACTERS], self._header)
            self._widths[at] = max(self._widths[at], min(len(text), 24) + 3)
        self._next = 1

    def write(self, row: Sequence[Any], number: int) -> None:
        """One row of the result."""
        if self._next == SHEET_ROWS:
            self.finish_sheet()
            self._new_sheet()
        for at, value in enumerate(row):
            if value is not None:
                self._cell(at, value, number)
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
            if len(value) > _CELL_CHARACTERS:
                raise cell_too_long(self._columns[at].name, number, len(value))
            sheet.write_string(row, at, value)
            if number <= _WIDTH_SAMPLE:
                self._widths[at] = max(self._widths[at], min(len(value), 60) + 2)

    def finish_sheet(self) -> None:
        """Set the widths and the filter, now that the rows are known."""
        for at, (column, shown) in enumerate(zip(self._columns, self._shown, strict=True)):
            least = 12 if column.type_name in _NUMBERS else 20 if column.type_name.startswith("timestamp") else 11
            self._sheet.set_column(at, at, shown.width or max(self._widths[at], least))
        self._sheet.autofilter(0, 0, self._next - 1, max(0, len(self._columns) - 1))


def excel_value(value: Any) -> bool | int | float | date | str:
    """What Excel can hold of `value` without loss: a number, a date (datetimes in UTC, without zone), or text."""
    match value:
        case bool() | str():
            return value
        case int():
            return value if len(str(abs(value))) <= _EXACT_DIGITS else str(value)
        case Decimal():
            return _decimal(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return moment if moment.date() >= _FIRST_DAY else moment.isoformat(sep=" ")
        case date():
            return value if value >= _FIRST_DAY else value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()
        case dict() | list() | tuple():
            return json.dumps(_plain(value), ensure_ascii=False, default=str)
        case _:
            return str(value)


def _decimal(value: Decimal) -> float | str:
    if not value.is_finite():
        return str(value)
    digits = value.normalize().as_tuple().digits
    return float(value) if len(digits) <= _EXACT_DIGITS else format(value, "f")


def _plain(value: Mapping[Any, Any] | Iterable[Any]) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value)


def _sheet_name(title: str, number: int) -> str:
    """A name Excel accepts: 31 characters, none of []:*?/\\, no apostrophe at the ends."""
    clean = "".join(" " if c in "[]:*?/\\" else c for c in title).strip(" '") or "Report"
    suffix = "" if number == 1 else f" {number}"
    return clean[: 31 - len(suffix)].strip(" '") + suffix
