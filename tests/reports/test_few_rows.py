"""Python computes and shows few rows exactly as DuckDB does many: the files are identical byte for byte."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.catalog.grouping import FUNCTIONS, NO_GROUPING, Grouping
from shared.catalog.model import Chart, Column, Format, Limits, PdfOptions, ReportType, SummaryTable
from shared.reports import duck, extract
from shared.reports.columns import SourceColumn
from shared.reports.extract import ExtractColumn
from shared.reports.formats.joined import JOINED, JOINED_IN_SQL
from shared.reports.formats.query_in_python import answer_of
from shared.reports.formats.totals_in_python import total_in_python
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.render import render_files
from shared.reports.sources.postgres import PostgresResult

_COLUMNS = {
    "text": st.sampled_from(["North", "South", "é", ""]),
    "int8": st.integers(-(1 << 63), (1 << 63) - 1).map(str),
    "numeric(9, 2)": st.decimals(-(10**6), 10**6, places=2).map(str),
    "numeric": st.decimals(-(10**20), 10**20, places=9).map(str) | st.just("0.5"),
    "float8": st.floats(-1e14, 1e14).filter(lambda v: v == 0 or abs(v) >= 1e-4).map(repr),
    "float4": st.sampled_from(["0.1", "2.5", "-3"]),
    "date": st.dates().map(str),
    "bool": st.sampled_from(["t", "f"]),
}
_NO_SUMMARIES = PdfOptions()
_NUMBERS = ["int8", "numeric(9, 2)", "numeric", "float8", "float4"]
_LOOKS = ["", "#,##0", "0.0", "#,##0.00;(#,##0.00);-", "0.0%"]


@st.composite
def totalled(draw: st.DrawFn) -> tuple[str, Grouping, Mapping[str, Column]]:
    """A query, and groups and totals of it."""
    types = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, max_size=2))
    types += draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, max_size=3))
    pool = [draw(st.lists(st.none() | _COLUMNS[type_], min_size=1, max_size=3)) for type_ in types]
    rows = draw(st.lists(st.tuples(*map(st.sampled_from, pool)), min_size=1, max_size=8))
    values = ", ".join(
        f"({', '.join([str(n), *('NULL' if v is None else duck.literal(v) for v in row)])})"
        for n, row in enumerate(rows)
    )
    names = ", ".join(f"c{at}::{type_} AS c{at}" for at, type_ in enumerate(types))
    given_ = ", ".join(f"c{at}" for at in range(len(types)))
    levels = draw(st.integers(0, 2))
    by = tuple(f"c{at}" for at in range(min(levels, len(types) - 1)))
    whats = {
        f"c{at}": draw(st.sampled_from([*FUNCTIONS] if type_ in _NUMBERS else ["count"]))
        for at, type_ in enumerate(types)
        if f"c{at}" not in by
    }
    columns = {f"c{at}": Column(f"c{at}", f"C{at}", number_format=draw(st.sampled_from(_LOOKS)))
               for at in range(len(types))}  # fmt: skip
    return f"SELECT {names} FROM (VALUES {values}) v(n, {given_}) ORDER BY n", Grouping(by, whats), columns


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=totalled())
def test_groups_and_totals(asked: tuple[str, Grouping, Mapping[str, Column]], source_dsn: str, scratch: Path) -> None:
    query, grouping, columns = asked
    few, many = _both_ways(_report(query, grouping=grouping, columns=columns), source_dsn, scratch)

    assert few == many


def test_groups_and_totals_of_a_document(source_dsn: str, scratch: Path) -> None:
    query = """SELECT CASE WHEN n > 90 THEN NULL ELSE 'Shop ' || n / 30 END AS shop, n % 7 > 2 AS open, n AS whole,
                      n * 0.25 AS exact, n * 0.5::float8 AS half, 'ก้ำ' || n AS name, date '2026-01-01' + n AS day
                 FROM generate_series(1, 120) AS n ORDER BY n"""
    whats = {"whole": "sum", "exact": "mean", "half": "mean", "name": "count"}
    report = _report(query, grouping=Grouping(("shop", "open"), whats))
    few, many = _both_ways(report, source_dsn, scratch, Format.PDF, Format.HTML, Format.XLSX)

    assert few == many


@pytest.mark.parametrize(
    ("texts", "mean"),
    [(["1", "2"], "1.5"), (["0.1", "0.2", "0.3"], "0.2"), ([None], None), (["1", None, "1", "2"], "1.3333333333333333"),
     (["9007199254740993", "9007199254740995"], "9007199254740994.0"),
     (["12345678901234567890.5"], "1.2345678901234567e+19")],
)  # fmt: skip
def test_a_mean_is_the_double_next_to_the_exact_quotient(texts: Sequence[str | None], mean: str | None) -> None:
    """DuckDB divides with the digits of the processor's long double, whose last one may be rounded twice."""
    column = ExtractColumn(SourceColumn("v", "numeric"), "v", "VARCHAR", decimal=(30, 1))
    assert total_in_python("mean", column, texts) == mean


