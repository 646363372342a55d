"""A request selects columns, sorts, limits and sets a zone, on every source; none of it becomes SQL."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import psycopg
import pypdfium2
import pytest

from shared.catalog.asker import NOBODY, Asker
from shared.catalog.model import Column, Format, Limits, Locale, PdfOptions, SummaryTable
from shared.catalog.shape import AS_IT_IS, Shape
from shared.failures import FailureCode
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run

TOKYO = Shape(time_zone="Asia/Tokyo")
ROWS = """
    SELECT * FROM (VALUES
        (1, 'b', 2.5, timestamptz '2024-02-29 15:00+00'), (2, 'a', NULL, NULL),
        (3, 'b', 10, timestamptz '2024-07-01 00:00+00'), (4, 'a', 9, timestamptz '1880-01-01 00:00+00')
    ) AS orders(n, kind, amount, moment)
"""
SOURCES = ("postgres", "files")


def shaped(request: RenderRequest, shape: Shape, **more: Any) -> RenderRequest:
    return dataclasses.replace(request, shape=shape, **more)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture(params=SOURCES)
def orders(request: pytest.FixtureRequest, a_request: MakeRequest, scratch: Path) -> Any:
    """The same rows, from PostgreSQL and from a file."""

    def make(*formats: Format) -> RenderRequest:
        if request.param == "postgres":
            return a_request(ROWS, *formats)
        folder = scratch / "orders"
        folder.mkdir(exist_ok=True)
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'")
        rows = ROWS.replace("timestamptz '", "TIMESTAMPTZ '")
        connection.execute(f"COPY ({rows}) TO '{folder}/orders.parquet' (FORMAT parquet)")
        return a_request("SELECT * FROM 'orders.parquet' ORDER BY n", *formats, dsn=f"file://{folder}")

    return make


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape(columns=("kind", "n")), ["kind,n", "b,1", "a,2", "b,3", "a,4"]),
        (Shape(columns=("n",), sort=("-n",)), ["n", "4", "3", "2", "1"]),
        (Shape(columns=("n",), sort=("kind",)), ["n", "2", "4", "1", "3"]),
        (Shape(columns=("n",), sort=("kind", "-n")), ["n", "4", "2", "3", "1"]),
        (Shape(columns=("n", "amount"), sort=("amount",)), ["n,amount", "1,2.5", "4,9.0", "3,10.0", "2,"]),
        (Shape(columns=("n",), sort=("-amount",), limit=2), ["n", "3", "4"]),
        (Shape(columns=("n",), limit=1), ["n", "1"]),
        (Shape(columns=("n",), limit=100), ["n", "1", "2", "3", "4"]),
    ],
)
def test_columns_order_and_limit_are_those_asked_for(shape: Shape, expected: list[str], orders: Any, run: Run) -> None:
    [alone] = run(shaped(orders(Format.CSV), shape))
    [beside, parquet] = run(shaped(orders(Format.CSV, Format.PARQUET), shape))

    assert [line.replace(".0", "") for line in lines(alone.path)] == [line.replace(".0", "") for line in expected]
    assert alone.path.read_bytes() == beside.path.read_bytes()
    assert alone.rows == parquet.rows == len(expected) - 1
    names = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(parquet.path)]).fetchall()
    assert [name for name, *_ in names] == expected[0].split(",")


def test_what_was_not_asked_for_changes_no_byte(orders: Any, run: Run, tmp_path: Path) -> None:
    formats = (Format.CSV, Format.XLSX, Format.PARQUET, Format.JSONL, Format.HTML, Format.PDF)
    kept = tmp_path / "kept"  # documents tell when their rows were read: both are of one moment
    usual, every = (run(replace(one, keep=kept)) for one in (orders(*formats), shaped(orders(*formats), Shape())))
    assert [file.sha256 for file in usual] == [file.sha256 for file in every]


HOSTILE = ['a"; DROP TABLE x; --', "-minus", "c1", "place", "'", "{}", "%s", "a\nb", "日本", "NULL"]


@pytest.mark.parametrize("source", SOURCES)
def test_no_name_of_a_column_becomes_sql(source: str, a_request: MakeRequest, scratch: Path, run: Run) -> None:
    names = ["c2", *HOSTILE]
    quoted = ", ".join(f'{n} AS "{name.replace(chr(34), chr(34) * 2)}"' for n, name in enumerate(names))
    query = f"SELECT {quoted} UNION ALL SELECT {', '.join(str(n + 100) for n in range(len(names)))}"
    dsn = {"dsn": f"file://{scratch}"} if source == "files" else {}
    columns = {name: Column(name, name) for name in names}
    request = a_request(query, Format.JSONL, columns=columns, **dsn)  # type: ignore[arg-type] # a union of calls
    [file] = run(shaped(request, Shape(columns=tuple(HOSTILE), sort=tuple(f"-{name}" for name in HOSTILE))))

    found = [json.loads(line) for line in file.path.read_text().splitlines()]
    assert [list(row) for row in found] == [HOSTILE, HOSTILE]
    assert [row["place"] for row in found] == [104, 4]


@pytest.mark.parametrize("type_", ["json", "point", "box", "json[]"])
def test_values_that_have_no_order_are_sorted_by_their_text(type_: str, a_request: MakeRequest, run: Run) -> None:
    """As those of sources that DuckDB sorts."""
    texts = {
        "json": ["2", "1"],
        "point": ["(2,0)", "(1,0)"],
        "box": ["(2,2),(1,1)", "(1,1),(0,0)"],
        "json[]": ["{2}", "{1}"],
    }
    query = " UNION ALL ".join(f"SELECT '{text}'::{type_} AS v, 'kept' AS other" for text in texts[type_])
    for more in ((), (Format.PARQUET,)):
        request = shaped(a_request(query, Format.CSV, *more), Shape(sort=("v", "-other"), columns=("v",)))
        assert [line.strip('"') for line in lines(run(request)[0].path)[1:]] == texts[type_][::-1]


def test_a_column_that_the_result_has_not_ends_the_job_and_says_which(a_request: MakeRequest, run: Run) -> None:
    for shape in (Shape(columns=("n", "gone")), Shape(sort=("-gone",))):
        with pytest.raises(ReportError, match="'gone'") as failed:
            run(shaped(a_request(ROWS), shape))
        assert (failed.value.code, failed.value.retryable) == (FailureCode.COLUMN_MISSING, False)


def test_a_column_that_the_asker_may_not_have_is_not_there_to_choose_or_to_sort_by(
    a_request: MakeRequest, run: Run
) -> None:
    columns = {"amount": Column("amount", "Amount", required_scope="sales:read")}

    def asked(shape: Shape, asker: Asker = NOBODY) -> RenderRequest:
        return shaped(a_request(ROWS, Format.CSV, columns=columns), shape, asker=asker)

    for shape in (Shape(columns=("n", "amount")), Shape(sort=("amount",)), Shape(columns=("n",), sort=("-amount",))):
        with pytest.raises(ReportError) as failed:
            run(asked(shape))
        assert failed.value.code == FailureCode.COLUMN_MISSING
    [file] = run(asked(Shape(sort=("-n",), limit=1)))
    assert lines(file.path) == ["n,kind,moment", "4,a,1880-01-01 00:00:00+00"]
    [file] = run(asked(Shape(columns=("n",), limit=1)))
    assert lines(file.path) == ["n", "1"]
    allowed = Asker(scopes=frozenset({"sales:read"}))
    [file] = run(asked(Shape(columns=("amount",), sort=("-amount",), limit=1), allowed))
    assert lines(file.path) == ["amount", "10"]


@pytest.mark.parametrize("shape", [AS_IT_IS, Shape(limit=1), Shape(time_zone="Asia/Tokyo")])
def test_whoever_may_see_no_column_is_told_so(shape: Shape, orders: Any, run: Run) -> None:
    columns = {name: Column(name, name, required_scope="sales:read") for name in ("n", "kind", "amount", "moment")}
    for formats in ((Format.CSV,), (Format.PARQUET, Format.HTML)):
        request = orders(*formats)
        with pytest.raises(ReportError, match="no column that whoever asks may see") as failed:
            run(shaped(request, shape, report=replace(request.report, columns=columns)))
        assert (failed.value.code, failed.value.retryable) == (FailureCode.COLUMN_MISSING, False)


def test_a_limit_reads_no_more_than_the_limit_of_rows_allows(a_request: MakeRequest, run: Run) -> None:
    request = a_request("SELECT n FROM generate_series(1, 100000) AS n", limits=Limits(timeout_s=60, max_rows=10))
    [file] = run(shaped(request, Shape(sort=("-n",), limit=3)))
    assert lines(file.path) == ["n", "100000", "99999", "99998"]


def test_summaries_see_columns_that_files_do_not_show(a_request: MakeRequest, run: Run) -> None:
    request = a_request(ROWS, Format.PDF, Format.CSV, Format.PARQUET)
    figures = SummaryTable("figures", "", "SELECT sum(amount) AS total FROM report", {})
    report = dataclasses.replace(request.report, pdf=PdfOptions(figures=figures))
    shape = Shape(columns=("kind",), sort=("-n",), limit=2)
    pdf, text, parquet = run(shaped(dataclasses.replace(request, report=report), shape))

    assert lines(text.path) == ["kind", "a", "b"]
    names = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(parquet.path)]).fetchall()
    assert [name for name, *_ in names] == ["kind"]
    shown = pypdfium2.PdfDocument(pdf.path)[0].get_textpage().get_text_bounded()
    assert "19" in shown  # 9 + 10
    assert "amount" not in shown


def test_every_reader_sees_times_of_the_zone_and_programs_the_instant(orders: Any, run: Run) -> None:
    formats = (Format.CSV, Format.XLSX, Format.PARQUET, Format.JSONL, Format.HTML)
    text, book, parquet, json_lines, page = run(shaped(orders(*formats), TOKYO))

    assert [line.rpartition(",")[2] for line in lines(text.path)] == [
        "moment", "2024-03-01 00:00:00+09", "", "2024-07-01 09:00:00+09", "1880-01-01 09:18:59+09:18:59",
    ]  # fmt: skip
    [alone] = run(shaped(orders(Format.CSV), TOKYO))
    assert alone.sha256 == text.sha256
    sheet = openpyxl.load_workbook(book.path).active
    assert sheet is not None
    assert sheet["D1"].value == "moment (Asia/Tokyo)"
    assert str(sheet["D2"].value) == "2024-03-01 00:00:00"
    instants = duckdb.connect().execute("SELECT epoch(moment) FROM read_parquet(?)", [str(parquet.path)]).fetchall()
    assert instants[0] == (1709218800.0,)
    assert [json.loads(line)["moment"] for line in lines(json_lines.path)] == [
        "2024-02-29T15:00:00Z", None, "2024-07-01T00:00:00Z", "1880-01-01T00:00:00Z",
    ]  # fmt: skip
    html = page.path.read_text()
    for shown in ("moment (Asia/Tokyo)", "<td>2024-03-01 00:00:00</td>", '<dd dir="auto">Asia/Tokyo</dd>'):
        assert shown in html


def test_the_querys_own_session_is_in_the_zone(a_request: MakeRequest, scratch: Path, run: Run) -> None:
    query = "SELECT CAST(TIMESTAMPTZ '2024-02-29 15:00:00+00' AS date)::text AS day"
    for dsn in ({}, {"dsn": f"file://{scratch}"}):
        [file] = run(shaped(a_request(query, **dsn), TOKYO))  # type: ignore[arg-type] # a union of calls
        assert lines(file.path)[1] == "2024-03-01"
        [file] = run(a_request(query, **dsn))  # type: ignore[arg-type]
        assert lines(file.path)[1] == "2024-02-29"


def test_a_query_that_leaves_the_zone_is_refused(a_request: MakeRequest, run: Run) -> None:
    query = "SELECT set_config('TimeZone', 'UTC', true) AS zone"
    with pytest.raises(ReportError, match="TimeZone"):
        run(shaped(a_request(query), TOKYO))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati"])
def test_moments_that_only_postgresql_has_are_not_lost_in_a_zone(zone: str, a_request: MakeRequest, run: Run) -> None:
    query = """SELECT * FROM (VALUES (1, timestamptz 'infinity'), (2, '9999-12-31 23:59:59+00'), (3, '0044-03-15 BC'),
                                     (4, '2024-02-29 15:00+00')) AS t(n, at)"""
    [text, json_lines] = run(shaped(a_request(query, Format.CSV, Format.JSONL), Shape(time_zone=zone)))
    [alone] = run(shaped(a_request(query), Shape(time_zone=zone)))
    assert alone.sha256 == text.sha256
    found = [json.loads(line)["at"] for line in lines(json_lines.path)]
    assert (found[0], found[3]) == ("infinity", "2024-02-29T15:00:00Z")
    # In the east this is a year that only PostgreSQL has; there it keeps PostgreSQL's own text.
    assert found[1] == "9999-12-31T23:59:59Z" or found[1].startswith("10000-01-01 ")
    assert found[2].endswith(" BC")


def test_the_manifest_says_what_was_asked_for_and_the_same_question_has_the_same_bytes(
    a_request: MakeRequest, run: Run
) -> None:
    def made() -> tuple[Mapping[str, Any], list[str]]:
        request = shaped(
            a_request(ROWS, Format.CSV, Format.HTML), Shape("Asia/Tokyo", None, ("n", "moment"), ("-n",), 3),
            words={"from": "yesterday"},
        )  # fmt: skip
        files = run(request)
        document: Mapping[str, Any] = json.loads((request.scratch / "manifest.json").read_text())["manifest"]
        return document, [file.sha256 for file in files]

    manifest, digests = made()
    wanted = {"timeZone": "Asia/Tokyo", "columns": ["n", "moment"], "sort": ["-n"], "limit": 3}
    assert {name: manifest[name] for name in wanted} == wanted
    assert manifest["relativeDates"] == {"from": "yesterday"}
    assert manifest["source"]["snapshot"]["takenAt"].endswith("Z")
    assert made()[1] == digests


def test_an_extract_of_another_shape_is_not_used_again(a_request: MakeRequest, source: psycopg.Connection) -> None:
    source.execute("DROP TABLE IF EXISTS seen; CREATE TABLE seen AS SELECT 1 AS n UNION ALL SELECT 2")
    request = a_request("SELECT n FROM seen ORDER BY n", Format.CSV, Format.PARQUET)
    keep = request.scratch / "keep"

    def made(shape: Shape) -> list[str]:
        fresh = dataclasses.replace(
            a_request("SELECT n FROM seen ORDER BY n", Format.CSV, Format.PARQUET), keep=keep, shape=shape
        )
        return lines(render_files(fresh, lambda _: None)[0].path)

    assert made(Shape(sort=("-n",))) == ["n", "2", "1"]
    source.execute("DELETE FROM seen WHERE n = 1")
    assert made(Shape(sort=("-n",))) == ["n", "2", "1"]  # kept, as for a second attempt
    assert made(Shape(sort=("n",))) == ["n", "2"]


def test_the_language_that_is_asked_for_is_the_documents(a_request: MakeRequest, run: Run) -> None:
    request = a_request(ROWS, Format.HTML, Format.CSV, columns={"kind": Column("kind", "Kind")})
    japanese = Locale(title="注文", columns={"kind": "種類"})
    report = dataclasses.replace(request.report, locales={"ja": japanese})
    page, text = run(shaped(dataclasses.replace(request, report=report), Shape(locale="ja", csv={"header": "titles"})))

    html = page.path.read_text()
    assert '<html lang="ja">' in html
    for shown in ("注文", "種類", "行数"):
        assert shown in html
    assert lines(text.path)[0] == "n,種類,amount,moment"
