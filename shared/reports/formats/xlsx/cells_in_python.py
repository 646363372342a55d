"""Computes for small results the same as `cells.fields` in DuckDB: for each cell its number, if Excel can hold it, and
its text.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from shared.reports.formats.display_dates_in_python import microseconds
from shared.reports.formats.xlsx.cells import DAY_US, EPOCH_DAYS, FIRST_DAY, LAST_US, LONGEST_US, Cell, CellKind
from shared.reports.formats.xlsx.limits import EXACT_DIGITS

Text = str | None
_LONGEST_DECIMAL = 300
_SMALLEST, _LARGEST = 2.2251e-308, 9.99999999999999e307
_FIRST, _EPOCH = date.fromisoformat(FIRST_DAY), date(1970, 1, 1)
_MIDNIGHT = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = _MIDNIGHT + timedelta(microseconds=LAST_US)


def fields_of(cells: Sequence[Cell], rows: Sequence[Sequence[Text]]) -> Sequence[Sequence[Text]]:
    """Return the fields of each row for `rows_in_python`, from the source's texts."""
    numbers = [_NUMBERS[cell.kind] for cell in cells]
    return [
        [
            field
            for number, text in zip(numbers, row, strict=True)
            for field in (None if text is None else number(text), text)
        ]
        for row in rows
    ]


def number_of(kind: CellKind, text: str) -> Text:
    """Return the number of a total of such cells, from its text; None if Excel cannot hold it."""
    # The mean of days is a moment.
    try:
        return _NUMBERS[CellKind.DATETIME if kind is CellKind.DATE else kind](text)
    except ValueError:  # infinity, or a year beyond Python's range
        return None


def _no_number(_: str) -> None:
    return None


def _integer(text: str) -> Text:
    return text if len(text.lstrip("-")) <= EXACT_DIGITS else None


def _decimal(text: str) -> Text:
    digits = text.lstrip("-").replace(".", "").strip("0")
    return text if len(digits) <= EXACT_DIGITS and len(text) < _LONGEST_DECIMAL else None


def _float(text: str) -> Text:
    value = float(text)
    return repr(value) if value == 0 or _SMALLEST <= abs(value) <= _LARGEST else None


def _boolean(text: str) -> str:
    return "1" if text == "t" else "0"


def _date(text: str) -> Text:
    day = date.fromisoformat(text)
    return str((day - _EPOCH).days + EPOCH_DAYS) if day >= _FIRST else None


def _datetime(text: str) -> Text:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    if moment.date() < _FIRST or moment > _LAST:
        return None
    since = moment - _MIDNIGHT
    days, part = since.days + EPOCH_DAYS, since.seconds * 1_000_000 + since.microseconds
    return str(days) if part == 0 else repr(days + part / float(DAY_US))


def _duration(text: str) -> Text:
    lasted = microseconds(text)
    return repr(lasted / float(DAY_US)) if lasted is not None and lasted <= LONGEST_US else None


_NUMBERS: dict[CellKind, Callable[[str], Text]] = {
    CellKind.TEXT: _no_number,
    CellKind.INTEGER: _integer,
    CellKind.DECIMAL: _decimal,
    CellKind.FLOAT: _float,
    CellKind.BOOLEAN: _boolean,
    CellKind.DATE: _date,
    CellKind.DATETIME: _datetime,
    CellKind.DURATION: _duration,
}
