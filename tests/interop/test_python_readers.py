"""openpyxl and calamine read back every value that the XLSX writer wrote."""

import datetime as dt
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import python_calamine

from shared.catalog.model import Format
from tests.interop.workbook import expected, make, same_text


@pytest.fixture
def workbook(database_url: str, tmp_path: Path) -> Path:
    """The file."""
    [path] = make(database_url, tmp_path, Format.XLSX)
    return path


def by_openpyxl(path: Path) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True))[1:]


def by_calamine(path: Path) -> list[list[Any]]:
    return python_calamine.load_workbook(str(path)).get_sheet_by_index(0).to_python()[1:]


@pytest.mark.parametrize("read", [by_openpyxl, by_calamine])
def test_every_value_is_read_back(read: Any, workbook: Path) -> None:
    for row, (n, text, value, day, at, positive) in zip(read(workbook), expected(), strict=True):
        assert row[0] == n
        assert same_text(row[1] or "", str(text))
        assert (row[2] if row[2] != "" else None) == value
        assert _iso(row[3], "%Y-%m-%d") == day
        assert _iso(row[4], "%Y-%m-%d %H:%M:%S") == at
        assert (row[5] if row[5] != "" else None) == positive


def _iso(value: dt.date | str | None, pattern: str) -> str | None:
    return value.strftime(pattern) if isinstance(value, dt.date) else None
