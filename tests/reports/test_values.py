"""A value is the same in every format and beside every other value, or it is refused: never silently changed."""

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import psycopg
import pytest

from shared.catalog.model import Column, Format, PdfOptions, SummaryTable
from shared.reports.interface import RenderedFile, ReportError
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest
from tests.reports.test_extract import fresh, over
from tests.support.postgres import server

DATA = (Format.CSV, Format.JSONL, Format.PARQUET, Format.XLSX, Format.HTML)
Make = Callable[..., Mapping[str, RenderedFile]]


@pytest.fixture
def make(a_request: MakeRequest) -> Make:
    """Renders in this process, which is quicker than in a child, and gives the files by format."""

    def call(query: str, *formats: Format, dsn: str | None = None, **columns: Column) -> Mapping[str, RenderedFile]:
        request = a_request(query, *formats, columns=columns)
        request = replace(request, source_dsn=dsn or request.source_dsn)
        return {f.format: f for f in render_files(request, lambda _: None)}

    return call


def refused(call: Callable[[], object]) -> ReportError:
    with pytest.raises(ReportError) as failure:
        call()
    return failure.value


def types_of(file: RenderedFile) -> list[str]:
    described = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file.path)]).fetchall()
    return [str(type_) for _, type_, *_ in described]


def lines_of(file: RenderedFile) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.path.read_text().split("\n")[:-1]]


def cells_of(file: RenderedFile) -> list[list[str]]:
    rows = re.findall(r"<tr>(<td.*?)</tr>", file.path.read_text())
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]


@pytest.mark.parametrize(
    "value", ["ROW(1, NULL)", "ROW(NULL, 'a')", "ROW(NULL, NULL)", "NULL::text", "ARRAY[NULL]::text[]", "''::text"]
)
def test_a_csv_alone_has_the_text_that_it_has_beside_others(value: str, make: Make) -> None:
    alone = make(f"SELECT {value} AS v, 1 AS n", Format.CSV)["csv"].path.read_bytes()

    assert make(f"SELECT {value} AS v, 1 AS n", Format.CSV, Format.JSONL)["csv"].path.read_bytes() == alone
    if value.startswith("ROW"):
        assert b"(" in alone


@pytest.mark.parametrize("cast", ["numeric", "numeric(10, 2)", "numeric(50, 2)", "date", "timestamp", "timestamptz"])
def test_a_columns_type_is_the_one_that_the_source_declares_whatever_its_rows(cast: str, make: Make) -> None:
    one = "1.5" if "numeric" in cast else "2026-01-01"
    found = {
        rows: types_of(make(f"SELECT v::{cast} AS v FROM (VALUES {rows}) t(v)", Format.PARQUET)["parquet"])
        for rows in (f"('{one}')", f"('{one}'), (NULL)", "(NULL)")
    }
    found[""] = types_of(make(f"SELECT '{one}'::{cast} AS v WHERE false", Format.PARQUET)["parquet"])

    assert len({tuple(types) for types in found.values()}) == 1
    assert "VARCHAR" not in found[""]


@pytest.mark.parametrize(
    "rows",
    ["SELECT 1.5::numeric AS v WHERE false", "SELECT NULL::numeric AS v", "SELECT 1e40::numeric AS v",
     "SELECT v::numeric(10, 2) AS v FROM (VALUES ('NaN'), ('1.5')) t(v)", "SELECT 'NaN'::numeric AS v",
     "SELECT NULL::numeric(50, 2) AS v", "SELECT sum(x::numeric(10, 2)) AS v FROM generate_series(1, 0) x"],
)  # fmt: skip
def test_a_document_adds_up_a_column_of_any_rows(rows: str, a_request: MakeRequest) -> None:
    request = a_request(rows, Format.PDF)
    figures = SummaryTable("figures", "", "SELECT sum(v) AS total, avg(v) + 1 AS mean, max(v) AS most FROM report")
    request = replace(request, report=replace(request.report, pdf=PdfOptions(figures=figures, appendix=False)))

    assert render_files(request, lambda _: None)[0].size_bytes


def test_a_document_groups_moments_that_only_postgresql_knows(a_request: MakeRequest) -> None:
    query = """SELECT d::date AS d, d::timestamptz AS t FROM (VALUES ('infinity'), ('0044-03-15 BC'), ('2026-01-05'),
               ('12000-01-01')) v(d)"""
    table = SummaryTable("by-month", "", "SELECT date_trunc('month', d) AS m, count(*), min(t) FROM report GROUP BY m")
    request = a_request(query, Format.PDF)
    request = replace(request, report=replace(request.report, pdf=PdfOptions(tables=(table,), appendix=False)))

    assert render_files(request, lambda _: None)[0].size_bytes


