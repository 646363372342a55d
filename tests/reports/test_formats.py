"""Every format holds the same rows, from one reading of the source, byte for byte the same each time."""

import json
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.model import CsvOptions, Format, Limits, ReportType
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.read_source import _USUAL_LINE
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run

HOSTILE = r"""
    SELECT * FROM (VALUES
        (1, 'plain', 1.50::numeric, 0.1::float8, true, date '2026-11-24', timestamptz '2026-11-24 09:00+09'),
        (2, 'comma, "quote" <b>&amp;</b>', -2, 1e20, false, date '1850-01-01', timestamptz '1850-01-01 00:00+00'),
        (3, E'line\nbreak\r\nand\ttab', 12345678901234567890.12, 'NaN', NULL, NULL, NULL),
        (4, '', NULL, '-Infinity', NULL, NULL, NULL), (5, NULL, 0, 1, true, NULL, NULL),
        (6, '=HYPERLINK("x")', 0.001, 100000, NULL, NULL, NULL), (7, 'emoji 🛫 日本語 \.', 1, 1e15, NULL, NULL, NULL)
    ) AS hostile(n, "the words", amount, ratio, flag, day, moment) ORDER BY n
"""


def sql_of(file: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(f"SELECT {columns} FROM read_parquet(?)", [str(file)]).fetchall()


def test_parquet_has_exact_types(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request(HOSTILE, Format.PARQUET))

    described = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file.path)]).fetchall()
    assert [(name, type_) for name, type_, *_ in described] == [
        ("n", "INTEGER"), ("the words", "VARCHAR"), ("amount", "VARCHAR"), ("ratio", "DOUBLE"),
        ("flag", "BOOLEAN"), ("day", "DATE"), ("moment", "TIMESTAMP WITH TIME ZONE"),
    ]  # fmt: skip
    rows = sql_of(file.path, 'n, "the words", amount')
    assert [row[1] for row in rows[:5]] == [
        "plain", 'comma, "quote" <b>&amp;</b>', "line\nbreak\r\nand\ttab", "", None,
    ]  # fmt: skip
    assert rows[2][2] == "12345678901234567890.12"  # more digits than a numeric without a precision has room for
    [codec] = duckdb.connect().execute(
        "SELECT DISTINCT compression FROM parquet_metadata(?)", [str(file.path)]
    ).fetchall()  # fmt: skip
    assert codec == ("ZSTD",)


@pytest.mark.parametrize(
    ("values", "type_", "held"),
    [
        ("('infinity'::date), ('2026-01-01')", "VARCHAR", ["infinity", "2026-01-01"]),
        ("('0044-03-15 BC'::timestamp), (NULL)", "VARCHAR", ["0044-03-15 00:00:00 BC", None]),
        ("('12000-01-01'::timestamptz)", "VARCHAR", ["12000-01-01 00:00:00+00"]),
        ("('NaN'::numeric(10, 2)), (1.5)", "VARCHAR", ["NaN", "1.5"]),
        ("(1.5::numeric(10, 2))", "DECIMAL(10,2)", [Decimal("1.50")]),
        ("(1e40::numeric)", "VARCHAR", ["1" + "0" * 40]),
        ("(NULL::numeric)", "DECIMAL(38,20)", [None]),
        ("(1.25::numeric), (30000000000)", "DECIMAL(38,20)", [Decimal("1.25"), Decimal(30_000_000_000)]),
        ("(NULL::numeric(50, 2))", "DECIMAL(38,2)", [None]),
        ("(1.5::numeric(50, 2))", "DECIMAL(38,2)", [Decimal("1.50")]),
        ("(1e47::numeric(50, 2))", "VARCHAR", ["1" + "0" * 47 + ".00"]),
        ("(12345::numeric(3, -2))", "DECIMAL(5,0)", [Decimal(12300)]),
        ("(0.00012::numeric(2, 5))", "DECIMAL(5,5)", [Decimal("0.00012")]),
    ],
)
def test_a_value_that_a_type_cannot_hold_makes_its_column_text_and_is_not_lost(
    values: str, type_: str, held: list[object], a_request: MakeRequest, run: Run
) -> None:
    [file] = run(a_request(f"SELECT v FROM (VALUES {values}) AS t(v)", Format.PARQUET))

    [(_, found, *_)] = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(file.path)]).fetchall()
    assert found == type_
    assert [v for (v,) in sql_of(file.path)] == held


