"""Several queries of one report: at one moment, each a sheet, a section or a file, and pivots for people."""

import contextlib
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

import openpyxl
import pikepdf
import psycopg
import pytest

from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.model import Column, Format, ReportType
from shared.catalog.parameters import validate_parameters
from shared.catalog.pivot import Pivot
from shared.reports import answers
from shared.reports.formats.labels import NOTHING
from shared.reports.interface import RenderedFile, RenderRequest, ReportError
from shared.reports.question import Question
from shared.reports.render import render_files
from shared.reports.sources.sqlite import SqliteResult
from tests.reports.conftest import MakeRequest, Run, _fresh
from tests.reports.test_looks import text_of
from tests.reports.test_values import lines_of

FILES = {
    "report.toml": """
title = "Sales"
[parameters.year]
type = "integer"
default = 2026
[columns.month]
format = 'yyyy"年"m"月"'
[columns.yen]
title = "Sales"
unit = "円"
format = "#,##0"
[queries.by_shop]
title = "Sales"
pivot = {rows = ["shop"], columns = "month", values = "yen", total = "Sum"}
[queries.by_shop.columns.shop]
title = "Shop"
[pdf.figures]
query = "SELECT sum(yen) AS yen FROM by_shop"
""",
    "query.sql": "SELECT n AS id, n * 10 AS yen FROM generate_series(1, 3) n ORDER BY n",
    "queries/by_shop.sql": """
        SELECT shop, make_date(:year::int, m, 1) AS month, yen
          FROM (VALUES ('A', 2, 1234.5), ('B', 1, 10), ('A', 1, 1), ('A', 2, 0.5), ('B', NULL, 7)) AS s(shop, m, yen)
         ORDER BY shop DESC, m""",
    "queries/notes.sql": "SELECT 'a note' AS note, pg_current_snapshot()::text AS moment",
}


@pytest.fixture
def catalog(tmp_path: Path) -> Callable[..., ReportType]:
    def write(**changes: str) -> ReportType:
        for name, text in {
            **FILES,
            **{key.replace("__", "/").replace("_sql", ".sql"): v for key, v in changes.items()},
        }.items():
            path = tmp_path / "catalog" / "sales" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return load_catalog(tmp_path / "catalog").types["sales"]

    return write


def made(report: ReportType, dsn: str, scratch: Path, *formats: Format, **more: object) -> Mapping[str, RenderedFile]:
    request = RenderRequest(report, validate_parameters(report, {}), formats, dsn, _fresh(scratch), **more)  # type: ignore[arg-type]
    return {file.name: file for file in render_files(request, lambda _: None)}


def test_each_query_is_a_sheet_a_section_or_a_file_of_one_moment(
    catalog: Callable[..., ReportType], source_dsn: str, scratch: Path
) -> None:
    files = made(
        catalog(), source_dsn, scratch, Format.CSV, Format.XLSX, Format.HTML, Format.PDF, Format.JSONL, bundle=True
    )

    assert sorted(files) == [
        "sales-by_shop.csv", "sales-by_shop.jsonl", "sales-notes.csv", "sales-notes.jsonl", "sales.csv", "sales.html",
        "sales.jsonl", "sales.pdf", "sales.xlsx", "sales.zip",
    ]  # fmt: skip
    assert [files[name].rows for name in ("sales.csv", "sales-by_shop.csv", "sales.xlsx")] == [3, 5, 3 + 2 + 1]
    book = openpyxl.load_workbook(files["sales.xlsx"].path)
    assert book.sheetnames == ["Overview", "Sales", "Sales 2", "Notes"]
    assert [[cell.value for cell in row] for row in book["Sales 2"]] == [
        ["Shop", "2026年1月 (円)", "2026年2月 (円)", f"{NOTHING} (円)", "Sum (円)"],
        ["B", 10, None, 7, 17], ["A", 1, 1235, None, 1236],
    ]  # fmt: skip
    assert book["Sales 2"]["C3"].number_format == "#,##0"
    page = files["sales.html"].path.read_text()
    assert re.findall("<h2[^>]*>(.*?)</h2>", page) == ["All rows", "Sales", "Notes"]
    assert '<td class="n">1,236</td>' in page
    with pikepdf.open(files["sales.pdf"].path) as document:
        assert len(document.pages) >= 1
    assert [line["month"] for line in lines_of(files["sales-by_shop.jsonl"])][
        -1
    ] == "2026-02-01"  # no pivot for programs
    manifest = json.loads((files["sales.csv"].path.parent / "manifest.json").read_text())["manifest"]
    assert manifest["source"]["queries"] == {"by_shop": 5, "notes": 1}
    assert lines_of(files["sales-notes.jsonl"])[0]["moment"] == manifest["source"]["snapshot"]["id"]
    with zipfile.ZipFile(files["sales.zip"].path) as archive:
        assert sorted(archive.namelist()) == sorted(name for name in files if name != "sales.zip")


