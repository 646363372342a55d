"""The first rows and the picture kept beside a report's files: what they show, and that they do no harm."""

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typst

from shared.catalog.asker import Asker
from shared.catalog.model import Column, CsvOptions, Format, PdfOptions, SummaryTable
from shared.reports import first_rows
from shared.reports.formats.pdf import first_page
from shared.reports.interface import RenderRequest
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run

HARD = """
    SELECT * FROM (VALUES
        (1, 9007199254740993::bigint, 1.50::numeric, 0.1::float8, true, 'a,b', DATE '2013-01-31',
         TIMESTAMPTZ '2013-01-31 12:00+00', '{"a": 1}'::json, '8a3e6f00-0000-4000-8000-000000000000'::uuid),
        (-2, NULL, 12345678901234567890123456789.000000001, 5, false, '', NULL, NULL, NULL, NULL),
        (NULL, 7, 'NaN', 'Infinity', NULL, NULL, '0044-03-15 BC', '294276-12-31 23:59:59+00', '[]', NULL),
        (3, 0, 0, '-0', false, E'line\nbreak "quoted"', '2020-02-29', '2020-02-29 00:00:00.5+00', 'null', NULL),
        (4, 1, 1, 1e300, true, '=1+1', '2020-03-01', '2020-03-01 00:00+00', '"<script>"', NULL),
        (5, 1, 1, 1, true, '届け 🙂', '2020-03-01', '2020-03-01 00:00+00', '{}', NULL)
    ) AS t(small, big, exact, real, flag, words, day, moment, doc, id)
"""
HARD_ROWS: list[list[Any]] = [
    [1, "9007199254740993", "1.50", "0.1", True, "a,b", "2013-01-31", "2013-01-31 12:00:00+00", '{"a": 1}',
     "8a3e6f00-0000-4000-8000-000000000000"],
    [-2, None, "12345678901234567890123456789.000000001", "5", False, "", None, None, None, None],
    [None, "7", "NaN", "Infinity", None, None, "0044-03-15 BC", "294276-12-31 23:59:59+00", "[]", None],
    [3, "0", "0", "-0", False, 'line\nbreak "quoted"', "2020-02-29", "2020-02-29 00:00:00.5+00", "null", None],
    [4, "1", "1", "1e+300", True, "=1+1", "2020-03-01", "2020-03-01 00:00:00+00", '"<script>"', None],
    [5, "1", "1", "1", True, "届け 🙂", "2020-03-01", "2020-03-01 00:00:00+00", "{}", None],
]  # fmt: skip
KINDS = ["integer", "bigint", "decimal", "float", "boolean", "text", "date", "timestamptz", "json", "text"]


def shown(request: RenderRequest) -> tuple[dict[str, Any], list[list[Any]]]:
    """What stands beside the files of the request once they are made."""
    render_files(replace(request, preview=True), lambda _: None)
    return read(request.scratch)


def read(scratch: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    head, *rows = [json.loads(line) for line in (scratch / first_rows.NAME).read_text().split("\n")[:-1]]
    return head, rows


def digests(request: RenderRequest) -> Sequence[str]:
    return [hashlib.sha256(file.path.read_bytes()).hexdigest() for file in render_files(request, lambda _: None)]


def size_of(picture: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def only_csv(request: RenderRequest, **options: Any) -> RenderRequest:
    return replace(request, report=replace(request.report, csv=CsvOptions(**options)))


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.XLSX,), (Format.CSV, Format.JSONL)])
def test_every_value_is_whole_whichever_files_were_asked_for(
    a_request: MakeRequest, formats: tuple[Format, ...]
) -> None:
    head, rows = shown(a_request(HARD, *formats))

    assert [column["type"] for column in head["columns"]] == KINDS
    assert (head["rows"], head["of"]) == (6, 6)
    assert [numbers(row) for row in rows] == [numbers(row) for row in HARD_ROWS]
    if Format.CSV in formats:  # without one, DuckDB writes a floating point number: `1e300`, not `1e+300`
        assert rows == HARD_ROWS


def numbers(row: list[Any]) -> list[Any]:
    return [*row[:3], None if row[3] is None else float(row[3]), *row[4:]]