def test_one_infinity_changes_neither_other_columns_nor_other_rows(make: Make) -> None:
    query = """SELECT d::date, n::numeric(10, 2), t::timestamptz, d2::date, n2::numeric(10, 2), t2::timestamptz FROM
               (VALUES ('infinity', 'NaN', '-infinity', '2026-01-05', '1.5', '2026-01-05 12:30:00+02'),
                       ('2026-01-05', '1.5', '2026-01-05 12:30:00+02', NULL, NULL, NULL)) v(d, n, t, d2, n2, t2)"""
    look = {
        "d": Column("d", "d", number_format="dd/mm/yyyy"), "d2": Column("d2", "d2", number_format="dd/mm/yyyy"),
        "n": Column("n", "n", number_format="0.0"), "n2": Column("n2", "n2", number_format="0.0"),
    }  # fmt: skip
    files = make(query, *DATA, **look)

    assert types_of(files["parquet"]) == [
        "VARCHAR", "VARCHAR", "VARCHAR", "DATE", "DECIMAL(10,2)", "TIMESTAMP WITH TIME ZONE",
    ]  # fmt: skip
    assert lines_of(files["jsonl"]) == [
        {"d": "infinity", "n": "NaN", "t": "-infinity", "d2": "2026-01-05", "n2": 1.5, "t2": "2026-01-05T10:30:00Z"},
        {"d": "2026-01-05", "n": 1.5, "t": "2026-01-05T10:30:00Z", "d2": None, "n2": None, "t2": None},
    ]
    assert cells_of(files["html"]) == [
        ["infinity", "NaN", "-infinity", "05/01/2026", "1.5", "2026-01-05 10:30"],
        ["05/01/2026", "1.5", "2026-01-05 10:30", "", "", ""],
    ]
    assert files["csv"].path.read_text().splitlines()[1:] == [
        "infinity,NaN,-infinity,2026-01-05,1.50,2026-01-05 10:30:00+00", "2026-01-05,1.50,2026-01-05 10:30:00+00,,,",
    ]  # fmt: skip


def test_json_lines_have_all_digits_of_a_long_number_beside_a_word(make: Make) -> None:
    query = "SELECT v::numeric AS v, 'a\"b' AS t FROM (VALUES ('1'||repeat('0', 44)||'.25'), ('NaN'), ('2.50')) x(v)"
    text = make(query, Format.JSONL)["jsonl"].path.read_text()

    assert text == (f'{{"v":1{"0" * 44}.25,"t":"a\\"b"}}\n{{"v":"NaN","t":"a\\"b"}}\n{{"v":2.50,"t":"a\\"b"}}\n')


@pytest.mark.parametrize("text", ["\ufeffx", "\ufeff", "\ufeff\ufeff", "\u00a0x", '\ufeff"x"'])
def test_the_first_cell_keeps_a_byte_order_mark(text: str, make: Make) -> None:
    files = make(f"SELECT '{text}' AS a, n FROM generate_series(1, 2) n", *DATA)

    assert [line["a"] for line in lines_of(files["jsonl"])] == [text, text]
    assert [row[0] for row in csv.reader(io.StringIO(files["csv"].path.read_text()))] == ["a", text, text]
    assert make("SELECT 'x' AS a WHERE false", *DATA)["jsonl"].rows == 0


def test_a_name_that_is_unique_stays(make: Make) -> None:
    files = make('SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS "A"', Format.JSONL, Format.PARQUET)

    assert lines_of(files["jsonl"]) == [{"a": 1, "a_3": 2, "a_2": 3, "A_4": 4}]


def test_a_heading_that_looks_like_a_formula_is_guarded(make: Make) -> None:
    query = 'SELECT 1 AS "=1+1", 2 AS "@a,b", 3 AS "plain"'
    alone = make(query, Format.CSV)["csv"].path.read_bytes()

    assert alone == b"'=1+1,\"'@a,b\",plain\n1,2,3\n"
    assert make(query, *DATA)["csv"].path.read_bytes() == alone


