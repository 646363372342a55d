"""The rows are read once: a second attempt continues with them; files can be a source, too."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import boto3
import duckdb
import psycopg
import pytest

from services.worker.extract_cache import ExtractCache
from shared.catalog.model import Column, CsvOptions, Format, FurtherQuery, Limits, PdfOptions, ReportType, SummaryTable
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.parameters import validate_parameters
from shared.reports.interface import RenderRequest, ReportError
from shared.reports.render import render_files
from tests.reports.conftest import MakeRequest, Run


@pytest.fixture
def counted(source: psycopg.Connection) -> psycopg.Connection:
    """A query can be told from its repetition."""
    source.execute("CREATE TABLE IF NOT EXISTS changing (n int)")
    source.execute("TRUNCATE changing")
    source.execute("INSERT INTO changing VALUES (1)")
    return source


def test_a_second_try_goes_on_from_the_extract_of_the_first(
    a_request: MakeRequest, run: Run, counted: psycopg.Connection, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    query = "SELECT n FROM changing"
    first = run(replace(a_request(query, Format.PARQUET, Format.CSV), keep=kept))
    counted.execute("UPDATE changing SET n = 2")

    again = run(replace(a_request(query, Format.PARQUET, Format.CSV, dsn="host=127.0.0.1 port=1"), keep=kept))
    assert [f.sha256 for f in again] == [f.sha256 for f in first]

    other = run(replace(a_request("SELECT n FROM  changing", Format.PARQUET, Format.CSV), keep=kept))
    assert other[1].path.read_text() == "n\n2\n"


def test_a_report_whose_folder_for_extracts_is_gone_is_made_all_the_same(
    a_request: MakeRequest, counted: psycopg.Connection, tmp_path: Path
) -> None:
    """Another worker had removed it, and the report failed with PermissionError, charged."""
    del counted
    (tmp_path / "file").touch()
    asked = replace(a_request("SELECT n FROM changing", Format.JSONL, Format.CSV), keep=tmp_path / "file" / "kept")

    assert [file.rows for file in render_files(asked, lambda _: None)] == [1, 1]


def test_few_rows_are_kept_too(a_request: MakeRequest, run: Run, counted: psycopg.Connection, tmp_path: Path) -> None:
    kept, formats = tmp_path / "kept", (Format.JSONL, Format.XLSX)
    first = run(replace(a_request("SELECT n FROM changing", *formats), keep=kept))
    counted.execute("UPDATE changing SET n = 2")

    again = run(replace(a_request("SELECT n FROM changing", *formats, dsn="host=127.0.0.1 port=1"), keep=kept))
    assert [f.sha256 for f in again] == [f.sha256 for f in first]

    # What other formats need is not there, and the source is asked.
    [parquet] = run(replace(a_request("SELECT n FROM changing", Format.PARQUET), keep=kept))
    assert duckdb.connect().execute("FROM read_parquet(?)", [str(parquet.path)]).fetchall() == [(2,)]


def _of_titles(request: RenderRequest) -> RenderRequest:
    return replace(request, report=replace(request.report, csv=CsvOptions(header="titles")))


def _of_another_mark(request: RenderRequest) -> RenderRequest:
    return replace(request, report=replace(request.report, csv=CsvOptions(decimal_mark=",")))


def _without_a_column(request: RenderRequest) -> RenderRequest:
    return replace(
        request, report=replace(request.report, columns={"other": Column("other", "Other", required_scope="x:y")})
    )


def _of_two_queries(request: RenderRequest) -> RenderRequest:
    more = FurtherQuery("more", "More", "SELECT n FROM changing")
    return replace(request, report=replace(request.report, queries=(more,)))


def _with_figures(request: RenderRequest) -> RenderRequest:
    pdf = PdfOptions(figures=SummaryTable("figures", "", "SELECT count(*) AS many FROM report"))
    return replace(request, report=replace(request.report, pdf=pdf), figures=True)


@pytest.mark.parametrize("beside", [_of_titles, _of_another_mark, _without_a_column, _of_two_queries, _with_figures])
def test_a_csv_that_the_source_cannot_write_is_kept_as_others_are(
    a_request: MakeRequest,
    run: Run,
    counted: psycopg.Connection,
    tmp_path: Path,
    beside: Callable[[RenderRequest], RenderRequest],
) -> None:
    """What its process may reach and use is decided before, and must not take it for the source's own copy."""
    request = beside(replace(a_request("SELECT n, 1 AS other FROM changing", Format.CSV), keep=tmp_path / "kept"))
    first = run(request)
    counted.execute("UPDATE changing SET n = 2")
    assert request.keep is not None
    assert [one.name for one in request.keep.iterdir()] != []
    again = replace(request, scratch=request.scratch / "again")
    again.scratch.mkdir()
    assert [file.sha256 for file in run(again)] == [file.sha256 for file in first]