def test_a_sum_of_floats_adds_one_after_the_other(source_dsn: str, scratch: Path) -> None:
    query = "SELECT x::float8 AS v FROM (VALUES (0.1), (1000000000000), (0.2), (-1000000000000), (0.3)) q(x)"
    [few, many] = _both_ways(_report(query, grouping=Grouping((), {"v": "sum"})), source_dsn, scratch)

    assert few == many


_ROWS = """SELECT n, n * 1.25 AS exact, n * 0.3::float8 AS float, CASE WHEN n % 3 > 0 THEN 'it''s "' || n END AS text,
                  date '2026-01-01' + n AS day, timestamp '2026-01-01 10:00:00.5' + n * interval '1 hour' AS moment,
                  timestamptz '2026-01-01 10:00:00+00' + n * interval '1 hour' AS instant, n % 2 = 0 AS even,
                  CASE WHEN n > 100 THEN 1 END AS none, interval '1 hour' * n AS lasted
             FROM generate_series(1, 40) AS n ORDER BY n"""


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM report",
        "SELECT n, text, exact, even FROM report WHERE false",
        "SELECT sum(n) AS n, avg(exact) AS exact, sum(float) AS f, min(day) AS day, max(moment) AS m FROM report",
        "FROM report SELECT even, count(*) AS n, bool_and(even) AS b, sum(none) AS none GROUP BY ALL ORDER BY ALL",
        "WITH few AS (SELECT * FROM report) SELECT n AS a, n + 1 AS a FROM few -- twins",
        "SELECT n / 7 AS q, n * 1e20 AS large, 1e-9 * n AS small, -0.0 AS z, 3::TINYINT AS t, 3::UHUGEINT FROM report",
        "SELECT 'infinity'::DATE AS day, DATE '0044-03-15 (BC)' AS bc, DATE '9999-12-31' AS last",
        "SELECT 'nan'::DOUBLE AS a, 'inf'::DOUBLE AS b, 'infinity'::TIMESTAMP AS c",
        "SELECT [1, 2] AS list, {'a': 1} AS struct, INTERVAL 90 MINUTE AS lasted, TIME '10:00:00' AS at, NULL AS none",
        "SELECT 0.5::FLOAT AS single, 0.5::DECIMAL(2, 2) AS tight, uuid '00000000-0000-0000-0000-000000000001' AS u",
        "SELECT TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS ns, instant FROM report LIMIT 2",
        "PIVOT (SELECT even, n % 3 AS third, exact FROM report) ON third IN (0, 1, 2) USING sum(exact) ORDER BY even",
        "SELECT chr(1) || '_x0041_' AS odd, 123456789012345678 AS long, 1234567890123456.78 AS digits",
    ],
)  # fmt: skip
def test_summaries(query: str, source_dsn: str, scratch: Path) -> None:
    looks = {"exact": Column("exact", "Exact", number_format="#,##0.00"),
             "day": Column("day", "Day", number_format="d mmm yyyy")}  # fmt: skip
    pdf = PdfOptions(tables=(SummaryTable("t", "T", query, looks),))
    few, many = _both_ways(_report(_ROWS, pdf=pdf, columns=looks), source_dsn, scratch)

    assert few == many