def test_an_attempt_goes_on_from_all_extracts_or_from_none(
    catalog: Callable[..., ReportType], source_dsn: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, keep = catalog(), _fresh(scratch) / "kept"
    first = made(report, source_dsn, scratch, Format.XLSX, keep=keep)["sales.xlsx"].sha256
    read = mock.Mock(wraps=answers.read)
    monkeypatch.setattr(answers, "read", read)
    assert made(report, source_dsn, scratch, Format.XLSX, keep=keep)["sales.xlsx"].sha256 == first
    read.assert_not_called()
    about = keep / "queries" / "notes" / "extract.json"
    about.write_text(about.read_text().replace('"takenAt": "20', '"takenAt": "19'))  # another moment
    assert made(report, source_dsn, scratch, Format.XLSX, keep=keep)["sales.xlsx"].rows == 6
    read.assert_called_once()


def test_a_mistake_names_the_file_of_its_query(
    catalog: Callable[..., ReportType], source_dsn: str, scratch: Path
) -> None:
    report = catalog(**{"queries/notes.sql": "SELECT 1 AS n,\n  nothing AS note"})
    with pytest.raises(ReportError, match=r"in line 2 of queries/notes\.sql"):
        made(report, source_dsn, scratch, Format.CSV)
    wide = catalog(**{"queries/notes.sql": "SELECT 1 AS shop, n AS month, n AS yen FROM generate_series(1, 501) n"})
    [notes] = [replace(query, pivot=report.queries[0].pivot) for query in wide.queries if query.name == "notes"]
    with pytest.raises(ReportError, match="more than 500"):
        made(replace(wide, queries=(notes,)), source_dsn, scratch, Format.HTML)


def test_the_loader_names_what_is_wrong_with_queries(catalog: Callable[..., ReportType]) -> None:
    toml = """
title = "Sales"
[queries.by_shpo]
[queries.by_shop.pivot]
rows = ["shop"]
aggregate = "summ"
[queries.notes]
titel = "x"
"""
    with pytest.raises(CatalogError) as refused:
        catalog(**{"report.toml": toml, "queries/Bad.sql": "DELETE FROM x", "queries/zip.sql": "SELECT :nobody"})
    told = "\n".join(refused.value.problems)
    for part in (
        "queries.by_shpo: queries/by_shpo.sql is missing", "did you mean 'by_shop'", "'summ' is not one of",
        "pivot.columns: is missing", "queries.notes.titel: is not a setting", "'Bad' cannot name a query",
        "begins with 'DELETE'", "'zip' cannot name a query", "zip.sql:1: :nobody is not declared",
    ):  # fmt: skip
        assert part in told, told


def test_columns_with_a_scope_are_hidden_in_every_query(
    catalog: Callable[..., ReportType], source_dsn: str, scratch: Path, source: psycopg.Connection
) -> None:
    del source
    report = catalog()
    columns = {"yen": replace(report.columns["yen"], required_scope="money")}
    files = made(
        replace(report, columns=columns, pdf=type(report.pdf)()), source_dsn, scratch, Format.JSONL, Format.HTML
    )
    assert {key for line in lines_of(files["sales-by_shop.jsonl"]) for key in line} == {"shop", "month"}
    assert "1,236" not in files["sales.html"].path.read_text()


SMALL = {
    "report.toml": """
title = "Sales"
[queries.by_shop]
pivot = {rows = ["shop"], columns = "month", values = "yen"}
""",
    "query.sql": "SELECT count(*) AS orders FROM orders",
    "queries/by_shop.sql": "SELECT shop, month, yen FROM orders ORDER BY shop",
    "queries/notes.sql": "SELECT 'a note' AS note",
}


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to shop.db, which may be written to while it is read."""
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("CREATE TABLE orders (shop TEXT, month INTEGER, yen INTEGER)")
        file.execute("INSERT INTO orders VALUES ('A', 2, 5), ('A', 1, 3), ('B', 2, 4)")
        yield file


def test_the_queries_of_a_sqlite_file_are_of_one_transaction(
    catalog: Callable[..., ReportType], writer: sqlite3.Connection, tmp_path: Path, scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    further = SqliteResult.further

    def after_a_write(self: SqliteResult, question: Question) -> SqliteResult:
        writer.execute("DELETE FROM orders WHERE shop = 'A'")
        return further(self, question)

    monkeypatch.setattr(SqliteResult, "further", after_a_write)
    report, keep = catalog(**SMALL), _fresh(scratch) / "kept"

    files = made(report, f"sqlite://{tmp_path}/shop.db", scratch, Format.CSV, Format.XLSX, keep=keep)

    assert files["sales.csv"].path.read_text() == "orders\n3\n"
    assert files["sales-by_shop.csv"].path.read_text() == "shop,month,yen\nA,2,5\nA,1,3\nB,2,4\n"
    rows = openpyxl.load_workbook(files["sales.xlsx"].path)["By shop"].iter_rows(values_only=True)
    assert list(rows) == [("shop", "1", "2"), ("A", 3, 5), ("B", None, 4)]
    # Nothing is read anew for the extracts that are kept: the rows of shop A would be missing.
    again = made(report, f"sqlite://{tmp_path}/shop.db", scratch, Format.CSV, Format.XLSX, keep=keep)
    assert again["sales.csv"].path.read_text() == "orders\n3\n"


def test_the_queries_of_files_read_the_same_folder(
    catalog: Callable[..., ReportType], tmp_path: Path, scratch: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "orders.csv").write_text("shop,month,yen\nA,2,5\nA,1,3\nB,2,4\n")
    report = catalog(**{name: text.replace("FROM orders", "FROM 'orders.csv'") for name, text in SMALL.items()})

    files = made(report, f"file://{tmp_path}/files", scratch, Format.CSV, Format.HTML)

    assert files["sales.csv"].path.read_text() == "orders\n3\n"
    assert files["sales-by_shop.csv"].path.read_text() == "shop,month,yen\nA,2,5\nA,1,3\nB,2,4\n"
    page = files["sales.html"].path.read_text()
    assert re.findall("<h2[^>]*>(.*?)</h2>", page) == ["By shop", "Notes"]


def _pivoted(query: str, a_request: MakeRequest, *formats: Format, aggregate: str = "sum") -> RenderRequest:
    request = a_request(query, *formats)
    return replace(request, report=replace(request.report, pivot=Pivot(("shop",), "rate", "yen", aggregate, "Sum")))


@pytest.mark.parametrize("more", [(), (Format.CSV,)], ids=["alone", "with the source's text"])
def test_zero_and_minus_zero_are_one_column_of_a_pivot(
    more: tuple[Format, ...], a_request: MakeRequest, run: Run
) -> None:
    """They are equal, and have two texts."""
    query = "SELECT 'A' AS shop, x::float8 AS rate, 1 AS yen FROM (VALUES ('-0'), ('0'), ('1.5'), ('NaN'), (NULL)) v(x)"
    page = run(_pivoted(query, a_request, Format.HTML, *more))[0].path.read_text()

    cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", page)]
    assert cells == ["shop", "0", "1.5", "NaN", NOTHING, "Sum", "A", "2", "1", "1", "1", "5"]


@pytest.mark.parametrize(
    ("type_", "value", "format_"),
    [("date", "infinity", ""), ("timestamptz", "0044-03-15 00:00:00+00 BC", "yyyy"), ("float8", "NaN", "0.00"),
     ("numeric", "Infinity", "#,##0"), ("numeric", f"1{'0' * 500}", "0.0")],
)  # fmt: skip
def test_a_column_of_a_pivot_may_be_headed_by_a_value_that_only_postgresql_has(
    type_: str, value: str, format_: str, a_request: MakeRequest, run: Run
) -> None:
    request = _pivoted(f"SELECT 'A' AS shop, '{value}'::{type_} AS rate, 1 AS yen", a_request, Format.HTML)
    columns = {"rate": Column("rate", "Rate", number_format=format_)}
    page = run(replace(request, report=replace(request.report, columns=columns)))[0].path.read_text()

    assert f">{value}</th>" in page


@pytest.mark.parametrize("rows", [3, 1_200])
def test_texts_in_the_cells_of_a_pivot_are_escaped(rows: int, a_request: MakeRequest, run: Run) -> None:
    query = f"SELECT n AS id, 'k' AS k, '<b> & ' || chr(1) || n AS v FROM generate_series(1, {rows}) AS n"
    request = a_request(query, Format.XLSX, Format.HTML)
    pivot = Pivot(("id",), "k", "v", "max")
    xlsx, html = sorted(
        run(replace(request, report=replace(request.report, pivot=pivot))), key=lambda f: f.format != "xlsx"
    )

    cells = [row[1] for row in openpyxl.load_workbook(xlsx.path).active.iter_rows(min_row=2, values_only=True)]
    assert cells == [f"<b> & _x0001_{n}" for n in range(1, rows + 1)]
    assert f"&lt;b&gt; &amp; \x01{rows}<" in html.path.read_text()


def test_a_pivot_of_more_digits_than_a_decimal_holds_says_which_column(a_request: MakeRequest, run: Run) -> None:
    query = "SELECT 'A' AS shop, 1 AS rate, 9e37::numeric(38, 0) AS yen FROM generate_series(1, 3)"
    with pytest.raises(ReportError, match="'yen'") as failed:
        run(_pivoted(query, a_request, Format.HTML))

    assert (failed.value.code, failed.value.retryable) == ("summary_failed", False)


@pytest.mark.parametrize(
    ("aggregate", "value", "shown"),
    [
        ("sum", "(0.3 * n + 0.1)::float4", "0.5"), ("max", "(n * 25 + 9) * interval '1 hour'", "34:00:00"),
        ("sum", "(n * 25 + 9) * interval '1 hour'", "43:00:00"), ("avg", "n * interval '1 day'", "12:00:00"),
        ("count", "interval '1 month'", "2"),
    ],
)  # fmt: skip
def test_a_pivot_takes_durations_and_short_floating_point_numbers_for_what_they_show(
    aggregate: str, value: str, shown: str, a_request: MakeRequest, run: Run
) -> None:
    """The longest of 9 and of 34 hours was 9, and the sum of 0.1 and 0.4 was 0.5000000074505806."""
    query = f"SELECT 'A' AS shop, 1 AS rate, {value} AS yen FROM generate_series(0, 1) AS n"
    [file] = run(_pivoted(query, a_request, Format.HTML, aggregate=aggregate))

    assert re.findall(r"<td[^>]*>(.*?)</td>", file.path.read_text())[1:] == [shown, shown]


def test_a_pivot_of_durations_with_months_is_refused(a_request: MakeRequest, run: Run) -> None:
    with pytest.raises(ReportError, match="nobody knows how long 1 mon lasts") as failed:
        run(_pivoted("SELECT 'A' AS shop, 1 AS rate, interval '1 month' AS yen", a_request, Format.HTML))
    assert failed.value.code == "summary_failed"


def test_a_pivot_adds_up_numbers_only_and_nothing_where_there_is_nothing(a_request: MakeRequest, run: Run) -> None:
    with pytest.raises(ReportError, match=r"sum of 'yen'.*not numbers") as failed:
        run(_pivoted("SELECT 'A' AS shop, 1 AS rate, 'x' AS yen", a_request, Format.HTML))
    [file] = run(_pivoted("SELECT 'A' AS shop, 1 AS rate, NULL::text AS yen", a_request, Format.HTML))

    assert (failed.value.code, failed.value.retryable) == ("summary_failed", False)
    assert re.findall(r"<td[^>]*>(.*?)</td>", file.path.read_text()) == ["A", "", ""]


def test_a_section_without_rows_says_so(catalog: Callable[..., ReportType], source_dsn: str, scratch: Path) -> None:
    report = catalog(queries__notes_sql="SELECT 'x' AS note FROM generate_series(1, 0)")
    files = made(report, source_dsn, scratch, Format.PDF, Format.HTML)

    for file in files.values():
        assert "No rows match." in text_of(file), file.format
