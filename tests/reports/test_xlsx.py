"""The workbook holds the query's values, typed, none rounded, none run."""

import hashlib
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any

import openpyxl
import pytest

from shared.catalog.model import Column, Format
from shared.reports.formats.xlsx import report
from shared.reports.interface import RenderedFile, ReportError
from shared.reports.render import render_files
from shared.reports.verify import measure
from tests.interop.workbook import same_text
from tests.reports.conftest import MakeRequest, Run


def at(*parts: int) -> datetime:
    """A moment as a workbook holds it: without a zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # type: ignore[misc,arg-type]


def sheet_of(file: RenderedFile) -> Any:
    return openpyxl.load_workbook(file.path).worksheets[0]


def cells_of(file: RenderedFile) -> list[list[Any]]:
    return [[c.value for c in row] for row in sheet_of(file).iter_rows()]


def test_values_arrive_with_their_types(a_request: MakeRequest, run: Run) -> None:
    query = """SELECT 42 AS i, -0.05::numeric AS n, 2.5::float8 AS f, true AS b, 'text' AS t, NULL::int AS missing,
                      DATE '2026-11-23' AS d, TIMESTAMP '2026-11-23 23:59:58.25' AS ts,
                      TIMESTAMPTZ '2026-11-23 12:00+09' AS tz"""
    [file] = run(a_request(query, Format.XLSX))

    assert cells_of(file)[1] == [
        42, -0.05, 2.5, True, "text", None,
        at(2026, 11, 23), at(2026, 11, 23, 23, 59, 58, 250_000), at(2026, 11, 23, 3),
    ]  # fmt: skip


def test_booleans_are_words_in_libreoffice_too(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT true AS b, false AS c, NULL::bool AS d", Format.XLSX))

    assert cells_of(file)[1] == [True, False, None]
    assert [c.number_format for c in sheet_of(file)[2]][:2] == ['"TRUE";"TRUE";"FALSE"'] * 2


def test_header_shows_titles_and_units_bold_frozen_filtered_wide_enough(a_request: MakeRequest, run: Run) -> None:
    columns = {
        "km": Column("km", "Distance", unit="km", number_format="#,##0.0", width=17),
        "day": Column("day", "Day", number_format="dd.mm.yyyy"),
    }
    [file] = run(a_request("SELECT 1234.5 AS km, DATE '2026-11-23' AS day, 7 AS raw", Format.XLSX, columns=columns))

    sheet = sheet_of(file)
    assert [c.value for c in sheet[1]] == ["Distance (km)", "Day", "raw"]
    assert all(c.font.bold for c in sheet[1])
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:C2"
    assert [c.number_format for c in sheet[2]] == ["#,##0.0", "dd.mm.yyyy", "General"]
    assert sheet.column_dimensions["A"].width == 17


def test_numbers_beyond_15_digits_are_text_and_keep_every_digit(a_request: MakeRequest, run: Run) -> None:
    query = """SELECT 999999999999999 AS a, 1000000000000000 AS b, 12345678901234567.89 AS c,
                      0.1234567890123456 AS d, 1e300::numeric * 1e100 AS e, 'NaN'::float8 AS f, '-Infinity'::numeric
                      AS g, 1e308::float8 AS h"""
    [file] = run(a_request(query, Format.XLSX))

    assert cells_of(file)[1] == [
        999_999_999_999_999, "1000000000000000", "12345678901234567.89",
        "0.1234567890123456", "1" + "0" * 400, "NaN", "-Infinity", "1e+308",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["=1+1", "@x", "-2+3", "https://example.org", "mailto:a@b", "{=A1}", "007", " ", "日本 🚀", "a\nb\tc", "<&>\"'"],
)
def test_text_stays_text_whatever_it_looks_like(text: str, a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request(f"SELECT $x${text}$x$ AS t", Format.XLSX))

    cell = sheet_of(file)["A2"]
    assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)


def test_titles_keep_the_letters_that_join_others_and_what_looks_like_an_escape(a_request: MakeRequest) -> None:
    """They became spaces, so that a Persian word was two and a family three people; `_x0041_` became A."""
    title = "می\u200cخواهم 👩\u200d💻 _x0041_"  # noqa: RUF001
    request = a_request("SELECT 1 AS n", Format.XLSX, columns={"n": Column("n", title)})
    [file] = render_files(replace(request, report=replace(request.report, title=title)), lambda _: None)

    sheet = openpyxl.load_workbook(file.path).active
    assert same_text(str(sheet["A1"].value), title)
    assert sheet.title == title


def test_control_characters_and_what_looks_like_their_escape_survive(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT E'a\\x01b\\rc_x0041_' || chr(65535) AS t", Format.XLSX))

    # ECMA-376 part 1, 22.9.2.19 ST_Xstring: a character XML cannot carry is _xHHHH_, and _x005F_ is the underscore.
    sheet = zipfile.ZipFile(file.path).read("xl/worksheets/sheet1.xml").decode()
    assert "a_x0001_b_x000D_c_x005F_x0041__xFFFF_" in sheet


def test_a_date_that_excel_or_python_does_not_have_is_the_text_of_the_csv(a_request: MakeRequest, run: Run) -> None:
    query = """SELECT DATE '1900-02-28' AS a, DATE '1900-03-01' AS b, 'infinity'::timestamptz AS c,
                      DATE '0044-03-15 BC' AS d, TIMESTAMP '12000-01-01' AS e, TIMESTAMP '1850-01-01 10:00' AS f"""
    workbook, text = run(a_request(query, Format.XLSX, Format.CSV))

    cells = cells_of(workbook)[1]
    assert cells == [
        "1900-02-28", at(1900, 3, 1), "infinity", "0044-03-15 BC", "12000-01-01 00:00:00", "1850-01-01 10:00:00",
    ]  # fmt: skip
    written = text.path.read_text().splitlines()[1].split(",")
    assert [c for c in cells if isinstance(c, str)] == [written[n] for n in (0, 2, 3, 4, 5)]


def test_other_types_are_the_text_of_the_csv(a_request: MakeRequest, run: Run) -> None:
    query = """SELECT '{"b": [1, 2.50]}'::json AS a, '1 mon -1 days'::interval AS b, '{1,NULL}'::int[] AS c,
                      '10:00'::time AS d, '\\xdead'::bytea AS e, '[1,5)'::int4range AS f, '10.0.0.1'::inet AS g,
                      'x'::char(3) AS h"""
    [file] = run(a_request(query, Format.XLSX))

    assert cells_of(file)[1] == [
        '{"b": [1, 2.50]}', "1 mon -1 days", "{1,NULL}", time(10), "\\xdead", "[1,5)", "10.0.0.1", "x  ",
    ]  # fmt: skip


def test_a_cell_that_excel_would_cut_fails_the_report(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT repeat('x', 32767) AS t", Format.XLSX))
    assert len(cells_of(file)[1][0]) == 32_767

    for too_long in ("repeat('x', 32768)", "repeat('🚀', 16384)"):
        with pytest.raises(ReportError) as failure:
            run(a_request(f"SELECT 'short' AS t UNION ALL SELECT {too_long}", Format.XLSX))
        assert failure.value.code == "cell_too_long"
        assert not failure.value.retryable
        assert "row 2" in str(failure.value)


def test_rows_beyond_a_sheet_go_on_in_the_next(
    a_request: MakeRequest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "SHEET_ROWS", 4)
    files = render_files(a_request("SELECT n AS id FROM generate_series(0, 6) AS n", Format.XLSX), lambda _: None)

    book = openpyxl.load_workbook(files[0].path)
    assert book.sheetnames == ["Orders", "Orders 2", "Orders 3"]
    assert [[c.value for (c,) in sheet.iter_rows()] for sheet in book] == [
        ["id", 0, 1, 2], ["id", 3, 4, 5], ["id", 6],
    ]  # fmt: skip
    assert files[0].rows == 7


def test_the_same_rows_give_the_same_bytes(a_request: MakeRequest, run: Run) -> None:
    digests = {run(a_request("SELECT 1 AS a, now()::date AS b", Format.XLSX))[0].sha256 for _ in range(2)}

    assert len(digests) == 1


def test_empty_rows_count(a_request: MakeRequest, run: Run) -> None:
    query = "SELECT NULL::int AS a, NULL::text AS b FROM generate_series(1, 3)"
    [file] = run(a_request(query, Format.XLSX))

    assert file.rows == 3
    assert sheet_of(file).max_row == 4


def test_a_report_without_rows_is_a_header(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT 1 AS a, 'x' AS b WHERE false", Format.XLSX))

    assert cells_of(file) == [["a", "b"]]
    assert file.rows == 0


def test_a_flipped_bit_is_found_when_the_file_is_read_back(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT repeat(md5(n::text), 9) AS t FROM generate_series(1, 99) AS n", Format.XLSX))
    data = bytearray(file.path.read_bytes())
    sheet = zipfile.ZipFile(file.path).getinfo("xl/worksheets/sheet1.xml")
    data[sheet.header_offset + 200] ^= 1
    file.path.write_bytes(data)

    with pytest.raises(ReportError) as failure:
        measure(file.path, Format.XLSX)
    assert failure.value.code == "output_damaged"


def test_rows_are_counted_across_the_edges_of_chunks(
    a_request: MakeRequest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    [file] = run(a_request("SELECT '<row ' AS t FROM generate_series(1, 50)", Format.XLSX))

    for size in (1, 3, 5, 7, 64):
        monkeypatch.setattr("shared.reports.verify._CHUNK_BYTES", size)
        assert measure(file.path, Format.XLSX).rows == 50, f"chunks of {size} bytes"
    assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()