def test_figures_charts_and_a_document(source_dsn: str, scratch: Path) -> None:
    axes = {"x": {"field": "even", "type": "nominal"}, "y": {"field": "n", "type": "quantitative"}}
    (scratch / "chart.vl.json").write_text(json.dumps({"mark": "bar", "encoding": axes}))
    figures = ", ".join(f"sum(exact) + {n} AS f{n}" for n in range(10))
    pdf = PdfOptions(
        figures=SummaryTable("figures", "", f"SELECT {figures} FROM report"),
        charts=(Chart("c", "C", "SELECT even, sum(n) AS n FROM report GROUP BY ALL ORDER BY ALL", "chart.vl.json"),),
    )
    report = replace(_report(_ROWS, pdf=pdf), folder=scratch)
    few, many = _both_ways(report, source_dsn, scratch, Format.XLSX, Format.HTML, Format.PDF)

    assert few == many


_VALUES: Sequence[tuple[str, Any]] = (
    ("BIGINT", st.integers(-(1 << 63), (1 << 63) - 1)),
    ("HUGEINT", st.integers(-(1 << 127) + 1, (1 << 127) - 1)),
    ("DECIMAL(15,0)", st.integers(-(10**14), 10**14).map(Decimal)),
    ("DECIMAL(38,0)", st.integers(-(10**37), 10**37).map(Decimal)),
    ("DECIMAL(9,3)", st.decimals(-(10**5), 10**5, places=3)),
    ("DECIMAL(38,20)", st.decimals(-(10**17), 10**17, places=20)),
    ("DOUBLE", st.floats(allow_nan=False, allow_infinity=False)),
    ("BOOLEAN", st.booleans()),
    ("VARCHAR", st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    ("DATE", st.dates(date(1, 1, 2), date(9999, 12, 30))),
    ("TIMESTAMP", st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))),  # noqa: DTZ001 - of no zone
)


def test_an_answer_has_the_texts_and_the_json_that_duckdb_writes() -> None:
    with duckdb.connect() as connection:
        _compare(connection)


def _compare(connection: duckdb.DuckDBPyConnection) -> None:
    @settings(max_examples=100, deadline=None)
    @given(one=st.one_of([st.tuples(st.just(type_), st.none() | values) for type_, values in _VALUES]))
    def compare(one: tuple[str, object]) -> None:
        type_, value = one
        connection.execute(f"CREATE OR REPLACE TABLE t AS SELECT ?::{type_} AS v", [value])
        found = answer_of(connection.execute("FROM t"))
        assert found is not None
        [column] = found.columns
        text = column.as_float_text if column.source.is_float else column.as_source_text
        [row] = connection.execute(f"SELECT {text}, to_json(t)::VARCHAR FROM t").fetchall()
        assert found.texts == [[row[0]]]
        assert repr(found.objects) == repr([json.loads(row[1])])

    compare()


def test_a_summary_of_too_many_rows_is_refused(source_dsn: str, scratch: Path) -> None:
    pdf = PdfOptions(tables=(SummaryTable("t", "T", "SELECT a.n FROM report a, report b, report c"),))
    with pytest.raises(ReportError) as refused:
        _made(_report(_ROWS, pdf=pdf), source_dsn, scratch, (Format.HTML,))

    assert refused.value.code == "summary_too_large"


def test_python_and_duckdb_find_the_same_letters_that_join() -> None:
    letters = [chr(n) for n in range(0x20, 0x20000) if not 0xD800 <= n < 0xE000]
    with duckdb.connect() as connection:
        asked = f"SELECT list_filter(?::VARCHAR[], lambda letter: regexp_full_match(letter, '{JOINED_IN_SQL}'))"
        [found] = connection.execute(asked, [letters]).fetchone() or [[]]

    assert [letter for letter in letters if JOINED.fullmatch(letter)] == found


