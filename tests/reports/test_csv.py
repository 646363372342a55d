"""The CSV is exactly what the query returned, and safe to open."""

import csv
import io

import psycopg
import pytest

from shared.catalog.model import Format
from shared.reports.interface import RenderedFile
from shared.reports.verify import count_csv_rows, measure
from tests.reports.conftest import MakeRequest, Run

HOSTILE = [
    "plain",
    'a "quoted" word',
    "comma, semicolon; tab\tinside",
    "line one\nline two",
    "carriage\r\nreturn",
    "\n",
    '"',
    '""\n""',
    "日本語 🚀 e\u0301",
    " leading and trailing ",
    "\\.",
    "\\N",
    "NULL",
]


def rows_of(file: RenderedFile) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.path.read_bytes().decode("utf-8"), newline="")))


def values(*texts: str) -> str:
    quoted = ", ".join("({}, '{}')".format(n, t.replace("'", "''")) for n, t in enumerate(texts))
    return f"SELECT t AS text FROM (VALUES {quoted}) AS v (n, t) ORDER BY n"


def test_hostile_text_comes_back_character_by_character_and_is_counted_by_the_row(
    a_request: MakeRequest, run: Run
) -> None:
    [file] = run(a_request(values(*HOSTILE)))

    header, *rows = rows_of(file)
    assert header == ["text"]
    assert [r[0] for r in rows] == ["'\n" if t == "\n" else t for t in HOSTILE]
    assert file.rows == len(HOSTILE)


def test_null_is_nothing_and_the_empty_string_is_quoted(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT NULL::text AS a, '' AS b, NULL::int AS c, NULL::jsonb AS d"))

    assert file.path.read_bytes() == b'a,b,c,d\n,"",,\n'


@pytest.mark.parametrize("start", list("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str, a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request(values(f"{start}cmd|' /C calc'!A0", f"x{start}")))

    assert rows_of(file)[1:] == [[f"'{start}cmd|' /C calc'!A0"], [f"x{start}"]]


def test_every_type_that_can_carry_a_formula_is_guarded(
    a_request: MakeRequest, run: Run, source: psycopg.Connection
) -> None:
    source.execute("CREATE TYPE mood AS ENUM ('=sum(A1)', 'calm')")
    source.execute("CREATE DOMAIN note AS text")
    query = """SELECT '=sum(A1)'::mood AS enum, '=1'::note AS domain, '=1'::varchar(9) AS varchar, '=1'::char(4)
                      AS char, '=1'::name AS name, '=1'::"char" AS byte, '-1'::json AS json, 'calm'::mood AS mood"""
    [file] = run(a_request(query))

    assert rows_of(file)[1] == ["'=sum(A1)", "'=1", "'=1", "'=1  ", "'=1", "'=", "'-1", "calm"]


def test_numbers_dates_and_the_rest_are_written_by_postgresql_in_utc_and_never_guarded(
    a_request: MakeRequest, run: Run
) -> None:
    query = """SELECT -5 AS i, -5.50::numeric AS n, '-Infinity'::float8 AS f, DATE '2026-11-23' AS d,
                      TIMESTAMPTZ '2026-11-23 12:00:00.5+09' AS t, true AS b, '-1 day'::interval AS v,
                      '{-1,2}'::int[] AS a"""
    [file] = run(a_request(query))

    assert rows_of(file)[1] == [
        "-5", "-5.50", "-Infinity", "2026-11-23", "2026-11-23 03:00:00.5+00", "t", "-1 days", "{-1,2}",
    ]  # fmt: skip


def test_columns_may_share_a_name_or_have_none(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT 1 AS id, 'x' AS id, 2 + 3, 'quoted' AS \"a\"\"b,c\" -- a comment at the end"))

    assert rows_of(file) == [["id", "id", "?column?", 'a"b,c'], ["1", "x", "5", "quoted"]]


def test_a_report_without_rows_is_a_header(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT 1 AS a, 'x' AS b WHERE false"))

    assert file.path.read_bytes() == b"a,b\n"
    assert file.rows == 0


def test_size_digest_and_rows_are_read_back_from_the_disk(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request("SELECT n, repeat(E'\"\\n', n % 7) AS t FROM generate_series(1, 30000) AS n"))

    found = measure(file.path, Format.CSV)
    assert (file.size_bytes, file.sha256, file.rows) == (found.size_bytes, found.sha256, 30_000)
    assert len(rows_of(file)) == 30_001


def test_the_fast_count_agrees_with_the_csv_module_at_every_edge_of_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([["h", "t"], *([n, t] for n, t in enumerate(HOSTILE))])
    data = written.getvalue().encode()

    for size in range(1, 40):
        monkeypatch.setattr("shared.reports.verify._CHUNK_BYTES", size)
        assert count_csv_rows(io.BytesIO(data)) == len(HOSTILE), f"chunks of {size} bytes"
