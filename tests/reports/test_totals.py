"""Groups and totals: the same values in every format, whatever the number of rows, and exact."""

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import openpyxl
import pypdfium2
import pytest

from shared.catalog.grouping import NO_GROUPING, Grouping
from shared.catalog.model import Chart, Column, Format, Highlight, PdfOptions, SummaryTable
from shared.catalog.shape import AS_IT_IS, Shape
from shared.catalog.theme import Theme
from shared.reports.extract import ROWS_FILE
from shared.reports.formats.bands import with_bands
from shared.reports.formats.xlsx import report
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.process import isolation
from shared.reports.process.isolation import Isolation
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run
from tests.reports.test_looks import text_of

COLUMNS = {
    "region": Column("region", "Region"),
    "shop": Column("shop", "Shop"),
    "amount": Column("amount", "Amount", number_format="#,##0.00"),
    "share": Column("share", "Share", number_format="0.0%"),
}
GROUPING = Grouping(("region", "shop"), {"amount": "sum", "share": "mean"})
QUERY = """SELECT CASE WHEN n < {half} THEN 'North' ELSE 'South' END AS region, 'Shop ' || n * 4 / {rows} AS shop,
                  'row ' || n AS name, 0.1 * n AS amount, n % 2 * 0.5 AS share
             FROM generate_series(0, {rows} - 1) AS n ORDER BY n"""


