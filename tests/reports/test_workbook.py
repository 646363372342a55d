"""The XLSX library by itself: names, limits, and what Excel can and cannot hold."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from shared.reports import duck
from shared.reports.formats.xlsx.cells import Cell, CellKind, row_parts
from shared.reports.formats.xlsx.limits import characters, column_letters, sheet_name
from shared.reports.formats.xlsx.workbook import SheetColumn, Workbook


def cell_of(folder: Path, kind: CellKind, value: str, type_: str) -> Any:
    """The one cell of a workbook with one row, read by openpyxl."""
    path = folder / "one.xlsx"
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    cell = Cell("v", kind, "v::VARCHAR", "v")
    with Workbook(path, title="One", accent="1D5B8F") as book, book.sheet("One", [SheetColumn("v", 10)]) as sheet:
        row = ", ".join(row_parts([cell], "2"))
        sheet.add(
            duck.lines(connection, f"SELECT concat({row}) FROM (SELECT CAST({duck.literal(value)} AS {type_}) AS v)"), 1
        )
    return openpyxl.load_workbook(path).worksheets[0]["A2"].value


@pytest.mark.parametrize(
    ("title", "name"),
    [("a/b:c*d?[e]\\f", "a b c d e f"), ("'quoted'", "quoted"), ("History", "Report"), ("", "Report"),
     ("x" * 40, "x" * 31), ("🚀" * 20, "🚀" * 15), ("a\x00b\n", "a b")],
)  # fmt: skip
def test_a_sheet_has_a_name_that_excel_accepts(title: str, name: str) -> None:
    assert sheet_name(title) == name
    assert characters(sheet_name(title, 12)) <= 31


def test_columns_are_named_as_excel_names_them() -> None:
    assert [column_letters(n) for n in (0, 25, 26, 701, 702, 16_383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]


@pytest.mark.parametrize("value", ["0", "-1", "999999999999999", "0.10", "-123456789012345", "0.5", "100", "1e-5"])
def test_a_number_excel_can_hold_stays_that_number(value: str, tmp_path: Path) -> None:
    held = cell_of(tmp_path, CellKind.DECIMAL, value, "DECIMAL(38, 10)")

    assert not isinstance(held, str)
    assert Decimal(repr(held)) == Decimal(value)


@pytest.mark.parametrize(
    ("value", "kind", "type_"),
    [
        ("1000000000000000", CellKind.INTEGER, "BIGINT"),
        ("1.0000000000000001", CellKind.DECIMAL, "DECIMAL(38, 16)"),
        ("1" + "0" * 310, CellKind.DECIMAL, "VARCHAR"),
        ("1234567890.1234567", CellKind.DECIMAL, "VARCHAR"),
        ("NaN", CellKind.DECIMAL, "VARCHAR"),
        ("5e-324", CellKind.FLOAT, "DOUBLE"),
    ],
)
def test_a_number_excel_cannot_hold_is_its_text(value: str, kind: CellKind, type_: str, tmp_path: Path) -> None:
    held = cell_of(tmp_path, kind, value, type_)

    assert isinstance(held, str)
    assert math.isnan(Decimal(held)) or Decimal(held) == Decimal(value)


@pytest.mark.parametrize(
    ("value", "type_", "kind", "shown"),
    [
        ("2026-11-23 12:00+09", "TIMESTAMPTZ", CellKind.DATETIME, 46_349.125),
        ("1900-02-28", "DATE", CellKind.DATE, "1900-02-28"),
        ("1900-03-01", "DATE", CellKind.DATE, 61),
        ("9999-12-31", "DATE", CellKind.DATE, 2_958_465),
        ("1850-01-01 10:00", "TIMESTAMP", CellKind.DATETIME, "1850-01-01 10:00:00"),
        ("9999-12-31 23:59:59", "TIMESTAMP", CellKind.DATETIME, 2_958_465 + 86_399 / 86_400),
        ("9999-12-31 23:59:59.999999", "TIMESTAMP", CellKind.DATETIME, "9999-12-31 23:59:59.999999"),
    ],
)
def test_moments_are_days_since_1900_in_utc_or_text(
    value: str, type_: str, kind: CellKind, shown: object, tmp_path: Path
) -> None:
    assert cell_of(tmp_path, kind, value, type_) == shown


@pytest.mark.parametrize(("paper", "number"), [("a4", 9), ("us-letter", 1)])
def test_a_sheet_prints_with_its_header_on_every_page_and_all_columns(paper: str, number: int, tmp_path: Path) -> None:
    path = tmp_path / "printed.xlsx"
    with Workbook(path, title="Salt & <Pepper> " + "x" * 300, accent="1D5B8F", paper=paper) as book:
        book.page("Cover", [10.0], [])
        for name in ("Bob's & Ann's", "Second"):
            with book.sheet(name, [SheetColumn("v", 10)]):
                pass

    cover, *sheets = openpyxl.load_workbook(path).worksheets
    for sheet in (cover, *sheets):
        assert int(sheet.page_setup.paperSize) == number
        assert str(sheet.oddFooter.left.text).startswith("Salt && <Pepper> x")
        assert len(str(sheet.oddFooter.left.text)) < 130
        assert sheet.oddFooter.right.text == "&P / &N"
    for sheet in sheets:
        assert sheet.print_title_rows == "$1:$1"
        assert sheet.page_setup.orientation == "landscape"
        assert (sheet.sheet_properties.pageSetUpPr.fitToPage, sheet.page_setup.fitToHeight) == (True, 0)