def test_json_lines_are_json_with_exact_numbers(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request(HOSTILE, Format.JSONL))

    rows = [json.loads(line, parse_float=Decimal) for line in file.path.read_text().split("\n")[:-1]]
    assert rows[0] == {
        "n": 1, "the words": "plain", "amount": Decimal("1.5"), "ratio": Decimal("0.1"), "flag": True,
        "day": "2026-11-24", "moment": "2026-11-24T00:00:00Z",
    }  # fmt: skip
    assert rows[2]["the words"] == "line\nbreak\r\nand\ttab"
    assert rows[2]["amount"] == Decimal("12345678901234567890.12")
    assert [row["ratio"] for row in rows[2:4]] == ["NaN", "-Infinity"]
    assert rows[4]["the words"] is None


def test_a_number_has_the_digits_that_postgresql_shows(a_request: MakeRequest, run: Run) -> None:
    query = """SELECT 0.1::float4 AS f4, 1e-7::float8 AS f8, 3e38::float4 AS large, 5::numeric(9, 0) AS n,
                      -99999999999999999999999999999999999999::numeric(38, 0) AS m, 1234567890123456.78::numeric AS d"""
    [file] = run(a_request(query, Format.JSONL))

    assert file.path.read_text() == (
        '{"f4":0.1,"f8":1e-07,"large":3e+38,"n":5,"m":-99999999999999999999999999999999999999,"d":1234567890123456.78}\n'
    )


def test_columns_of_the_same_name_keep_apart(a_request: MakeRequest, run: Run) -> None:
    query = 'SELECT 1 AS a, 2 AS a, 3 AS "A", 4 AS a_2'
    text, table, lines = run(a_request(query, Format.CSV, Format.PARQUET, Format.JSONL))

    assert text.path.read_text() == "a,a,A,a_2\n1,2,3,4\n"
    assert sql_of(table.path) == [(1, 2, 3, 4)]
    assert sorted(json.loads(lines.path.read_text()).values()) == [1, 2, 3, 4]


