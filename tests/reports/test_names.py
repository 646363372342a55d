"""Columns of any name: no name that a format's own SQL, XML or JSON uses is reserved."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb
import openpyxl
import pytest

from shared.catalog.grouping import Grouping
from shared.catalog.model import Chart, Column, Format, PdfOptions, SummaryTable
from shared.catalog.pivot import Pivot
from shared.catalog.shape import Shape
from shared.reports import duck, extract
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest
from tests.reports.drawn.requests import CHART_FILE, write_chart
from tests.reports.test_looks import text_of
from tests.reports.test_values import lines_of

NAMES = (
    "file_row_number", "FILE_ROW_NUMBER", "filename", "file_index", "rowid", "__internal", "row number", "row", "step",
    "shift", "run", "begins", "texts", "first_row", "level0", "total0", "place", "key of the pivot", "report", "chart",
    "object", "select", "group by", "order", "null", "true", "count(*)", "a.b", 'say "x"', "it's", "?", ":name", "$1",
    "{0}", "--", ";", "\\", " ", "\n", "\u200b", "<b>&", "日付", "constructor", "__proto__",
)  # fmt: skip


def _fields(name: str) -> str:
    return f"CASE WHEN n < 3 THEN 'one' ELSE 'two' END AS {duck.identifier(name)}, n AS amount"


@pytest.mark.parametrize("few", [True, False], ids=["from cells", "from the extract"])
@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_any_name_is_in_every_format_with_groups_summaries_and_a_chart(
    name: str, few: bool, a_request: MakeRequest, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not few:
        monkeypatch.setattr(extract, "FEW_ROWS", -1)
    quoted = duck.identifier(name)
    write_chart(scratch)
    summary = f"SELECT {quoted}, sum(amount) AS total FROM report GROUP BY ALL ORDER BY ALL"
    pdf = PdfOptions(
        figures=SummaryTable("figures", "", f"SELECT max({quoted}) AS {quoted} FROM report"),
        tables=(SummaryTable("t", "Sums", summary),),
        charts=(Chart("c", "Chart", f"SELECT {quoted} AS k, sum(amount) AS n FROM report GROUP BY ALL", CHART_FILE),),
    )
    request = a_request(
        f"SELECT {_fields(name)} FROM generate_series(1, 4) AS n ORDER BY n", *Format,
        columns={name: Column(name, "Key"), "amount": Column("amount", "Amount", number_format="#,##0.0")},
    )  # fmt: skip
    grouping = Grouping((name,), {"amount": "sum"})
    request = replace(request, report=replace(request.report, pdf=pdf, folder=scratch, grouping=grouping))
    files = {file.format: file for file in render_files(request, lambda _: None)}

    assert list(csv.reader(files["csv"].path.open(newline="")))[1:] == [
        ["one", "1"], ["one", "2"], ["two", "3"], ["two", "4"],
    ]  # fmt: skip
    assert list(lines_of(files["jsonl"])[0].values()) == ["one", 1]
    for document in (files["html"], files["pdf"]):
        words = " ".join(text_of(document).split())
        assert "one, total 3.0" in words, document.format
        assert "Total 10.0" in words, document.format
    sheet = openpyxl.load_workbook(files["xlsx"].path).worksheets[1]
    assert [row[1].value for row in sheet.iter_rows(min_row=2)] == [
        1, 2, "=SUBTOTAL(9,B2:B3)", 3, 4, "=SUBTOTAL(9,B5:B6)", "=SUBTOTAL(9,B2:B7)",
    ]  # fmt: skip


@pytest.mark.parametrize("name", NAMES[:20])
def test_a_pivot_may_have_lines_keys_and_values_of_any_name(name: str, a_request: MakeRequest) -> None:
    fields = f"n % 2 AS half, {duck.literal(name)} AS key, n AS {duck.identifier(name)}"
    query = f"SELECT {fields} FROM generate_series(1, 4) AS n"
    for pivot, found in (
        (Pivot((name,), "key", "half", "sum"), [4, 0]),
        (Pivot(("half",), name, name, "max"), [0, None, 2, None, 4]),
        (Pivot(("half",), "key", name, "sum", name), [0, 6, 6]),
    ):
        request = a_request(query, Format.XLSX)
        request = replace(request, report=replace(request.report, pivot=pivot), shape=Shape(sort=(f"-{name}",)))
        [file] = render_files(request, lambda _: None)

        assert [cell.value for cell in openpyxl.load_workbook(file.path).active[2]] == found


@pytest.mark.parametrize(
    "names",
    [
        ("a", "A"), ("file_row_number", "File_Row_Number"), ("\u00df", "\u1e9e"), ("\u017f", "s"),
        ("\u0130", "i\u0307"), ("\u212a", "k"), ("", ""), (" ", "  "), ("column", ""),
    ],
    ids=str,
)  # fmt: skip
def test_names_that_differ_by_case_alone_or_not_at_all_are_two_columns(
    names: Sequence[str], a_request: MakeRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extract, "FEW_ROWS", -1)
    (tmp_path / "empty.db").touch()
    first, second = map(duck.identifier, names)
    request = a_request(f"SELECT 1 AS {first}, 2 AS {second}", *Format, dsn=f"sqlite://{tmp_path}/empty.db")
    files = {file.format: file for file in render_files(request, lambda _: None)}

    assert list(lines_of(files["jsonl"])[0].values()) == [1, 2]
    assert [cell.value for cell in openpyxl.load_workbook(files["xlsx"].path).active[2]] == [1, 2]
    assert duckdb.read_parquet(str(files["parquet"].path)).fetchall() == [(1, 2)]