@pytest.mark.parametrize(("format_", "most"), [(Format.XLSX, 7), (Format.HTML, 7), (Format.PDF, 7)])
def test_few_rows_ask_duckdb_what_report_toml_asks_and_nothing_else(
    format_: Format, most: int, source_dsn: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each statement takes 1 to 6 ms, and all else of such a workbook 40 (`python -m tests.benchmarks.small_case`)."""
    asked = _count_statements(monkeypatch)
    table = SummaryTable("t", "T", "SELECT even, sum(n) AS n FROM report GROUP BY ALL ORDER BY ALL")
    pdf = PdfOptions(figures=replace(table, name="figures", query="SELECT sum(n) AS n FROM report"), tables=(table,))
    report = _report(_ROWS, pdf=pdf, grouping=Grouping(("even",), {"n": "sum"}))
    _made(report, source_dsn, scratch, (format_,), preview=True)

    assert len(asked) <= most, asked


def test_few_rows_without_summaries_ask_duckdb_nothing(
    source_dsn: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _count_statements(monkeypatch)
    report = _report(_ROWS, grouping=Grouping(("even",), {"n": "sum"}))
    _made(report, source_dsn, scratch, tuple(set(Format) - {Format.PARQUET}), preview=True)

    assert asked == []


@pytest.mark.parametrize("memory_mb", [256, 4_096])
def test_a_database_has_the_budget_of_the_report_that_uses_it(memory_mb: int, tmp_path: Path) -> None:
    def budget(connection: duckdb.DuckDBPyConnection) -> str:
        [found] = connection.execute("SELECT current_setting('memory_limit')").fetchone() or [""]
        return str(found)

    budgets = []
    for memory in (512, memory_mb, 512, Limits().memory_mb):
        with duck.opened(tmp_path, memory) as connection:
            budgets.append(budget(connection))

    assert budgets[0] == budgets[2] == budgets[3] == "122.0 MiB"
    assert budgets[1] == {256: "91.5 MiB", 4_096: "976.5 MiB"}[memory_mb]


def _count_statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The list of all statements from here on."""
    asked: list[str] = []
    opened = duck._opened

    class Counting:
        def __init__(self) -> None:
            self._connection = opened()

        def execute(self, statement: str, *values: object) -> Any:
            asked.extend(one.query for one in duckdb.extract_statements(statement))
            return self._connection.execute(statement, *values)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

    monkeypatch.setattr(duck, "_spare", [])
    monkeypatch.setattr(duck, "_left", [])
    monkeypatch.setattr(duck, "_opened", Counting)
    return asked


def _both_ways(report: ReportType, dsn: str, scratch: Path, *formats: Format) -> Sequence[Mapping[str, str]]:
    """The digests of the files, made as of few rows and as of many."""
    found = []
    for few_rows in (1_000, -1):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(extract, "FEW_ROWS", few_rows)
            found.append(_made(report, dsn, scratch, formats or (Format.HTML, Format.XLSX)))
    return found


def _made(
    report: ReportType, dsn: str, scratch: Path, formats: tuple[Format, ...], *, preview: bool = False
) -> Mapping[str, str]:
    folder = Path(mkdtemp(dir=scratch))
    with pytest.MonkeyPatch.context() as patch:
        # Documents name the minute at which the source was read.
        patch.setattr(PostgresResult, "snapshot", lambda _: {"id": None, "takenAt": "2026-11-29T10:00:00Z"})
        files = render_files(RenderRequest(report, {}, formats, dsn, folder, preview=preview), lambda _: None)
    return {file.format: file.sha256 for file in files}


def _report(
    query: str, *, pdf: PdfOptions = _NO_SUMMARIES, grouping: Grouping = NO_GROUPING,
    columns: Mapping[str, Column] | None = None,
) -> ReportType:  # fmt: skip
    return ReportType(
        "orders", "Orders", "", "1", "default", query, tuple(Format), pdf=pdf, grouping=grouping, columns=columns or {}
    )