class Cells(HTMLParser):
    """The text of each table cell, as a browser sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's own
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.rstrip("\n") if data == "\n" else data


def test_html_is_escaped_and_needs_nothing_else(a_request: MakeRequest, run: Run) -> None:
    [file] = run(a_request(HOSTILE.replace("'plain'", "'<script>alert(1)</script>'"), Format.HTML))

    page = file.path.read_text()
    seen = Cells()
    seen.feed(page)
    assert "script" not in seen.tags
    assert "b" not in seen.tags
    assert [row[1] for row in seen.rows[1:4]] == [
        "<script>alert(1)</script>", 'comma, "quote" <b>&amp;</b>', "line\nbreak\r\nand\ttab",
    ]  # fmt: skip
    assert not any(word in page for word in ("http://", "https://", "src=", "@import", "url("))
    assert "default-src 'none'" in page
    assert file.rows == 7


@pytest.mark.parametrize("formats", [tuple(Format), tuple(reversed(Format))])
def test_the_same_rows_give_the_same_bytes_in_every_format(
    formats: tuple[Format, ...], a_request: MakeRequest, run: Run
) -> None:
    first, second = (run(a_request(HOSTILE, *formats)) for _ in range(2))

    assert [(f.name, f.sha256) for f in first] == [(f.name, f.sha256) for f in second]
    assert {f.rows for f in first} == {7}


# What PostgreSQL can hold in a column, as text that it reads.
VALUES: dict[str, st.SearchStrategy[str]] = {
    "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    "float8": st.floats(width=64).map(repr),
    "float4": st.floats(width=32).map(repr),
    "numeric": st.decimals(allow_infinity=False, places=5, min_value=-(10**15), max_value=10**15).map(str),
    "int8": st.integers(-(2**63), 2**63 - 1).map(str),
    "bool": st.booleans().map(str),
    "date": st.dates().map(str) | st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "12000-01-01"]),
    "timestamptz": st.datetimes().map(lambda d: f"{d}+00") | st.sampled_from(["infinity", "0001-01-01 00:00 BC"]),
    "timestamp": st.datetimes().map(str),
    "interval": st.timedeltas().map(lambda d: f"{d.days} days {d.seconds} seconds"),
    "money": st.decimals(allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9).map(str),
    "uuid": st.uuids().map(str),
    "inet": st.ip_addresses().map(str),
    "time": st.times().map(str),
    "timetz": st.times().map(lambda t: f"{t}-03:30"),
    "bytea": st.binary(max_size=5).map(lambda b: f"\\x{b.hex()}"),
    "int4range": st.integers(-9, 9).map(lambda n: f"[{n},{n + 2})"),
    "char(4)": st.text("=a, \"", max_size=4),
    "text[]": st.lists(st.text('=a", \\', max_size=3)).map(lambda texts: f"{{{json.dumps(texts)[1:-1]}}}"),
    "jsonb": st.lists(st.none() | st.booleans() | st.integers() | st.just('a, "b"')).map(json.dumps),
}  # fmt: skip


@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_csv_from_the_extract_is_the_csv_of_copy(data: st.DataObject, a_request: MakeRequest) -> None:
    kinds = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    rows = data.draw(st.lists(st.tuples(*(st.none() | VALUES[kind] for kind in kinds)), max_size=6))
    names = ", ".join(f'"c {n}"' for n in range(len(kinds)))
    literals = [", ".join(_literal(value, kind) for value, kind in zip(row, kinds, strict=True)) for row in rows]
    nothing = ", ".join(f"NULL::{kind}" for kind in kinds)
    query = f"SELECT * FROM (VALUES {', '.join(f'({row})' for row in literals or [nothing])}) AS t({names})"

    [direct] = render_files(a_request(query, Format.CSV), lambda _: None)
    together = render_files(a_request(query, Format.CSV, Format.PARQUET), lambda _: None)

    assert together[0].path.read_bytes() == direct.path.read_bytes()


def _literal(value: str | None, kind: str) -> str:
    return f"NULL::{kind}" if value is None else f"{psycopg.sql.Literal(value).as_string(None)}::{kind}"


def with_csv(request: RenderRequest, options: CsvOptions) -> RenderRequest:
    report = ReportType(**{**{f: getattr(request.report, f) for f in request.report.__slots__}, "csv": options})
    return RenderRequest(report, {}, request.formats, request.source_dsn, request.scratch)


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.CSV, Format.JSONL)])
def test_a_csv_can_be_what_other_programs_expect(formats: tuple[Format, ...], a_request: MakeRequest, run: Run) -> None:
    query = "SELECT 'a;b' AS \"x;y\", '東京' AS city, E'\\t1' AS tab"
    options = CsvOptions(delimiter=";", bom=True)
    assert run(with_csv(a_request(query, *formats), options))[0].path.read_bytes() == (
        b'\xef\xbb\xbf"x;y";city;tab\n"a;b";' + "東京".encode() + b";'\t1\n"
    )
    shift_jis = CsvOptions(delimiter="\t", encoding="cp932")
    assert run(with_csv(a_request(query, *formats), shift_jis))[0].path.read_bytes() == (
        b"x;y\tcity\ttab\na;b\t" + "東京".encode("cp932") + b'\t"\'\t1"\n'
    )


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.CSV, Format.JSONL)])
def test_lines_of_a_csv_may_end_as_rfc_4180_has_it(
    formats: tuple[Format, ...], a_request: MakeRequest, run: Run
) -> None:
    query = "SELECT n, E'a\\nb' AS t FROM generate_series(1, 2) AS n ORDER BY n"
    file = run(with_csv(a_request(query, *formats), CsvOptions(line_end="\r\n")))[0]

    assert file.path.read_bytes() == b'n,t\r\n1,"a\nb"\r\n2,"a\nb"\r\n'
    assert file.rows == 2


def test_a_character_that_the_encoding_lacks_is_told_or_replaced(a_request: MakeRequest, run: Run) -> None:
    query = "SELECT n, CASE n WHEN 3 THEN 'é' ELSE 'ア' END AS t FROM generate_series(1, 4) AS n ORDER BY n"
    with pytest.raises(ReportError) as failure:
        run(with_csv(a_request(query), CsvOptions(encoding="cp932")))
    assert failure.value.code == "character_not_encodable"
    assert "Line 4 of the CSV has the character 'é' (U+00E9)" in str(failure.value)

    options = CsvOptions(encoding="cp932", unencodable="replace")
    [file] = run(with_csv(a_request(query), options))
    assert file.path.read_bytes().decode("cp932").splitlines()[3] == "3,?"


def test_a_row_longer_than_most_is_read_whole(a_request: MakeRequest, run: Run) -> None:
    query = "SELECT n, repeat('x', n * 700000) AS t FROM generate_series(0, 3) AS n ORDER BY n"
    [file] = run(a_request(query, Format.PARQUET))

    rows = duckdb.execute("SELECT n, length(t) FROM read_parquet(?)", [str(file.path)]).fetchall()
    assert rows == [(0, 0), (1, 700_000), (2, 1_400_000), (3, 2_100_000)]


def test_a_row_that_fills_two_buffers_is_not_torn(a_request: MakeRequest, run: Run) -> None:
    """DuckDB 2.0 makes other values of a row that ends just behind its second buffer of a pipe, without an error."""
    query = "SELECT 'x' || repeat(E'\\n', 2097160) AS t, NULL::text AS u"
    [file] = run(a_request(query, Format.PARQUET))

    rows = duckdb.execute("SELECT length(t), u FROM read_parquet(?)", [str(file.path)]).fetchall()
    assert rows == [(2_097_161, None)]


@pytest.mark.parametrize("more", [0, 1])
def test_the_longest_usual_row_and_the_next_are_whole(more: int, a_request: MakeRequest, run: Run) -> None:
    """`1,` and a line feed stand around the text."""
    query = f"SELECT n, repeat('x', {_USUAL_LINE - 3 + more}) AS t FROM generate_series(1, 9) AS n ORDER BY n"
    [file] = run(a_request(query, Format.PARQUET))

    rows = duckdb.execute("SELECT n, length(t) FROM read_parquet(?)", [str(file.path)]).fetchall()
    assert rows == [(n, _USUAL_LINE - 3 + more) for n in range(1, 10)]


def test_a_second_reading_follows_a_first_that_was_broken_off(a_request: MakeRequest, run: Run) -> None:
    query = """SELECT n, CASE n WHEN 1 THEN 'infinity' ELSE date '2026-11-25' END AS d, repeat('x', 50) AS t
                 FROM generate_series(1, 200000) AS n ORDER BY n"""
    [file] = run(a_request(query, Format.PARQUET))

    rows = duckdb.execute("SELECT d, count(*) FROM read_parquet(?) GROUP BY d ORDER BY 2", [str(file.path)]).fetchall()
    assert rows == [("infinity", 1), ("2026-11-25", 199_999)]


def test_too_many_bytes_and_too_long_a_row_are_told(a_request: MakeRequest, run: Run) -> None:
    wide = "SELECT repeat('x', 1000) AS t FROM generate_series(1, 5000)"
    with pytest.raises(ReportError) as failure:
        run(a_request(wide, Format.PARQUET, limits=Limits(timeout_s=60, max_mb=2)))
    assert (failure.value.code, failure.value.retryable) == ("byte_limit_exceeded", False)

    with pytest.raises(ReportError) as failure:
        run(a_request("SELECT repeat('x', 9000000) AS t", Format.PARQUET))
    assert (failure.value.code, failure.value.retryable) == ("row_too_long", False)

    with pytest.raises(ReportError) as failure:
        run(a_request(wide, Format.JSONL, limits=Limits(timeout_s=60, scratch_mb=1)))
    assert (failure.value.code, failure.value.retryable) == ("scratch_limit_exceeded", False)
