"""Each format is compared with the source, for generated types, values, numbers of rows and combinations of formats."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from html import unescape
from pathlib import Path
from tempfile import mkdtemp

import duckdb
import openpyxl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from shared.catalog.model import Column, Format, ReportType
from shared.reports import extract
from shared.reports.interface import RenderRequest
from shared.reports.render import render_files
from shared.reports.sources.postgres import PostgresResult
from tests.reports.test_values import cells_of

Value = str | None
_SPECIAL = ["NaN", "Infinity", "-Infinity"]
_TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\ufeff\"',;\n\r\t\\=+-@"),
    max_size=12,
)
_PLAIN = st.decimals(-(10**8), 10**8, places=2).map(str)
_TYPES = {
    "int8": st.integers(-(1 << 63), (1 << 63) - 1).map(str),
    "numeric": _PLAIN | st.decimals(-(10**30), 10**30, places=7).map(str) | st.sampled_from(_SPECIAL),
    "numeric(12, 2)": _PLAIN | st.just("NaN"),
    "float8": st.floats(allow_nan=False).map(repr).map(lambda t: {"inf": "Infinity", "-inf": "-Infinity"}.get(t, t)),
    "bool": st.sampled_from(["t", "f"]),
    "date": st.dates().map(str) | st.sampled_from(["infinity", "0044-03-15 BC", "12000-01-01"]),
    "timestamptz": st.datetimes().map(lambda t: f"{t}+00") | st.sampled_from(["infinity", "0044-03-15 00:00:00+00 BC"]),
    "text": _TEXT,
    "text[]": st.lists(st.from_regex("[a-z]{1,3}", fullmatch=True), max_size=3).map(lambda v: "{" + ",".join(v) + "}"),
}
_NUMBER_FORMATS = [
    "#,##0", "0", "0.0", "#,##0.00", "0.0%", "0.###", "#,##0.0,", '#,##0.00 "EUR"', "000-000", "(0.0)", "#.##",
    "$#,##0;-$#,##0", "0.00;(0.00);-", "00000", '0.0,,"M"',
]  # fmt: skip
_HALVES = [Decimal(text) for text in ("0.5", "-0.5", "1.5", "2.5", "-0.05", "0.005", "999.95", "-0.004", "0", "1e30")]
_DATE_FORMATS = ["", "yyyy-mm-dd", "d mmm yy", "dddd, mmmm d", "h:mm AM/PM", "hh:mm:ss.000", "ddd m/d/yyyy"]
_COLUMNS = st.lists(st.sampled_from(sorted(_TYPES)), min_size=1, max_size=4)
_FORMATS = st.sets(st.sampled_from([Format.CSV, Format.JSONL, Format.PARQUET, Format.XLSX, Format.HTML]), max_size=3)


@st.composite
def reports(draw: st.DrawFn) -> tuple[list[str], list[list[Value]], list[Format]]:
    """Types of columns, rows of values as text, and the formats to make beside JSON Lines and CSV."""
    types = draw(_COLUMNS)
    rows = draw(st.lists(st.tuples(*(st.none() | _TYPES[t] for t in types)).map(list), max_size=4))
    return types, rows, sorted(draw(_FORMATS))


def _query(types: Sequence[str], rows: Sequence[Sequence[Value]], conn: psycopg.Connection) -> str:
    names = ", ".join(f"c{at}::{type_} AS c{at}" for at, type_ in enumerate(types))
    values = [[*row, str(at)] for at, row in enumerate(rows)] or [[*(None for _ in types), "0"]]
    lines = sql.SQL(", ").join(
        sql.SQL("({})").format(sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Literal(v)) for v in row))
        for row in values
    )
    given = ", ".join(f"c{at}" for at, _ in enumerate(types))
    none = "" if rows else " WHERE false"
    return f"SELECT {names} FROM (VALUES {lines.as_string(conn)}) v({given}, o){none} ORDER BY o::int"


def _guard(text: Value, type_: str) -> Value:
    return (
        f"'{text}" if text and type_ in {"text", "text[]"} and text[0] in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20" else text
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(report=reports())
def test_every_format_tells_what_the_source_tells(
    report: tuple[list[str], list[list[Value]], list[Format]],
    source: psycopg.Connection,
    source_dsn: str,
    scratch: Path,
) -> None:
    types, rows, formats = report
    query = _query(types, rows, source)
    source.execute("SET TimeZone = 'UTC'")
    texts = ", ".join(f"c{at}::text" if t != "bool" else f"CASE c{at} WHEN true THEN 't' WHEN false THEN 'f' END"
                      for at, t in enumerate(types))  # fmt: skip
    told = [list(row) for row in source.execute(f"SELECT {texts} FROM ({query}) q").fetchall()]
    wanted = tuple(dict.fromkeys([Format.CSV, *formats, Format.JSONL]))
    files = {f.format: f for f in render_files(_request(query, wanted, source_dsn, scratch), lambda _: None)}
    [alone] = render_files(_request(query, (Format.CSV,), source_dsn, scratch), lambda _: None)

    assert files["csv"].path.read_bytes() == alone.path.read_bytes()
    read = list(csv.reader(io.StringIO(alone.path.read_bytes().decode(), newline="")))[1:]
    expected = [[_guard(v, t) or "" for v, t in zip(row, types, strict=True)] for row in told]
    assert [row or [""] for row in read] == expected
    lines = files["jsonl"].path.read_text().split("\n")[:-1]
    for line, row in zip(lines, told, strict=True):
        found = list(json.loads(line, parse_float=Decimal, parse_int=Decimal).values())
        # Beyond 2^53 the same binary number has several spellings, and PostgreSQL's is not DuckDB's.
        found = [float(v) if t == "float8" and isinstance(v, Decimal) else v for v, t in zip(found, types, strict=True)]
        assert [_json(v, t) for v, t in zip(row, types, strict=True)] == found
    if "parquet" in files:
        described = duckdb.connect().execute("DESCRIBE FROM read_parquet(?)", [str(files["parquet"].path)]).fetchall()
        for at, (_, type_, *_) in enumerate(described):
            assert (type_ == "VARCHAR") == _is_text(types[at], [row[at] for row in told]), (types[at], type_)
    if "xlsx" in files:
        sheet = openpyxl.load_workbook(files["xlsx"].path).worksheets[0]
        assert sheet.max_row == len(told) + 1
    if "html" in files:
        shown = [[unescape(cell) for cell in row] for row in cells_of(files["html"])]
        assert [[c for c, t in zip(row, types, strict=True) if t == "text"] for row in shown] == [
            [v or "" for v, t in zip(row, types, strict=True) if t == "text"] for row in told
        ]


@pytest.mark.parametrize("more", [(), (Format.PARQUET,)], ids=["from cells", "with a file beside them"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(report=reports())
def test_few_rows_make_the_very_files_that_many_make(
    more: tuple[Format, ...],
    report: tuple[list[str], list[list[Value]], list[Format]],
    source: psycopg.Connection,
    source_dsn: str,
    scratch: Path,
) -> None:
    """Up to 1,000 rows Python does what DuckDB does with more."""
    types, rows, _ = report
    few, many = _both_ways(_query(types, rows, source), source_dsn, scratch, *more)

    assert few == many


@pytest.mark.parametrize(
    "query",
    [
        "SELECT NULL::int AS a, ''::text AS b",
        "SELECT '=' AS a UNION ALL SELECT '\\.' UNION ALL SELECT U&'\\feffx' UNION ALL SELECT E'\\r\\x0b\\\\u000b'",
        "SELECT 1 AS a WHERE false",
        "SELECT x::numeric(12, 2) AS a, x::float8 AS b FROM (VALUES ('0'), ('-0.5'), ('1e3'), ('99999999.99')) v(x)",
        "SELECT x::numeric(2, 2) AS a, x::numeric(20, 20) AS b FROM (VALUES ('0.25'), ('-0.5'), ('0'), (NULL)) v(x)",
        "SELECT x::numeric AS a FROM (VALUES ('0.0000001'), ('0.00001'), ('3.70')) v(x)",
        ("SELECT x::timestamptz AS a, x::date AS b, x::timestamp AS c FROM (VALUES ('0001-01-01'), ('1900-02-28'), "
        "('1900-03-01 00:00:00.000001'), ('9999-12-31 23:59:59.999999')) v(x)"),
    ],
)  # fmt: skip
def test_few_rows_of_values_at_the_edges(query: str, source_dsn: str, scratch: Path) -> None:
    few, many = _both_ways(query, source_dsn, scratch)

    assert few == many


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    formats=st.lists(st.sampled_from(_NUMBER_FORMATS), min_size=1, max_size=3),
    numbers=st.lists(
        st.decimals(-(10**12), 10**12, places=4) | st.decimals(-10, 10, places=3) | st.sampled_from(_HALVES), max_size=6
    ),
    moments=st.lists(st.datetimes(), max_size=6),
)
def test_few_rows_are_shown_as_many_are(
    formats: list[str], numbers: list[Decimal], moments: list[datetime], source_dsn: str, scratch: Path
) -> None:
    """Whatever number formats say."""
    shown = {f"n{at}": Column(f"n{at}", "N", number_format=one) for at, one in enumerate(formats)}
    shown |= {f"t{at}": Column(f"t{at}", "T", number_format=one) for at, one in enumerate(_DATE_FORMATS)}
    names = ", ".join(
        [*(f"n AS n{at}" for at in range(len(formats))), *(f"t AS t{at}" for at in range(len(_DATE_FORMATS)))]
    )
    rows = [f"({n}::numeric, '{t}'::timestamptz)" for n, t in zip(numbers, moments, strict=False)] or ["(NULL, NULL)"]
    few, many = _both_ways(
        f"SELECT {names} FROM (VALUES {', '.join(rows)}) v(n, t)", source_dsn, scratch, columns=shown
    )

    assert few == many


def test_what_a_format_says_is_escaped_as_values_are(source_dsn: str, scratch: Path) -> None:
    query = """SELECT 5::int AS n, 1.5::numeric(4, 1) AS d, 0.5::float8 AS f, true AS b, date '2026-01-02' AS day,
                      timestamptz '2026-01-02 03:04:05+00' AS t, E'a & <b> "c" \\'d\\'\\n\\r' AS text, 7::int AS n7"""
    marks = ' "<b> & it\'s"'
    shown = {name: Column(name, name, number_format=f"0{marks}") for name in ("n", "d", "f")}
    shown |= {name: Column(name, name, number_format=f"yyyy{marks}") for name in ("day", "t")}
    shown["b"] = Column("b", "b", number_format='"<yes>";"";"<no>"')
    few, many = _both_ways(query, source_dsn, scratch, columns=shown)

    assert few == many


def test_a_long_table_of_few_rows_is_the_very_one_of_many(source_dsn: str, scratch: Path) -> None:
    query = """SELECT n, n * 1.5 AS half, md5(n::text) AS t,
                      CASE WHEN n % 3 = 0 THEN 'x' || chr(1) || '_x0041_' END AS u,
                      date '0044-03-15' - n AS d, 10 ^ n AS large FROM generate_series(1, 300) AS n"""
    few, many = _both_ways(query, source_dsn, scratch, Format.PDF)

    assert few == many


def _both_ways(
    query: str, dsn: str, scratch: Path, *more: Format, columns: Mapping[str, Column] | None = None
) -> Sequence[Mapping[str, str]]:
    """The digests of the files, made as of few rows and as of many."""
    formats, found = (Format.CSV, Format.JSONL, Format.HTML, Format.XLSX, *more), []
    with pytest.MonkeyPatch.context() as patch:
        # Documents name the minute at which the source was read.
        patch.setattr(PostgresResult, "snapshot", lambda _: {"id": None, "takenAt": "2026-11-29T10:00:00Z"})
        for few_rows in (1_000, -1):
            patch.setattr(extract, "FEW_ROWS", few_rows)
            request = _request(query, formats, dsn, scratch, columns)
            found.append({f.format: f.sha256 for f in render_files(request, lambda _: None)})
    return found


def _request(
    query: str, formats: tuple[Format, ...], dsn: str, scratch: Path, columns: Mapping[str, Column] | None = None
) -> RenderRequest:
    report = ReportType("orders", "Orders", "", "1", "default", query, formats, columns=columns or {})
    return RenderRequest(report, {}, formats, dsn, Path(mkdtemp(dir=scratch)))


def _json(text: Value, type_: str) -> object:
    """What JSON Lines have for a value that PostgreSQL writes so."""
    if text is None or type_ in {"text", "date"}:
        return text
    if type_ == "text[]":  # of letters alone, which nothing quotes but the word null
        return [item.strip('"') for item in text[1:-1].split(",") if item]
    if type_ == "bool":
        return text == "t"
    if type_ == "timestamptz":
        return text if not text[:4].isdigit() or "BC" in text else text.replace(" ", "T").replace("+00", "Z")
    if text in _SPECIAL:
        return text
    return float(text) if type_ == "float8" else Decimal(text)


def _is_text(type_: str, values: Sequence[Value]) -> bool:
    """Whether Parquet has the column as text: the declared type cannot hold one of its values."""
    present = [v for v in values if v is not None]
    match type_:
        case "text" | "text[]":
            return True
        case "date" | "timestamptz":
            return any(not v[:4].isdigit() or "BC" in v or v[4:5] != "-" for v in present)
        case "numeric":
            return any(v in _SPECIAL or abs(Decimal(v)) >= 10**18 for v in present)
        case "numeric(12, 2)":
            return "NaN" in present
    return False