@pytest.mark.parametrize("formats", [(Format.CSV,), DATA])
@pytest.mark.parametrize(
    ("name", "value"), [("TimeZone", "Asia/Tokyo"), ("DateStyle", "German"), ("IntervalStyle", "postgres_verbose"),
                        ("bytea_output", "escape"), ("extra_float_digits", "0"), ("client_encoding", "LATIN1")],
)  # fmt: skip
def test_a_query_that_changes_how_values_are_written_is_refused(
    name: str, value: str, formats: tuple[Format, ...], make: Make
) -> None:
    error = refused(lambda: make(f"SELECT set_config('{name}', '{value}', false) AS z", *formats))

    assert (error.code, error.retryable) == ("source_query_failed", False)
    assert name in str(error)


@pytest.fixture
def other(postgres_server: server.Server) -> Iterator[Callable[[str], str]]:
    """Makes databases in other encodings."""
    made: list[str] = []

    def make(encoding: str) -> str:
        name = f"enc_{encoding.lower()}"
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as conn:
            conn.execute(f"DROP DATABASE IF EXISTS {name}")
            conn.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'")
        made.append(name)
        return f"{postgres_server}/{name}"

    yield make
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as conn:
        for name in made:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("formats", [(Format.CSV,), DATA])
def test_a_database_in_another_encoding_gives_utf_8(
    formats: tuple[Format, ...], other: Callable[[str], str], make: Make
) -> None:
    files = make("SELECT 'caf' || chr(233) AS nom", *formats, dsn=other("LATIN1"))

    assert files["csv"].path.read_bytes() == "nom\ncafé\n".encode()


@pytest.mark.parametrize("formats", [(Format.CSV,), DATA])
def test_a_database_without_an_encoding_works_and_names_what_is_no_text(
    formats: tuple[Format, ...], other: Callable[[str], str], make: Make
) -> None:
    dsn = other("SQL_ASCII")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET client_encoding = 'SQL_ASCII'")
        conn.execute("CREATE TABLE t (n int, nom text)")
        conn.execute("INSERT INTO t VALUES (1, 'a'), (2, E'caf\\351')")

    assert make("SELECT 1 AS a", *formats, dsn=dsn)["csv"].path.read_bytes() == b"a\n1\n"
    error = refused(lambda: make("SELECT * FROM t ORDER BY n", *formats, dsn=dsn))
    assert (error.code, error.retryable) == ("source_query_failed", False)
    assert "Row 2" in str(error)
    assert "0xe9" in str(error)


def test_files_pivot_without_a_list(tmp_path: Path, scratch: Path) -> None:
    query = "SELECT * FROM (PIVOT (SELECT 1 AS r, 2 AS v UNION ALL SELECT 3, 4) ON r USING sum(v))"
    [file, _] = render_files(over(tmp_path, query, scratch, formats=(Format.CSV, Format.JSONL)), lambda _: None)

    assert (file.rows, file.path.read_text()) == (1, "1,3\n2,4\n")


def test_files_with_u_0000_make_files_that_open(tmp_path: Path, scratch: Path) -> None:
    request = over(tmp_path, "SELECT 'a' || chr(0) || 'b' AS a", scratch, formats=DATA)
    files = {f.format: f for f in render_files(request, lambda _: None)}

    assert openpyxl.load_workbook(files["xlsx"].path).worksheets[0]["A2"].value == "a_x0000_b"
    assert lines_of(files["jsonl"]) == [{"a": "a\0b"}]
    assert cells_of(files["html"]) == [["a\ufffdb"]]


def test_files_give_moments_as_postgresql_writes_them(tmp_path: Path, scratch: Path) -> None:
    query = "SELECT DATE '0044-03-15 (BC)' AS a, 'infinity'::TIMESTAMP AS b, DATE '2026-01-01' AS c"
    files = {f.format: f for f in render_files(over(tmp_path, query, scratch, formats=DATA), lambda _: None)}

    assert files["csv"].path.read_text() == "a,b,c\n0044-03-15 BC,infinity,2026-01-01\n"
    assert types_of(files["parquet"]) == ["VARCHAR", "VARCHAR", "DATE"]
    assert lines_of(files["jsonl"]) == [{"a": "0044-03-15 BC", "b": "infinity", "c": "2026-01-01"}]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT v::INTEGER AS n FROM (VALUES ('1'), ('abc')) t(v)", "'abc'"),
        ("SELECT 'a'::DATE AS d", "date"),
        ("SELECT * FROM read_csv('c.csv', columns = {'id': 'INT', 'amt': 'INT'})", "abc"),
        ("SELECT error('mine')", "mine"),
        ("SELECT TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS at", "'at'"),
        ("SELECT 9223372036854775807 + range AS n FROM range(3)", "verflow"),
        ("SELECT {'a': [1.5, 'nan'::DOUBLE]} AS n", "'n' has NaN"),
    ],
)
def test_a_wrong_value_in_files_is_the_querys_own_mistake(query: str, told: str, tmp_path: Path, scratch: Path) -> None:
    (tmp_path / "c.csv").write_text("1,2\n2,abc\n")
    for formats in ((Format.CSV,), (Format.JSONL, Format.PARQUET)):
        error = refused(lambda: render_files(over(tmp_path, query, fresh(scratch), formats=formats), lambda _: None))  # noqa: B023
        (scratch / "another").rename(scratch / f"done-{len(formats)}")
        assert (error.code, error.retryable) == ("source_query_failed", False)
        assert told in str(error)
        assert str(scratch) not in str(error)