def asked(a_request: MakeRequest, rows: int, *formats: Format, grouping: Grouping = GROUPING) -> RenderRequest:
    request = a_request(QUERY.format(rows=rows, half=rows // 2), *formats, columns=COLUMNS)
    return replace(request, report=replace(request.report, grouping=grouping))


@pytest.mark.parametrize("format_", [Format.HTML, Format.XLSX])
def test_a_full_disk_between_groups_is_trouble_that_passes(
    format_: Format, a_request: MakeRequest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "found", lambda: Isolation(0, seccomp=True))  # else no report may open it
    request = asked(a_request, 100_000, format_)
    noise = QUERY.format(rows=100_000, half=50_000).replace(
        "'row ' || n AS name", "md5(n::text) || md5((-n)::text) AS name"
    )
    request = replace(request, report=replace(request.report, query=noise))
    (request.scratch / f"orders.{format_}").symlink_to("/dev/full")

    with pytest.raises(ReportError) as failure:
        run(request)
    assert (failure.value.code, failure.value.retryable) == ("scratch_full", True)


def test_formats_for_programs_know_nothing_of_groups_and_need_no_extract(a_request: MakeRequest, run: Run) -> None:
    formats = (Format.JSONL, Format.CSV)
    plain = asked(a_request, 8, *formats, grouping=NO_GROUPING)
    grouped = asked(a_request, 8, *formats)
    assert [file.sha256 for file in run(grouped)] == [file.sha256 for file in run(plain)]
    assert not (grouped.scratch / ROWS_FILE).exists()


@pytest.mark.parametrize("rows", [8, 400, 1_600])
def test_each_group_has_its_heading_and_its_totals_in_documents(rows: int, a_request: MakeRequest, run: Run) -> None:
    def total(first: int, last: int) -> str:
        return f"{sum(Decimal('0.1') * n for n in range(first, last)):,.2f}"

    quarter = rows // 4
    for file in run(asked(a_request, rows, Format.HTML, Format.PDF)):
        words = " ".join(text_of(file).split())
        assert len(re.findall(r"\brow \d+\b", words)) == rows
        for at in range(4):
            assert f"Shop {at}, total {total(at * quarter, (at + 1) * quarter)} 25.0%" in words, file.format
        assert f"North, total {total(0, rows // 2)} 25.0% South" in words
        if file.format is Format.HTML:
            assert words.count("South") == 2  # its heading and its total; the rows themselves need not say it
        assert f"Total {total(0, rows)} 25.0%" in words


@pytest.mark.parametrize("rows", [60, 300])
def test_a_page_that_begins_within_a_group_says_which_one(rows: int, a_request: MakeRequest, run: Run) -> None:
    """In a typeset table as in a drawn one; a page never ends with headings alone."""
    [file] = run(asked(a_request, rows, Format.PDF))
    pages = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(file.path)]
    begun = [page for page in pages if re.search(r"\brow \d+\b", page)]

    assert len(begun) > 1
    for page in begun:
        [first] = re.findall(r"\brow (\d+)\b", page)[:1]
        head = page[: page.index(f"row {first}")]
        assert f"Shop {int(first) * 4 // rows}" in head
        assert ("North" if int(first) < rows // 2 else "South") in head
        assert len(re.findall(r"^Shop \d\s*$", head, re.MULTILINE)) == 1


def test_rows_in_an_order_that_was_asked_for_have_totals_and_no_groups(a_request: MakeRequest, run: Run) -> None:
    [file] = run(replace(asked(a_request, 8, Format.HTML), shape=Shape(sort=("-amount",))))

    words = " ".join(text_of(file).split())
    assert "Shop 3, total" not in words
    assert "North Shop 0 row 0" in words
    assert "Total 2.80 25.0%" in words


def test_a_total_that_cannot_be_computed_is_told_by_name(a_request: MakeRequest, run: Run) -> None:
    with pytest.raises(ReportError, match=r"'totals'.*sum"):
        run(asked(a_request, 8, Format.HTML, grouping=Grouping((), {"shop": "sum"})))


_BOTH_WAYS = pytest.mark.parametrize("shape", [AS_IT_IS, Shape(limit=100)], ids=["from cells", "from the extract"])


@_BOTH_WAYS
def test_rows_are_grouped_by_floating_point_numbers_beside_a_csv(
    shape: Shape, a_request: MakeRequest, run: Run
) -> None:
    """With a CSV the extract has their text twice, and a heading is the source's text."""
    query = "SELECT n / 2 * 0.5::float8 AS share, n AS amount FROM generate_series(0, 5) AS n ORDER BY n"
    columns = {"share": Column("share", "Share"), "amount": Column("amount", "Amount")}
    request = a_request(query, Format.HTML, Format.CSV, columns=columns)
    request = replace(
        request, report=replace(request.report, grouping=Grouping(("share",), {"amount": "sum"})), shape=shape
    )
    words = " ".join(text_of(run(request)[0]).split())

    assert "0 0 1 0, total 1 0.5 2 3 0.5, total 5 1 4 5 1, total 9 Total 15" in words


@_BOTH_WAYS
def test_rows_that_are_grouped_by_every_column_are_there_below_their_headings(
    shape: Shape, a_request: MakeRequest, run: Run
) -> None:
    request = a_request("SELECT n / 2 AS half FROM generate_series(0, 2) AS n ORDER BY n", Format.HTML, Format.PDF)
    request = replace(request, report=replace(request.report, grouping=Grouping(("half",), {})), shape=shape)

    for file in run(request):
        words = " ".join(text_of(file).split())
        assert "half 0 0 0 1 1" in words, file.format


@pytest.mark.parametrize("name", ["row", "run", "begins", "first_row", "total0"])
def test_columns_that_are_grouped_and_added_up_may_have_any_name(name: str, a_request: MakeRequest, run: Run) -> None:
    columns = {name: Column(name, "Name"), "amount": Column("amount", "Amount")}
    for by, of in ((name, "amount"), ("amount", name)):
        request = a_request(f'SELECT 1 AS "{name}", 1 AS amount', Format.HTML, columns=columns)
        report = replace(request.report, grouping=Grouping((by,), {of: "sum"}))
        request = replace(request, report=report, shape=Shape(limit=1))

        assert "1, total 1" in " ".join(text_of(run(request)[0]).split())


@_BOTH_WAYS
@pytest.mark.parametrize(
    ("type_", "value", "what", "total"),
    [
        ("numeric(38, 10)", f"-{'9' * 28}.{'9' * 10}", "sum", f"-3{'9' * 28}.{'9' * 9}6"),
        ("numeric(38, 0)", "9" * 38, "sum", f"3{'9' * 37}6"),
        ("numeric(38, 37)", f"-9.{'9' * 37}", "sum", f"-39.{'9' * 36}6"),
        ("numeric", f"6{'0' * 37}", "sum", f"24{'0' * 37}"),
        ("numeric(38, 10)", f"{'9' * 28}.{'9' * 10}", "mean", "1e+28"),
        ("numeric(2, 2)", "-0.25", "min", "-0.25"),
    ],
)  # fmt: skip
def test_totals_have_all_digits_beyond_those_of_the_largest_decimal(
    type_: str, value: str, what: str, total: str, shape: Shape, a_request: MakeRequest, run: Run
) -> None:
    query = f"SELECT '{value}'::{type_} AS amount FROM generate_series(1, 4)"
    request = a_request(query, Format.HTML, Format.XLSX, columns={"amount": Column("amount", "Amount")})
    request = replace(request, report=replace(request.report, grouping=Grouping((), {"amount": what})), shape=shape)
    html, xlsx = run(request)

    assert " ".join(text_of(html).split()).endswith(f"Total {total}")
    assert openpyxl.load_workbook(xlsx.path).active["A6"].value is not None


def test_what_stands_between_rows_is_put_there_however_the_pieces_are_cut() -> None:
    text, events = b"a\nb\nc\nd\n", {0: b"<0>", 2: b"<2>", 4: b"<4>"}
    for cuts in ([], [1], [2], [3], [4, 5], [1, 2, 3, 4, 5, 6, 7]):
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert b"".join(with_bands(pieces, b"\n", events)) == b"<0>a\nb\n<2>c\nd\n<4>", cuts


@pytest.mark.parametrize("at", range(len("<row>a</row>\n<row>b</row>\n")))
def test_lines_of_totals_find_rows_whose_end_is_cut(at: int) -> None:
    rows, events = b"<row>a</row>\n<row>b</row>\n", {1: b"<1>"}

    assert b"".join(with_bands([rows[:at], rows[at:]], b"</row>\n", events)) == b"<row>a</row>\n<1><row>b</row>\n"


@pytest.mark.parametrize("rows", [8, 1_600])
def test_a_workbook_has_totals_as_formulas_with_their_values(rows: int, a_request: MakeRequest, run: Run) -> None:
    [file] = run(asked(a_request, rows, Format.XLSX))

    formulas, values = (openpyxl.load_workbook(file.path, data_only=known).worksheets[-1] for known in (False, True))
    found = {row[0].row: row for row in formulas.iter_rows(min_row=2)}
    assert sorted(found) == list(range(2, rows + 2 + 4 + 2 + 1))  # data, shops, regions, all: numbered without a gap
    totals = {at: row for at, row in found.items() if isinstance(row[3].value, str)}
    assert len(totals) == 7
    for at, row in totals.items():
        function, first, last = re.fullmatch(r"=SUBTOTAL\((9),D(\d+):D(\d+)\)", row[3].value).groups()  # type: ignore[union-attr]
        added = [found[n][3].value for n in range(int(first), int(last) + 1) if n not in totals]
        assert function == "9"
        assert values.cell(at, 4).value == pytest.approx(sum(added))
        assert values.cell(at, 5).value == pytest.approx(0.25)
    last_row = found[max(found)]
    assert last_row[0].value == "Total"
    assert values.cell(max(found), 4).value == pytest.approx(0.1 * sum(range(rows)))
    assert formulas.row_dimensions[2].outlineLevel == 2


@_BOTH_WAYS
@pytest.mark.parametrize(
    ("type_", "what", "found"),
    [
        ("numeric", "sum", ["=SUBTOTAL(9,B2:B3)", 0, None, 3]),
        ("numeric", "mean", ["=SUBTOTAL(1,B2:B3)", 0, None, 0.75]),
        ("numeric", "max", ["=SUBTOTAL(4,B2:B3)", "1234567890123456789", None, "1234567890123456789"]),
        ("numeric", "count", ["=SUBTOTAL(3,B2:B3)", "=SUBTOTAL(3,B5:B6)", "=SUBTOTAL(3,B8:B8)", "=SUBTOTAL(3,B2:B9)"]),
        ("text", "min", ["1", "-1234567890123456789", None, "-1234567890123456789"]),
        ("bool", "max", ["yes", "yes", None, "yes"]),
    ],
)
def test_a_total_over_cells_of_text_is_its_value_alone(
    type_: str, what: str, found: Sequence[object], shape: Shape, a_request: MakeRequest
) -> None:
    """A spreadsheet leaves texts out of what it computes: it would show 0, or an error, where there was a number."""
    query = f"""SELECT g, CASE WHEN '{type_}' = 'bool' THEN abs(v % 2)::int::text ELSE v::text END::{type_} AS v
                  FROM (VALUES ('a', 1), ('a', 2), ('b', 1234567890123456789), ('b', -1234567890123456789), ('c', NULL))
                    AS r(g, v) ORDER BY g"""
    request = a_request(query, Format.XLSX, columns={"g": Column("g", "G"), "v": Column("v", "V")})
    report = replace(request.report, grouping=Grouping(("g",), {"v": what}))
    [file] = render_files(replace(request, report=report, shape=shape), lambda _: None)

    sheet = openpyxl.load_workbook(file.path).active
    assert [sheet.cell(at, 2).value for at in (4, 7, 9, 10)] == found


@_BOTH_WAYS
def test_totals_of_moments_and_durations_are_formulas_with_their_values(shape: Shape, a_request: MakeRequest) -> None:
    query = """SELECT v::date AS day, v::timestamptz AS at, n * interval '9 hours' AS lasted, time '12:00' AS clock
                 FROM (VALUES ('2026-01-31 12:00Z', 1), ('2026-02-01', 30)) AS r(v, n)"""
    totals = {"day": "min", "at": "max", "lasted": "max", "clock": "min"}
    request = a_request(query, Format.XLSX, Format.HTML, columns={name: Column(name, name) for name in totals})
    report = replace(request.report, grouping=Grouping((), totals))
    shape = replace(shape, time_zone="Asia/Tokyo")
    file, html = render_files(replace(request, report=report, shape=shape), lambda _: None)

    formulas, values = (openpyxl.load_workbook(file.path, data_only=known).active for known in (False, True))
    assert [cell.value[:12] for cell in formulas[4]] == ["=SUBTOTAL(5,", "=SUBTOTAL(4,", "=SUBTOTAL(4,", "=SUBTOTAL(5,"]
    assert [cell.value for cell in values[4]] == [
        datetime(2026, 1, 31), datetime(2026, 2, 1), timedelta(hours=270), time(12),  # noqa: DTZ001
    ]  # fmt: skip
    assert "270:00:00" in text_of(html)


@pytest.mark.parametrize(
    ("what", "shown"),
    [("sum", "239:00:00.5"), ("mean", "79:40:00.166667"), ("min", "-01:00:00"), ("max", "216:00:00.5")],
)
@pytest.mark.parametrize("formats", [(Format.HTML,), (Format.HTML, Format.XLSX)])
def test_totals_of_durations_are_durations(
    what: str, shown: str, formats: Sequence[Format], a_request: MakeRequest
) -> None:
    """They were compared as texts, of which `1 day` is less than `9 days 00:00:00.5` and more than `10:00:00`."""
    query = "SELECT v::interval AS v FROM (VALUES ('1 day'), ('9 days 0.5 s'), ('-1 day +23:00'), (NULL)) AS r(v)"
    request = a_request(query, *formats, columns={"v": Column("v", "V")})
    html = render_files(
        replace(request, report=replace(request.report, grouping=Grouping((), {"v": what}))), lambda _: None
    )[0]

    assert text_of(html).split()[-1] == shown


@pytest.mark.parametrize(("what", "shown"), [("sum", "0.5"), ("mean", "0.25"), ("min", "0.1"), ("max", "0.4")])
def test_totals_of_short_floating_point_numbers_are_those_of_the_numbers_that_are_shown(
    what: str, shown: str, a_request: MakeRequest
) -> None:
    """The sum of 0.1 and 0.4 was 0.5000000074505806: that of the doubles next to them."""
    query = "SELECT v::float4 AS v FROM (VALUES (0.1), (0.4)) AS r(v)"
    request = a_request(query, Format.HTML, Format.XLSX, columns={"v": Column("v", "V")})
    report = replace(request.report, grouping=Grouping((), {"v": what}))
    html, xlsx = render_files(replace(request, report=report), lambda _: None)

    assert text_of(html).split()[-1] == shown
    assert openpyxl.load_workbook(xlsx.path, data_only=True).active["A4"].value == float(shown)


@_BOTH_WAYS
def test_durations_with_months_are_counted(shape: Shape, a_request: MakeRequest) -> None:
    request = a_request("SELECT interval '1 month' AS v", Format.HTML, columns={"v": Column("v", "V")})
    report = replace(request.report, grouping=Grouping((), {"v": "count"}))
    [html] = render_files(replace(request, report=report, shape=shape), lambda _: None)

    assert text_of(html).split()[-1] == "1"


def test_a_total_of_durations_with_months_is_refused(a_request: MakeRequest) -> None:
    request = a_request("SELECT interval '1 month' AS v", Format.HTML, columns={"v": Column("v", "V")})
    request = replace(request, report=replace(request.report, grouping=Grouping((), {"v": "max"})))
    with pytest.raises(ReportError, match="nobody knows how long 1 mon lasts"):
        render_files(request, lambda _: None)


def test_a_workbook_begins_with_a_sheet_to_read(a_request: MakeRequest, run: Run, scratch: Path) -> None:
    """Title, parameters, summaries, and charts of Excel's own over a sheet with their data."""
    (scratch / "c.vl.json").write_text(
        '{"mark": "bar", "encoding": {"x": {"field": "shop", "type": "nominal"},'
        ' "y": {"field": "amount", "type": "quantitative"}}}'
    )
    pdf = PdfOptions(
        figures=SummaryTable("figures", "", "SELECT sum(amount) AS amount FROM report"),
        tables=(SummaryTable("t", "By region", "SELECT region, count(*) AS n FROM report GROUP BY ALL ORDER BY ALL"),),
        charts=(Chart("c", "By shop", "SELECT shop, sum(amount) AS amount FROM report GROUP BY ALL", "c.vl.json"),),
    )
    request = asked(a_request, 8, Format.XLSX, grouping=NO_GROUPING)
    report = replace(request.report, pdf=pdf, folder=scratch, description="What was sold.")
    [file] = run(replace(request, report=report, job_id="job-7"))

    book = openpyxl.load_workbook(file.path)
    assert book.sheetnames == ["Overview", "Orders", "Chart data"]
    words = [cell.value for row in book["Overview"].iter_rows() for cell in row if cell.value is not None]
    assert words[:2] == ["Orders", "What was sold."]
    assert {"job-7", "Amount", 2.8, "By shop", "By region", "North", 4} <= set(words)
    [chart] = book["Overview"]._charts
    assert chart.series[0].val.numRef.f == "'Chart data'!$B$3:$B$6"
    assert [cell.value for cell in book["Chart data"]["A"][2:6]] == ["Shop 0", "Shop 1", "Shop 2", "Shop 3"]


def test_highlights_are_conditional_formats(a_request: MakeRequest, run: Run) -> None:
    columns = {"n": Column("n", "N", highlight=Highlight(above=3, below=1, bars=True))}
    [file] = run(a_request("SELECT n FROM generate_series(1, 4) AS n", Format.XLSX, columns=columns))

    [place] = openpyxl.load_workbook(file.path).worksheets[0].conditional_formatting
    assert str(place.sqref) == "A2:A5"
    assert [rule.type for rule in place.rules] == ["expression", "expression", "dataBar"]
    assert place.rules[0].formula == ["AND(ISNUMBER(A2),A2>3)"]


@pytest.mark.parametrize(("rows", "sheet_rows"), [(8, 4), (8, 9), (1_600, 500), (1_600, 1_608), (1_600, 100_000)])
def test_totals_go_on_over_the_sheets_of_a_long_report(
    rows: int, sheet_rows: int, a_request: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SHEET_ROWS", sheet_rows)
    [file] = render_files(asked(a_request, rows, Format.XLSX), lambda _: None)

    formulas, values = (openpyxl.load_workbook(file.path, data_only=known).worksheets for known in (False, True))
    lines = rows + 4 + 2 + 1
    assert len(values) == -(-lines // (sheet_rows - 1))
    assert [sheet.max_row - 1 for sheet in values] == [
        min(sheet_rows - 1, lines - at * (sheet_rows - 1)) for at in range(len(values))
    ]
    names = [row[2].value for sheet in values for row in sheet.iter_rows(min_row=2) if row[2].value]
    assert names == [f"row {n}" for n in range(rows)]
    totals = [(sheet, row) for sheet in values for row in sheet.iter_rows(min_row=2) if not row[2].value]
    assert [row[0].value or row[1].value for _, row in totals] == [
        "Shop 0, total", "Shop 1, total", "North, total", "Shop 2, total", "Shop 3, total", "South, total", "Total",
    ]  # fmt: skip
    quarter = rows // 4
    parts = [(0, 1), (1, 2), (0, 2), (2, 3), (3, 4), (2, 4), (0, 4)]
    for (sheet, row), (first, last) in zip(totals, parts, strict=True):
        at = row[0].row
        assert row[3].value == pytest.approx(sum(0.1 * n for n in range(first * quarter, last * quarter)))
        formula = formulas[values.index(sheet)].cell(at, 4).value
        if isinstance(formula, str):  # all of the group is above it, in this sheet
            begin = int(re.fullmatch(r"=SUBTOTAL\(9,D(\d+):D\d+\)", formula)[1])  # type: ignore[index]
            assert sheet.cell(begin, 3).value == f"row {first * quarter}"
    assert any(
        str(formulas[values.index(sheet)].cell(row[0].row, 4).value).startswith("=") for sheet, row in totals
    ) == (sheet_rows > quarter + 1)


def test_dates_stand_at_the_left_as_in_documents(a_request: MakeRequest) -> None:
    query = "SELECT DATE '2026-01-31' AS day, 'text' AS name, 7 AS n"
    [file] = render_files(a_request(query, Format.XLSX), lambda _: None)

    head, row = openpyxl.load_workbook(file.path).worksheets[-1].iter_rows()
    assert [cell.alignment.horizontal for cell in row] == ["left", None, None]
    assert [cell.alignment.horizontal for cell in head] == [None, None, "right"]


def test_a_groups_title_takes_the_width_of_the_table_whatever_its_first_column(
    a_request: MakeRequest, run: Run
) -> None:
    """The first column is narrow, and has a total of its own, so that a label does not fit before it."""
    long = "Paediatrics and neonatal intensive care"
    names = ", ".join(f"'a rather long name of somebody {n}' AS name_{n}" for n in range(6))
    query = f"SELECT 1 AS no, '{long}' AS dept, {names}, 2 AS amount"
    request = a_request(query, Format.PDF)
    grouping = Grouping(("dept",), {"no": "count", "amount": "sum"})
    [file] = run(replace(request, report=replace(request.report, grouping=grouping)))

    lines = text_of(file).splitlines()
    assert [line for line in lines if line.strip() == long]
    assert [line for line in lines if line.strip() == f"{long}, total"]


def test_totals_are_not_parted_from_their_label(a_request: MakeRequest, run: Run) -> None:
    """Whatever their place: in one of these documents they come to a page's end."""
    grouping = Grouping(("dept",), {"no": "count"})
    for size in range(1, 10):
        query = f"SELECT n AS no, 'd' || n / {size} AS dept, 'x' AS name FROM generate_series(0, 59) AS n"
        request = a_request(query, Format.PDF)
        [file] = run(replace(request, report=replace(request.report, grouping=grouping)))
        with pypdfium2.PdfDocument(file.path) as document:
            for page in document:
                text = page.get_textpage()
                lines = [(box[1], text.get_text_bounded(*box)) for box in map(text.get_rect, range(text.count_rects()))]
                lowest = min((line for line in lines if line[0] > 50), key=lambda line: line[0])
                assert not lowest[1].strip().lower().endswith("total"), size


def test_a_column_of_a_workbook_is_wide_enough_for_its_totals_extremes_and_dates(
    a_request: MakeRequest, run: Run
) -> None:
    """Else a spreadsheet shows ###."""
    columns = {
        "yen": Column("yen", "Yen", number_format='#,##0" yen"'),
        "at": Column("at", "At", number_format="dddd, d mmmm yyyy"),
        "late": Column("late", "Late", number_format="#,##0.00"),
    }
    query = """SELECT 1000000000 AS yen, date '2026-09-30' AS at,
                      CASE n WHEN {rows} THEN -123456789012.5 ELSE 1 END::numeric(18, 2) AS late
                 FROM generate_series(1, {rows}) AS n ORDER BY n"""
    for rows in (12, 1_500, 30_000):
        request = a_request(query.format(rows=rows), Format.XLSX, columns=columns)
        grouping = Grouping((), {"yen": "sum"})
        [file] = run(replace(request, report=replace(request.report, grouping=grouping)))
        sheet = openpyxl.load_workbook(file.path)["Orders"]
        widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
        longest = [f"{1_000_000_000 * rows:,} yen", "Wednesday, 30 September 2026", "-123,456,789,012.50"]
        assert [width > len(text) for width, text in zip(widths, longest, strict=True)] == [True] * 3, rows


def test_a_series_alone_has_the_documents_colour_in_a_workbook_too(
    a_request: MakeRequest, run: Run, tmp_path: Path
) -> None:
    axes = {"x": {"field": "name", "type": "nominal"}, "y": {"field": "n", "type": "quantitative"}}
    (tmp_path / "c.vl.json").write_text(json.dumps({"mark": "bar", "encoding": axes}))
    chart = Chart("c", "C", "SELECT name, n FROM report", "c.vl.json")
    request = a_request("SELECT 'a' AS name, 20000 AS n", Format.XLSX)
    theme = Theme(accent="#8a1538", series=("#00ff00", "#0000ff"))
    report = replace(request.report, pdf=PdfOptions(charts=(chart,)), folder=tmp_path, theme=theme)
    [file] = run(replace(request, report=report))

    with zipfile.ZipFile(file.path) as book:
        drawn = book.read("xl/charts/chart1.xml").decode()
    assert "8A1538" in drawn
    assert "00FF00" not in drawn
    assert 'formatCode="#,##0"' in drawn