@pytest.mark.parametrize("damage", ["cells", "description", "half"])
def test_few_rows_that_are_not_whole_are_not_used(
    damage: str, a_request: MakeRequest, run: Run, counted: psycopg.Connection, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    run(replace(a_request("SELECT n FROM changing", Format.JSONL), keep=kept))
    about = kept / "extract.json"
    match damage:
        case "cells":
            told = json.loads(about.read_text())
            about.write_text(json.dumps({**told, "cells": [["7"]]}))
        case "description":
            about.write_text(about.read_text()[:-9])
        case "half":
            about.unlink()
    counted.execute("UPDATE changing SET n = 2")

    [file] = run(replace(a_request("SELECT n FROM changing", Format.JSONL), keep=kept))
    assert json.loads(file.path.read_text()) == {"n": 2}


@pytest.mark.parametrize("damage", ["rows", "description", "half", "gone"])
def test_an_extract_that_is_not_whole_is_not_used(
    damage: str, a_request: MakeRequest, run: Run, counted: psycopg.Connection, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    run(replace(a_request("SELECT n FROM changing", Format.PARQUET), keep=kept))
    rows, about = kept / "extract.parquet", kept / "extract.json"
    match damage:
        case "rows":
            rows.write_bytes(rows.read_bytes()[:-1] + b"x")
        case "description":
            about.write_text("{")
        case "half":
            about.unlink()
        case "gone":
            rows.unlink()
    counted.execute("UPDATE changing SET n = 2")

    [file] = run(replace(a_request("SELECT n FROM changing", Format.PARQUET), keep=kept))
    assert duckdb.connect().execute("FROM read_parquet(?)", [str(file.path)]).fetchall() == [(2,)]


def test_the_manifest_tells_what_the_files_stand_on(a_request: MakeRequest, run: Run) -> None:
    request = replace(a_request("SELECT n FROM generate_series(1, 3) AS n", Format.CSV, Format.JSONL), job_id="j")
    files = run(request)

    told = json.loads((request.scratch / "manifest.json").read_text())["manifest"]
    assert (told["jobId"], told["reportType"], told["source"]["rows"]) == ("j", "orders", 3)
    assert told["source"]["snapshot"]["takenAt"].endswith("Z")
    assert [(f["name"], f["sha256"], f["sizeBytes"]) for f in told["files"]] == [
        (f.name, f.sha256, f.size_bytes) for f in files
    ]
    assert {"python", "duckdb", "psycopg"} <= told["tools"].keys()


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A folder of files: two Parquet files and a CSV, and a secret beside it."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("word\ncanary\n")
    connection = duckdb.connect()
    for part in (1, 2):
        connection.execute(
            f"COPY (SELECT {part} AS part, range AS id, (range * 1.5)::DECIMAL(9, 2) AS amount, 'a,\"' || range AS t, "
            f"DATE '2026-01-0{part}' AS day, NULL::INT AS nothing, '' AS empty FROM range(3)) "
            f"TO '{folder}/orders-{part}.parquet'"
        )
    (folder / "names.csv").write_text("id,name\n0,zero\n1,one\n")
    return folder


def fresh(scratch: Path) -> Path:
    folder = scratch / "another"
    folder.mkdir()
    return folder


def over(
    folder: Path,
    query: str,
    scratch: Path,
    *parameters: Parameter,
    given: Mapping[str, object] | None = None,
    formats: tuple[Format, ...] = (Format.CSV,),
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> RenderRequest:
    report = ReportType("orders", "", "", "1", "files", query, formats, parameters=parameters, limits=limits)
    url = folder if isinstance(folder, str) else folder.as_uri()
    return RenderRequest(report, validate_parameters(report, given or {}), formats, url, scratch)


def test_files_answer_in_sql_with_bound_parameters(orders: Path, scratch: Path, run: Run) -> None:
    day = Parameter("day", ParameterKind.DATE, "")
    words = Parameter("words", ParameterKind.LIST, "", items=ParameterKind.STRING)
    query = """SELECT o.id, o.amount, o.t, o.day, o.nothing, o.empty, n.name -- :day
                 FROM 'orders-*.parquet' o LEFT JOIN 'names.csv' n USING (id)
                WHERE o.day >= :day AND list_contains(:words, o.t) ORDER BY o.id"""
    given = {"day": "2026-01-02", "words": ['a,"0', 'a,"2', "'; DROP TABLE x; --"]}

    text, table = run(over(orders, query, scratch, day, words, given=given, formats=(Format.CSV, Format.PARQUET)))

    assert text.path.read_text() == (
        'id,amount,t,day,nothing,empty,name\n0,0.00,"a,""0",2026-01-02,,"",zero\n2,3.00,"a,""2",2026-01-02,,"",\n'
    )
    described = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(table.path)]).fetchall()
    assert [type_ for _, type_, *_ in described] == [
        "BIGINT", "DECIMAL(9,2)", "VARCHAR", "DATE", "INTEGER", "VARCHAR", "VARCHAR",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    ["SELECT * FROM '../secret.csv'", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/etc/*')",
     "SELECT * FROM 'https://example.org/x.csv'", "SELECT nope FROM 'names.csv'", "SELECT * FROM 'missing.parquet'",
     "SELECT getenv('HOME')"],
)  # fmt: skip
def test_files_outside_are_out_of_reach(query: str, orders: Path, scratch: Path, run: Run) -> None:
    with pytest.raises(ReportError) as failure:
        run(over(orders, query, scratch))

    assert (failure.value.code, failure.value.retryable) == ("source_query_failed", False)
    assert "canary" not in str(failure.value)
    assert str(orders) not in str(failure.value)


@pytest.mark.parametrize(
    ("query", "told", "hint"),
    [
        ("SELECT *\n FROM 'names.csv' WHERE nam = 1", "in line 2 of query.sql: Binder Error: ", "DuckDB's SQL"),
        ("SELECT nam FROM 'names.csv'", 'Candidate bindings: "name"', "DuckDB's SQL"),
        ("SELECT * FROM 'sjis.csv'", "detected. This file is not utf-8 encoded (in sjis.csv).", "iconv -f CP932"),
        ("SELECT * FROM read_csv('sjis.csv', encoding = 'cp932')", 'support the encoding: "cp932"', "'utf-16'"),
        ("SELECT * FROM read_csv('torn.csv', header = true)", "Expected Number of Columns: 2 Found: 3", "DuckDB's SQL"),
        ("SELECT * FROM 'late.csv'", 'not convert string "x" to \'BIGINT\' (in late.csv)', "DuckDB's SQL"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_or_a_name_is_told_with_its_place(
    query: str, told: str, hint: str, orders: Path, scratch: Path, run: Run
) -> None:
    """Of a file in Shift_JIS, nothing was told but `CSV Error on Line: 1`."""
    (orders / "sjis.csv").write_bytes("番号,氏名\n1,山田\n".encode("cp932"))
    (orders / "torn.csv").write_text("a,b\n" + "1,2\n" * 30_000 + "3,4,5\n")
    (orders / "late.csv").write_text("a,b\n" + "1,2\n" * 30_000 + "x,2\n")
    with pytest.raises(ReportError) as failure:
        run(over(orders, query, scratch))

    assert told in str(failure.value)
    assert hint in failure.value.hint
    assert str(orders) not in str(failure.value)


def test_values_of_a_csv_are_those_that_read_csv_makes_of_it(orders: Path, scratch: Path, run: Run) -> None:
    """1.234 with thousands = '.' came out as 1.23, without a word."""
    (orders / "de.csv").write_text("n;v;w;d;t;b\n1;1.234;1.500,5;03/04/2024;2024.01.02 03.04;ja\n2;-2.500;,25;;;nein\n")
    query = """SELECT n, v, w, d, t FROM read_csv('de.csv', delim = ';', decimal_separator = ',', thousands = '.',
        dateformat = '%d/%m/%Y', timestampformat = '%Y.%m.%d %H.%M',
        types = {'v': 'DECIMAL(18, 2)', 'w': 'DOUBLE', 'd': 'DATE', 't': 'TIMESTAMP'}) ORDER BY n"""
    alone = "SELECT v FROM read_csv('de.csv', delim = ';', decimal_separator = ',', thousands = '.')"

    text, lines = run(over(orders, query.replace(" ORDER BY n", ""), scratch, formats=(Format.CSV, Format.JSONL)))
    assert text.path.read_text() == ("n,v,w,d,t\n1,1234.00,1500.5,2024-04-03,2024-01-02 03:04:00\n2,-2500.00,0.25,,\n")
    assert [json.loads(line)["v"] for line in lines.path.read_text().splitlines()] == [1234.00, -2500.00]
    [text] = run(over(orders, alone, fresh(scratch)))
    assert text.path.read_text() in {"v\n1234\n-2500\n", "v\n1234.0\n-2500.0\n"}


def test_files_have_limits_too(orders: Path, scratch: Path, run: Run) -> None:
    with pytest.raises(ReportError) as failure:
        run(over(orders, "SELECT * FROM range(100)", scratch, limits=Limits(max_rows=99)))
    assert failure.value.code == "row_limit_exceeded"
    wide = "SELECT repeat('x', 1000) AS t FROM range(5000)"
    with pytest.raises(ReportError) as failure:
        run(over(orders, wide, fresh(scratch), limits=Limits(max_mb=2)))
    assert failure.value.code == "byte_limit_exceeded"


def test_decimals_reach_a_query_over_files_with_every_digit(orders: Path, scratch: Path, run: Run) -> None:
    exact = Parameter("exact", ParameterKind.DECIMAL, "")
    many = Parameter("many", ParameterKind.LIST, "", items=ParameterKind.DECIMAL)
    query = "SELECT :exact AS e, :many AS m, :exact = 0.123456789012345 AS same"
    given = {"exact": "0.123456789012345", "many": ["12345678901234567890123456789012345678", "1"]}

    [file] = run(over(orders, query, scratch, exact, many, given=given))
    assert file.path.read_text() == ('e,m,same\n0.123456789012345,"[12345678901234567890123456789012345678,1]",t\n')


def test_a_row_of_files_that_fills_two_buffers_is_told(orders: Path, scratch: Path, run: Run) -> None:
    """Read through the pipe, it would arrive as other values, without a word."""
    query = "SELECT 'x' || repeat(chr(10), 33554500) AS t, NULL::VARCHAR AS u"
    roomy = Limits(timeout_s=60, memory_mb=2048)

    with pytest.raises(ReportError) as failure:
        run(over(orders, query, scratch, formats=(Format.PARQUET,), limits=roomy))
    assert failure.value.code == "row_too_long"


def test_an_s3_prefix_is_a_source(orders: Path, scratch: Path, bucket: str) -> None:
    for path in orders.glob("*.parquet"):
        boto3.client("s3").upload_file(str(path), bucket, f"exports/2026/{path.name}")
    report = ReportType("orders", "", "", "1", "files", "SELECT sum(id)::INT AS s FROM '2026/*.parquet'", (Format.CSV,))

    [file] = render_files(RenderRequest(report, {}, (Format.CSV,), f"s3://{bucket}/exports", scratch), lambda _: None)
    assert file.path.read_text() == "s\n6\n"


@pytest.mark.parametrize(
    ("url", "told"), [("", "no URL for it is set"), ("oracle://x", "URLs may begin with file, mariadb, postgres")]
)
def test_a_source_that_nobody_knows_is_told(url: str, told: str, scratch: Path, run: Run, orders: Path) -> None:
    with pytest.raises(ReportError) as failure:
        run(replace(over(orders, "SELECT 1", scratch), source_dsn=url))

    assert (failure.value.code, failure.value.retryable) == ("source_missing", True)
    assert told in str(failure.value)


def test_kept_extracts_leave_with_their_job(tmp_path: Path) -> None:
    kept = ExtractCache(tmp_path)
    for number in (1, 2):
        kept.folder(UUID(int=number)).mkdir(parents=True)
    kept.drop(UUID(int=2))
    assert not kept.folder(UUID(int=2)).exists()
    assert kept.job_ids() == [UUID(int=1)]


def test_keys_that_name_no_file_do_no_harm(scratch: Path, bucket: str, orders: Path) -> None:
    client = boto3.client("s3")
    client.upload_file(str(orders / "orders-1.parquet"), bucket, "in/a.parquet")
    for key in ("in/", "in/sub/", "in/back\\slash", "in/_SUCCESS", "in/x_$folder$"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    for prefix, query in (("in/", "'*.parquet'"), ("", "'in/*.parquet'")):
        request = over(f"s3://{bucket}/{prefix}", f"SELECT count(*)::INT AS n FROM {query}", fresh(scratch))  # type: ignore[arg-type]
        assert render_files(request, lambda _: None)[0].path.read_text() == "n\n3\n"
        (scratch / "another").rename(scratch / f"done{len(prefix)}")


@pytest.mark.parametrize(
    ("keys", "bucket_name", "code", "told"),
    [((), "", "source_query_failed", "no object"), (("in/x", "in/x/b"), "", "source_query_failed", "in a folder"),
     ((), "there-is-no-such-bucket", "source_unavailable", "did not answer")],
)  # fmt: skip
def test_an_s3_source_that_cannot_be_used_is_told(
    keys: tuple[str, ...], bucket_name: str, code: str, told: str, scratch: Path, bucket: str
) -> None:
    for key in keys:
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"x")

    with pytest.raises(ReportError) as failure:
        render_files(over(f"s3://{bucket_name or bucket}/in", "SELECT 1 AS n", scratch), lambda _: None)  # type: ignore[arg-type]
    assert failure.value.code == code
    assert told in str(failure.value)