def test_nested_values_of_files_are_json_in_every_format(tmp_path: Path, scratch: Path) -> None:
    query = """SELECT {'a': 1.25::DECIMAL(9, 2), 'b': [1, NULL], 'c': 'NaN "x"'} AS s, ['x', NULL] AS l,
                      MAP {'k': 1} AS m, [{'at': TIMESTAMP_NS '2026-01-01 00:00:00.123456789'}] AS n,
                      NULL::INT[] AS nothing, 1 AS i, [-0.25::DECIMAL(20, 20)] AS d, {'a': 0.5::DECIMAL(38, 38)} AS e
                UNION ALL SELECT NULL, [], MAP {}, [], [2], 2, [], NULL"""
    files = {f.format: f for f in render_files(over(tmp_path, query, scratch, formats=DATA), lambda _: None)}
    texts = [
        ['{"a":1.25,"b":[1,null],"c":"NaN \\"x\\""}', '["x",null]', '{"k":1}',
         '[{"at":"2026-01-01 00:00:00.123456789"}]', ""],
        ["", "[]", "{}", "[]", "[2]"],
    ]  # fmt: skip

    read = list(csv.reader(io.StringIO(files["csv"].path.read_text(), newline="")))[1:]
    assert [row[:5] for row in read] == texts
    lines = files["jsonl"].path.read_text().split("\n")
    assert lines[0] == "{" + '"s":{},"l":{},"m":{},"n":{},"nothing":null,"i":1,'.format(*texts[0][:4]) + (
        '"d":[-0.25000000000000000000],"e":{"a":".50000000000000000000000000000000000000"}}'
    )
    second = lines_of(files["jsonl"])[1]
    assert second == {"s": None, "l": [], "m": {}, "n": [], "nothing": [2], "i": 2, "d": [], "e": None}
    assert types_of(files["parquet"]) == [*["VARCHAR"] * 5, "INTEGER", "VARCHAR", "VARCHAR"]
    sheet = openpyxl.load_workbook(files["xlsx"].path).worksheets[0]
    assert [[c or "" for c in row[:5]] for row in sheet.iter_rows(min_row=2, values_only=True)] == texts
    assert [[html.unescape(c) for c in row[:5]] for row in cells_of(files["html"])] == texts


def test_json_is_itself_in_json_lines(make: Make) -> None:
    files = make(
        """SELECT '{"a": 12345678901234567890.123, "b": [null, "x\\ny"]}'::jsonb AS b, E'{"a":\n[1,\r\n2]}'::json AS j,
                  NULL::jsonb AS n, 'null'::jsonb AS z, 'NaN'::numeric AS v, '[x]' AS t""",
        Format.CSV, Format.JSONL,
    )  # fmt: skip

    [line] = files["jsonl"].path.read_text().splitlines()
    assert '"b":{"a": 12345678901234567890.123, "b": [null, "x\\ny"]}' in line
    found = json.loads(line)
    assert (found["j"], found["n"], found["z"], found["v"], found["t"]) == ({"a": [1, 2]}, None, None, "NaN", "[x]")


def test_cells_of_a_page_take_their_own_direction(make: Make) -> None:
    page = make("SELECT 'شركة' AS t, 1 AS n, date '2026-01-01' AS d", Format.HTML)["html"].path.read_text()

    assert '<td dir="auto">شركة</td><td class="n">1</td><td>2026-01-01</td>' in page
    assert '<th scope="col" dir="auto">t</th><th scope="col" class="n">n</th>' in page


def test_columns_beside_a_csv_are_as_many_as_in_a_csv_alone(make: Make) -> None:
    query = "SELECT " + ", ".join(f"{n}::float8 AS c{n}" for n in range(900))
    files = make(query, Format.CSV, Format.PARQUET)

    assert files["csv"].path.read_text().splitlines()[1] == ",".join(map(str, range(900)))
    assert set(types_of(files["parquet"])) == {"DOUBLE"}
