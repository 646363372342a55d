"""A report on a SQLite file shows the file's values, exactly or not at all, and can only read."""

import contextlib
import csv
import io
import os
import re
import sqlite3
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

import deploy.sample
from shared.catalog.asker import Asker
from shared.catalog.load import load_catalog
from shared.catalog.model import ReportType
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.shape import Shape
from shared.catalog.source_role import SourceRole
from shared.reports.interface import Progress, RenderCancelled, RenderedFile, ReportError
from shared.reports.process.confinement import Needs, confine
from shared.reports.process.seccomp import Sockets
from shared.reports.question import Question
from shared.reports.render import render_files
from shared.reports.sources.open import open_source
from tests.reports.conftest import MakeRequest, Render, a_report
from tests.reports.test_files import INJECTIONS

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
SCHEMA = """
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount DECIMAL(10, 2), weight REAL, paid BOOLEAN,
                         day DATE, at DATETIME, since TIMESTAMPTZ, opens TIME, doc JSON, tenant TEXT, photo BLOB);
    INSERT INTO orders VALUES
        (9223372036854775807, 'héé, "x"', 12.5, 0.1, 1, '2026-01-31', '2026-01-31T09:30', '2026-01-31 09:30:00.5+09:00',
         '08:00', '{"a": [1]}', 'acme', NULL),
        (2, '', '7', 2, 0, '0001-01-01', '9999-12-31 23:59:59.999999', '2026-01-31T00:30:00Z', '08:00:30.25', 'null',
         'other', NULL),
        (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


class File:
    """A file of SQLite, and the URL of a source that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite://{path}"

    def writer(self) -> sqlite3.Connection:
        """A connection that may write."""
        return sqlite3.connect(self.path, isolation_level=None)


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A file with some orders."""
    made = File(tmp_path / "shop #1?.db")
    made.url = f"sqlite://{tmp_path}/shop%20%231%3F.db"
    made.writer().executescript(SCHEMA)
    return made


Rows = Callable[..., list[list[str]]]


@pytest.fixture
def rows(file: File, a_request: MakeRequest) -> Rows:
    """Renders a CSV in this process, which is quicker than in a child, and gives its lines."""

    def call(query: str, *parameters: Parameter, given: Mapping[str, object] | None = None, url: str = "",
             asker: Asker | None = None, shape: Shape | None = None) -> list[list[str]]:  # fmt: skip
        request = a_request(query, dsn=url or file.url)
        request = replace(request, report=replace(request.report, parameters=parameters), parameters=given or {})
        request = replace(request, asker=asker or request.asker, shape=shape or request.shape)
        return lines(render_files(request, lambda _: None))

    return call


def lines(files: tuple[RenderedFile, ...]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(files[0].path.read_bytes().decode(), newline="")))


def refusal(call: Callable[[], object], code: str = "source_query_failed") -> str:
    with pytest.raises(ReportError) as caught:
        call()
    assert caught.value.code == code, caught.value
    return f"{caught.value} {caught.value.hint}"


def test_values_are_told_as_their_declared_types_say(make: Render, file: File) -> None:
    query = """SELECT id, customer, amount, weight, paid, day, at, since, opens, doc, id / 2 AS half,
                      count(*) OVER () AS n FROM orders ORDER BY paid DESC, id"""
    files = make(a_report(query), formats="csv parquet", dsn=file.url)

    assert lines(files)[1:] == [
        ["9223372036854775807", 'héé, "x"', "12.50", "0.1", "t", "2026-01-31", "2026-01-31 09:30:00",
         "2026-01-31 00:30:00.5+00", "08:00:00", '{"a": [1]}', "4611686018427387903", "3"],
        ["2", "", "7.00", "2", "f", "0001-01-01", "9999-12-31 23:59:59.999999", "2026-01-31 00:30:00+00",
         "08:00:30.25", "null", "1", "3"],
        ["3", "", "", "", "", "", "", "", "", "", "1", "3"],
    ]  # fmt: skip
    described = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(files[1].path)]).fetchall()
    assert [type_ for _, type_, *_ in described] == [
        "BIGINT", "VARCHAR", "DECIMAL(10,2)", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE",
        "VARCHAR", "VARCHAR", "BIGINT", "BIGINT",
    ]  # fmt: skip


@pytest.mark.parametrize("formats", ["csv", "xlsx", "csv jsonl html parquet pdf"])
def test_every_format_is_made(make: Render, file: File, formats: str) -> None:
    seen: list[Progress] = []
    query = "SELECT id, customer, amount FROM orders ORDER BY id"
    made = make(a_report(query), formats=formats, dsn=file.url, seen=seen)

    assert [one.rows for one in made] == [3] * len(formats.split())
    assert max(one.percent or 0 for one in seen) <= 100


@pytest.mark.parametrize(
    ("declared", "value", "words"),
    [
        ("INTEGER", "'many'", "is of whole numbers, and holds TEXT 'many'"),
        ("BOOLEAN", "2", "is BOOLEAN: 0 or 1, and holds INTEGER '2'"),
        ("REAL", "'x'", "floating point"),
        ("DECIMAL(10, 2)", "0.1 + 0.2", "binary floating point number 0.30000000000000004"),
        ("DECIMAL(10, 2)", "'1e2x'", "is DECIMAL, and holds TEXT"),
        ("DECIMAL(10, 2)", "1.005", "1.005, which is not a DECIMAL(10, 2)"),
        ("DECIMAL(4, 2)", "100", "100, which is not a DECIMAL(4, 2)"),
        ("NUMERIC", "9e999", "binary floating point number inf"),
        ("DATE", "'2026-02-30'", "day is out of range"),
        ("DATE", "1769817600", "is DATE: texts such as 2026-01-31, and holds INTEGER"),
        ("DATE", "'2026-01-31 10:00'", "is DATE"),
        ("DATETIME", "'2026-01-31 10:00+09:00'", "declare it TIMESTAMPTZ"),
        ("DATETIME", "'2026-01-31 10:00:00.1234567'", "parts of a microsecond"),
        ("DATETIME", "2461071.5", "is of moments"),
        ("TIMESTAMPTZ", "'2026-01-31 10:00'", "is of instants"),
        ("TIME", "'25:00'", "hour must be in"),
        ("JSON", "'{'", "is JSON, and holds '{'"),
        ("JSON", "'NaN'", "is JSON"),
        ("TEXT", "x'00ff'", "holds a BLOB, which no report can show; write hex(column)"),
        ("BLOB", "x'00ff'", "holds a BLOB"),
        ("", "x''", "holds a BLOB"),
        ("TEXT", "CAST(x'ff' AS TEXT)", "bytes that are not UTF-8"),
    ],
)
def test_what_would_be_another_value_is_refused_with_its_row(
    rows: Rows, tmp_path: Path, declared: str, value: str, words: str
) -> None:
    other = File(tmp_path / "one.db")
    other.writer().executescript(f"CREATE TABLE t (c {declared}); INSERT INTO t VALUES (NULL), ({value})")

    said = refusal(lambda: rows("SELECT c FROM t", url=other.url))
    assert words in said
    assert "Row 2 " in said
    assert "'c'" in said


@pytest.mark.parametrize(
    ("number", "told"),
    [("0.1", "0.1"), ("1234567890.12345", "1234567890.12345"), ("-0.00001", "-0.00001"),
     ("1e20", "100000000000000000000"),
     ("99999999999999.9", "99999999999999.9"), ("0", "0"), ("9007199254740993", "9007199254740993"), ("-0.0", "0"),
     ("'12.50'", "12.5"), ("'123456789012345678901234567890'", ""), ("123456789.1234567", "")],
)  # fmt: skip
def test_a_decimal_of_fifteen_digits_is_exact(rows: Rows, tmp_path: Path, number: str, told: str) -> None:
    other = File(tmp_path / "one.db")
    other.writer().executescript(f"CREATE TABLE t (c DECIMAL); INSERT INTO t VALUES ({number})")

    if told:
        assert rows("SELECT c FROM t", url=other.url)[1] == [told]
    else:  # SQLite itself has made binary floating point of it
        assert "binary floating point" in refusal(lambda: rows("SELECT c FROM t", url=other.url))


def test_an_expression_is_what_its_first_rows_are(rows: Rows) -> None:
    assert rows("SELECT 1 + id * 0 AS a, 1.5 AS b, 'x' AS c, NULL AS d FROM orders WHERE id = 2")[1] == [
        "1",
        "1.5",
        "x",
        "",
    ]
    mixed = "SELECT x FROM (SELECT 1 AS x UNION ALL SELECT 1.5)"
    assert rows(mixed)[1:] == [["1"], ["1.5"]]
    late = ENDLESS + "SELECT CASE WHEN x < 3000 THEN x ELSE x + 0.5 END AS y FROM n LIMIT 3000"
    said = refusal(lambda: rows(late))
    assert "Row 3,000 of the report, column 'y': is of whole numbers, and holds REAL '3000.5'; write CAST" in said
    assert rows(late.replace("x ELSE", "CAST(x AS REAL) ELSE"))[3000] == ["3000.5"]


@pytest.mark.parametrize("value", INJECTIONS)
def test_a_parameter_is_a_value_whatever_it_holds(rows: Rows, value: str) -> None:
    words = Parameter("words", ParameterKind.STRING, "Words")
    many = Parameter("many", ParameterKind.LIST, "Many", items=ParameterKind.STRING)
    query = """SELECT :words AS words, (SELECT value FROM json_each(:many)) AS first, ':words' AS quoted -- :words
        FROM orders WHERE id = 2 /* :many */"""

    [_, found] = rows(query, words, many, given={"words": value, "many": [value, "b"]})
    assert [one.removeprefix("'") for one in found[:2]] == [value.removeprefix("'")] * 2
    assert found[2] == ":words"


def test_every_kind_of_parameter_compares_as_its_column_does(rows: Rows) -> None:
    kinds = {"least": "decimal", "day": "date", "since": "datetime", "paid": "boolean", "id": "integer"}
    parameters = [Parameter(name, ParameterKind(kind), name) for name, kind in kinds.items()]
    given = {"least": "12.50", "day": "2026-01-31", "since": "2026-01-31T09:30:00+09:00", "paid": True, "id": 3}
    query = """SELECT id FROM orders WHERE amount = :least AND amount + 0 >= :least AND day = :day
                  AND datetime(since) = :since AND paid = :paid AND id > :id"""

    assert rows(query, *parameters, given=given)[1:] == [["9223372036854775807"]]
    ids = Parameter("ids", ParameterKind.LIST, "Ids", items=ParameterKind.INTEGER)
    query = "SELECT id FROM orders WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY id"
    assert rows(query, ids, given={"ids": [3, 2, 7]})[1:] == [["2"], ["3"]]
    assert rows(query, ids, given={"ids": []})[1:] == []
    too_fine = {**given, "least": "12345678901234567.12"}
    said = refusal(
        lambda: rows("SELECT :least AS a, :day AS b, :since AS c, :paid AS d, :id AS e", *parameters, given=too_fine)
    )
    assert ":least: SQLite has no decimals of more than 15 digits" in said


def test_the_asker_and_the_shape_of_the_answer(rows: Rows) -> None:
    asker = Asker("acme", "ann")
    assert rows("SELECT id, :requester AS who FROM orders WHERE tenant = :tenant", asker=asker)[1:] == [
        ["9223372036854775807", "ann"]
    ]
    shape = Shape(time_zone="Asia/Tokyo", columns=("since", "id"), sort=("-id",), limit=2)
    assert rows("SELECT id, since FROM orders ORDER BY id", shape=shape) == [
        ["since", "id"], ["2026-01-31 09:30:00.5+09", "9223372036854775807"], ["", "3"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM missing", "no such table: missing"),
        ("SELECT missing FROM orders", "no such column: missing"),
        ("SELECT id FROM orders WHERE", "incomplete input"),
        ("WITH x AS (SELECT 1) DELETE FROM orders", "syntax error"),
        ("SELECT load_extension('x')", "not authorized"),
        ("SELECT * FROM pragma_table_info('orders')", "not authorized"),
        ("SELECT ?1 AS a", "parameter :1"),
        ("SELECT @a AS a", ":a"),
    ],
)
def test_a_wrong_query_is_told_in_sqlites_words(rows: Rows, file: File, query: str, words: str) -> None:
    said = refusal(lambda: rows(query))
    assert words in said
    assert str(file.path.parent) not in said
    assert file.writer().execute("SELECT count(*) FROM orders").fetchone() == (3,)


@pytest.mark.parametrize(
    "statement",
    ["ATTACH ':memory:' AS x", "PRAGMA journal_mode = DELETE", "INSERT INTO orders (id) VALUES (7)", "ROLLBACK",
     "CREATE TEMP TABLE t (a)", "PRAGMA query_only = OFF", "VACUUM INTO '/tmp/x'", "SELECT load_extension('x')"],
)  # fmt: skip
def test_the_session_can_do_nothing_but_read(file: File, tmp_path: Path, statement: str) -> None:
    with open_source(file.url, Question(a_report("SELECT id FROM orders"), {}), tmp_path) as source:
        connection = source._connection  # type: ignore[attr-defined]
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute(statement)
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (3,)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_confined_child_reads_beside_a_writer_and_writes_no_file(make: Render, file: File, mode: str) -> None:
    writer = file.writer()
    writer.execute(f"PRAGMA journal_mode = {mode}")
    writer.execute("INSERT INTO orders (id) VALUES (10)")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO orders (id) VALUES (11)")
    before = {path.name: path.stat().st_mtime_ns for path in file.path.parent.glob("shop*")}

    (made,) = make(a_report("SELECT count(*) AS n FROM orders"), dsn=file.url)
    assert lines((made,))[1] == ["4"]
    assert {path.name: path.stat().st_mtime_ns for path in file.path.parent.glob("shop*")} == before
    writer.execute("COMMIT")


def test_all_readings_are_of_one_moment(file: File, tmp_path: Path) -> None:
    writer = file.writer()
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("DELETE FROM orders WHERE id = 3")
    with open_source(file.url, Question(a_report("SELECT id FROM orders ORDER BY id"), {}), tmp_path) as source:
        writer.execute("DELETE FROM orders")
        readings = [fed(source) for _ in range(2)]
    assert readings == [b"2\n9223372036854775807\n"] * 2
    assert source.snapshot()["id"] is None


def fed(source: Any) -> bytes:
    reader, descriptor = os.pipe()
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor
        source.feed(descriptor, lenient=False, longest=1 << 20, as_text=(), progress=lambda *_: None)
        os.close(descriptor)
        return pipe.read()


def test_a_link_and_an_immutable_file(make: Render, file: File, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "link.db").symlink_to(file.path)
    for url in (f"sqlite://{folder}/link.db", f"{file.url}?immutable=1"):
        assert lines(make(a_report("SELECT count(*) AS n FROM orders"), dsn=url))[1] == ["3"]


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [
        ("sqlite://{folder}/none.db", "source_unavailable", "The file is missing or may not be read"),
        ("sqlite://{folder}", "source_unavailable", "SQLite says: disk I/O error"),
        ("sqlite://{folder}/text.db", "source_query_failed", "file is not a database"),
        ("sqlite://relative.db", "source_missing", "three slashes"),
        ("sqlite://{folder}/shop.db?mode=rwc", "source_missing", "immutable=1 is the only option"),
        ("sqlite://{folder}/closed.db", "source_unavailable", "WAL mode and nobody has it open"),
    ],
)
def test_a_file_that_cannot_be_read(make: Render, tmp_path: Path, url: str, code: str, words: str) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be taken for one" * 100)
    closed = sqlite3.connect(tmp_path / "closed.db")
    closed.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
    closed.close()

    said = refusal(lambda: make(a_report("SELECT 1 AS a FROM sqlite_schema"), dsn=url.format(folder=tmp_path)), code)
    assert words in said


def test_a_file_that_another_program_holds_is_tried_again(
    file: File, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.reports.sources.sqlite._BUSY_S", 0.1)
    holder = file.writer()
    holder.execute("BEGIN EXCLUSIVE")

    assert "database is locked" in refusal(lambda: rows("SELECT id FROM orders"), "source_unavailable")
    holder.execute("ROLLBACK")


def test_a_query_that_takes_too_long_is_told(make: Render, file: File) -> None:
    report = a_report(ENDLESS + "SELECT count(*) AS n FROM n", timeout_s=1)

    refusal(lambda: make(report, dsn=file.url, deadline_s=60), "source_timeout")


def test_a_cancelled_query_ends(make: Render, file: File) -> None:
    cancel = threading.Event()

    class Seen(list[Progress]):
        def append(self, _: Progress) -> None:
            cancel.set()

    with pytest.raises(RenderCancelled):
        make(a_report(ENDLESS + "SELECT count(*) AS n FROM n"), dsn=file.url, cancel=cancel, seen=Seen())


def test_limits_of_rows_and_bytes_hold(make: Render, file: File) -> None:
    many = ENDLESS + "SELECT x, hex(zeroblob(1000)) AS long FROM n"
    refusal(lambda: make(a_report(many, max_rows=5_000), dsn=file.url), "row_limit_exceeded")
    refusal(lambda: make(a_report(many, max_mb=2), dsn=file.url), "byte_limit_exceeded")
    refusal(lambda: make(a_report("SELECT hex(zeroblob(5000000)) AS long"), dsn=file.url), "row_too_long")


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("traced")
def test_memory_does_not_depend_on_the_rows(file: File, tmp_path: Path) -> None:
    query = ENDLESS + "SELECT x, hex(zeroblob(1000)) AS long FROM n LIMIT 20000"
    with open_source(file.url, Question(a_report(query), {}), tmp_path) as source, Path(os.devnull).open("wb") as out:
        sent = source.feed(out.fileno(), lenient=False, longest=1 << 20, as_text=(), progress=lambda *_: None)
    assert (sent, source.sent_bytes > 40_000_000) == (20_000, True)
    assert tracemalloc.get_traced_memory()[1] < 8_000_000


def test_roles_are_postgresqls(file: File, rows: Rows, a_request: MakeRequest) -> None:
    request = a_request("SELECT id FROM orders", dsn=file.url)
    report: ReportType = replace(request.report, role=SourceRole(pattern="tenant_{tenant}"))
    asked = replace(request, report=report, asker=Asker("acme", "ann"))

    assert "only PostgreSQL sources have roles" in refusal(
        lambda: render_files(asked, lambda _: None), "source_role_refused"
    )
    assert re.match(r"\d", rows("SELECT id FROM orders")[1][0])


def test_a_childs_process_reads_the_file_and_its_journals_and_opens_no_socket(
    file: File, a_request: MakeRequest
) -> None:
    allowed, source = confine(Needs.of(a_request("SELECT 1 AS a", dsn=file.url)))

    assert source == file.url
    assert {path for path in allowed.readable if path.startswith(str(file.path.parent))} == {
        f"{file.path}{journal}" for journal in ("", "-wal", "-shm", "-journal")
    }
    assert (allowed.sockets, allowed.ports) == (Sockets.NONE, [])


def test_the_sample_of_a_shop_is_a_report(make: Render, file: File) -> None:
    folder = Path(deploy.sample.__file__).parent / "other-sources"
    with contextlib.closing(file.writer()) as writer:
        writer.executescript((folder / "shop.sql").read_text())
    report = load_catalog(folder).types["shop-sqlite"]

    rows, items = make(report, {"from": "2025-12-01"}, dsn=file.url), make(report, dsn=file.url)[1]
    assert {row[1][:7] for row in lines(rows)[1:]} == {"2025-12"}
    assert sum(int(row[-1]) for row in lines((items,))[1:]) == 12_394_740
