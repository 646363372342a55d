"""Arrays and composites are JSON in JSON Lines and PostgreSQL's text elsewhere; durations are Excel's times."""

import datetime as dt
from collections.abc import Iterator, Mapping

import openpyxl
import psycopg
import pytest

from shared.catalog.model import Format
from shared.reports.interface import RenderedFile, RenderRequest
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest
from tests.reports.test_values import lines_of, types_of

CSV, JSONL, PARQUET, XLSX = Format.CSV, Format.JSONL, Format.PARQUET, Format.XLSX


def made_of(request: RenderRequest) -> Mapping[str, RenderedFile]:
    return {file.format: file for file in render_files(request, lambda _: None)}


@pytest.fixture
def point(source: psycopg.Connection) -> Iterator[None]:
    source.execute("CREATE TYPE point3 AS (x int, y numeric(6, 2), label text)")
    try:
        yield
    finally:
        source.execute("DROP TYPE point3")


@pytest.mark.usefixtures("point")
def test_arrays_and_composites_are_json_in_json_lines_and_text_elsewhere(a_request: MakeRequest) -> None:
    query = """SELECT ARRAY[1, NULL, 3] AS a, ARRAY[[1.50, 2], [3, 4]]::numeric(10, 2)[] AS b,
                      ROW(1, 2.5, 'x')::point3 AS c, ARRAY[ROW(1, NULL, 'a"b')]::point3[] AS d, NULL::int[] AS e,
                      ARRAY[]::text[] AS f, 0.5::float8 AS g, int4range(1, 4) AS h,
                      ARRAY[TIMESTAMPTZ '2026-03-05 12:00+09'] AS i"""
    made = made_of(a_request(query, CSV, JSONL, PARQUET))
    assert lines_of(made["jsonl"]) == [{
        "a": [1, None, 3], "b": [[1.5, 2.0], [3.0, 4.0]], "c": {"x": 1, "y": 2.5, "label": "x"},
        "d": [{"x": 1, "y": None, "label": 'a"b'}], "e": None, "f": [], "g": 0.5, "h": "[1,4)",
        "i": ["2026-03-05T03:00:00+00:00"],
    }]  # fmt: skip
    assert made["csv"].path.read_text().splitlines()[1] == (
        '"{1,NULL,3}","{{1.50,2.00},{3.00,4.00}}","(1,2.50,x)","{""(1,,\\""a\\""\\""b\\"")""}",,{},0.5,"[1,4)",'
        '"{""2026-03-05 03:00:00+00""}"'
    )
    assert types_of(made["parquet"])[:6] == ["VARCHAR"] * 6
    assert lines_of(made_of(a_request(query, JSONL))["jsonl"]) == lines_of(made["jsonl"])


DURATIONS = """
    SELECT interval '26 hours 3 minutes 4.25 seconds' AS long, interval '3 days 12:00' AS days, time '14:07:09' AS at,
           interval '-1 hour' AS negative, interval '1 month' AS month, NULL::interval AS none, interval '0' AS zero
"""


@pytest.mark.parametrize("formats", [(XLSX,), (XLSX, PARQUET)])  # from cells, and by way of DuckDB
def test_durations_are_excels_times_unless_excel_has_none(a_request: MakeRequest, formats: tuple[Format, ...]) -> None:
    sheet = openpyxl.load_workbook(made_of(a_request(DURATIONS, *formats))["xlsx"].path).worksheets[-1]
    first = sheet[2]
    assert [cell.value for cell in first] == [
        dt.timedelta(hours=26, minutes=3, seconds=4, milliseconds=250), dt.timedelta(days=3, hours=12),
        dt.time(14, 7, 9), "-01:00:00", "1 mon", None, dt.timedelta(0),
    ]  # fmt: skip
    assert [first[at].number_format for at in (0, 2)] == ["[h]:mm:ss", "hh:mm:ss"]