@pytest.mark.parametrize(
    "options", [{"delimiter": ";", "line_end": "\r\n", "bom": True}, {"delimiter": "\t"},
                {"encoding": "cp932", "unencodable": "replace"}],
)  # fmt: skip
def test_a_csv_of_another_form_shows_the_same_rows(a_request: MakeRequest, options: dict[str, Any]) -> None:
    _, rows = shown(only_csv(a_request(HARD), **options))

    assert rows == HARD_ROWS


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.PARQUET,)])
def test_a_thousand_rows_are_kept_of_more_and_told_of_how_many(
    a_request: MakeRequest, formats: tuple[Format, ...]
) -> None:
    head, rows = shown(a_request("SELECT n FROM generate_series(1, 2500) AS n", *formats))

    assert (head["rows"], head["of"]) == (1000, 2500)
    assert rows == [[n] for n in range(1, 1001)]


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.JSONL,)])
@pytest.mark.parametrize(("width", "most"), [(5_000, 1000), (2_000_000, 4)])
def test_only_whole_rows_are_kept_and_no_more_than_fit(
    a_request: MakeRequest, formats: tuple[Format, ...], width: int, most: int
) -> None:
    query = f"SELECT n, repeat('x', {width}) AS long FROM generate_series(1, {most}) AS n"

    head, rows = shown(a_request(query, *formats))

    assert len(rows) == head["rows"] == first_rows.MOST_BYTES // (width + 9)
    assert head["of"] == most
    assert all(row[1] == "x" * width for row in rows)


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.JSONL, Format.XLSX, Format.PDF)])
def test_the_files_are_the_same_with_and_without(a_request: MakeRequest, formats: tuple[Format, ...]) -> None:
    without, beside = a_request(HARD, *formats), a_request(HARD, *formats)

    assert digests(without) == digests(replace(beside, preview=True))
    assert not (without.scratch / first_rows.NAME).exists()
    assert not (without.scratch / first_page.NAME).exists()


def test_titles_and_units_are_told_in_the_readers_words(a_request: MakeRequest) -> None:
    columns = {"n": Column("n", "Distance", unit="km"), "n_2": Column("n_2", "Never asked for")}

    head, _ = shown(a_request("SELECT 1 AS n, 2 AS n", Format.CSV, columns=columns))

    assert [(c["name"], c["title"]) for c in head["columns"]] == [("n", "Distance (km)"), ("n_2", "Distance (km)")]


def test_a_column_that_the_asker_may_not_see_is_not_shown(a_request: MakeRequest) -> None:
    columns = {"salary": Column("salary", "Salary", required_scope="payroll:read")}
    request = a_request("SELECT 1 AS n, 4000 AS salary", Format.CSV, columns=columns)

    head, rows = shown(replace(request, asker=Asker("acme", "ada", frozenset())))

    assert ([c["name"] for c in head["columns"]], rows) == (["n"], [[1]])


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.HTML,)])
def test_no_rows_are_shown_as_no_rows(a_request: MakeRequest, formats: tuple[Format, ...]) -> None:
    head, rows = shown(a_request("SELECT 1 AS n WHERE false", *formats))

    assert (rows, head["rows"], head["of"], len(head["columns"])) == ([], 0, 0, 1)


def test_a_single_empty_column_keeps_null_and_the_empty_text_apart(a_request: MakeRequest) -> None:
    _, rows = shown(a_request(r"SELECT * FROM (VALUES (NULL), (''), ('\.'), (E'\n')) AS t(c)"))

    assert rows == [[None], [""], ["\\."], ["\n"]]


def test_the_picture_of_a_pdf_is_small_and_is_its_first_page(a_request: MakeRequest) -> None:
    request = replace(a_request("SELECT n FROM generate_series(1, 300) AS n", Format.PDF), preview=True)

    render_files(request, lambda _: None)

    picture = (request.scratch / first_page.NAME).read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    assert size_of(picture) == (397, 561)
    assert 2_000 < len(picture) < 100_000


def test_a_page_as_large_as_a_wall_gives_no_larger_a_picture(tmp_path: Path) -> None:
    source = tmp_path / "wall.typ"
    source.write_text("#set page(width: 500cm, height: 100cm)\nwall")
    typst.compile(str(source), output=str(tmp_path / "wall.pdf"))

    first_page.draw(tmp_path / "wall.pdf", tmp_path / "page.png")

    width, height = size_of((tmp_path / "page.png").read_bytes())
    assert (561 <= width <= 562, 112 <= height <= 113) == (True, True)


def test_there_is_no_picture_of_what_has_no_pages(a_request: MakeRequest) -> None:
    request = replace(a_request("SELECT 1 AS n", Format.XLSX), preview=True)

    render_files(request, lambda _: None)

    assert not (request.scratch / first_page.NAME).exists()


def test_a_report_is_made_although_nothing_can_be_kept_beside_it(
    a_request: MakeRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(typst, "Fonts", fail)
    monkeypatch.setattr(first_rows, "write", refuse)
    tables = (SummaryTable("all", "All", "SELECT * FROM report"),)
    for request in (a_request("SELECT 1 AS n", Format.PDF), a_request("SELECT 1 AS n")):
        request = replace(request, preview=True, report=replace(request.report, pdf=PdfOptions(tables=tables)))
        assert len(render_files(request, lambda _: None)) == 1
        assert not (request.scratch / first_rows.NAME).exists()
        assert not (request.scratch / first_page.NAME).exists()


def test_a_confined_process_leaves_both_beside_the_files(a_request: MakeRequest, run: Run) -> None:
    request = replace(a_request("SELECT 1 AS n", Format.PDF, Format.CSV), preview=True)

    run(request)

    assert read(request.scratch)[1] == [[1]]
    assert size_of((request.scratch / first_page.NAME).read_bytes()) == (397, 561)
