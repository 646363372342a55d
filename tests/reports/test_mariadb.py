"""A report on a real MariaDB shows the server's values, at one moment, and every value of a request is bound."""

import contextlib
import os
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import duckdb
import pymysql
import pytest

import deploy.sample
from deploy.local.processes import free_port
from shared.catalog.asker import Asker
from shared.catalog.load import load_catalog
from shared.catalog.mariadb_url import MariaDbUrl
from shared.catalog.parameter import Parameter, ParameterKind
from shared.catalog.shape import Shape
from shared.reports.interface import Progress, RenderCancelled
from shared.reports.process.confinement import Needs, confine
from shared.reports.process.seccomp import Sockets
from shared.reports.question import Question
from shared.reports.render import render_files
from shared.reports.sources import look
from shared.reports.sources.open import open_source
from tests.reports.conftest import MakeRequest, Render, a_report
from tests.reports.test_files import INJECTIONS
from tests.reports.test_sqlite import fed, lines, refusal
from tests.support import certificates, mariadb
from tests.support.eventually import eventually

ENDLESS = "SELECT count(*) AS n FROM seq_1_to_1000000 a, seq_1_to_1000000 b WHERE a.seq + b.seq = 3"
TYPES = {
    "id": "BIGINT UNSIGNED", "amount": "DECIMAL(20, 5)", "at": "DATETIME(6)", "since": "TIMESTAMP(3) NULL",
    "took": "TIME(2)", "year": "YEAR", "bits": "BIT(9)", "choice": "ENUM('x', 'y')", "many": "SET('p', 'q')",
    "doc": "JSON", "ratio": "DOUBLE", "day": "DATE", "code": "UUID", "flag": "BOOLEAN", "words": "TEXT",
    "small": "SMALLINT UNSIGNED", "huge": "DECIMAL(65, 0)",
}  # fmt: skip
VALUES = """(18446744073709551615, '123456789012345.12345', '2024-01-02 03:04:05.123456', '2024-01-02 03:04:05.5',
    '-838:59:59', 2024, b'100000001', 'y', 'p,q', '{"a": 1}', 0.1, '0001-01-01',
    '6ccd780c-baba-1026-9564-5b8c656024db', TRUE, 'héé 🛫', 65535, REPEAT('9', 65))"""


@pytest.fixture(scope="module")
def server() -> Iterator[mariadb.MariaDb]:
    """A server with a table of every type."""
    with mariadb.running() as one:
        columns = ", ".join(f"{name} {type_}" for name, type_ in TYPES.items())
        one.run(f"CREATE TABLE every ({columns}) DEFAULT CHARSET utf8mb4", f"INSERT INTO every VALUES {VALUES}")
        one.run("INSERT INTO every () VALUES ()")
        one.run("CREATE TABLE moments (id INT, word VARCHAR(50) COLLATE utf8mb4_unicode_ci)")
        one.run("INSERT INTO moments VALUES (1, 'é'), (2, NULL)")
        yield one


@pytest.fixture
def url(server: mariadb.MariaDb) -> str:
    return f"mariadb://reader:{quote(mariadb.PASSWORD, safe='')}@127.0.0.1:{server.port}/shop"


Rows = Callable[..., list[list[str]]]


@pytest.fixture
def rows(url: str, a_request: MakeRequest) -> Rows:
    """Renders a CSV in this process, and gives its lines."""

    def call(query: str, *parameters: Parameter, given: Mapping[str, object] | None = None, at: str = "",
             asker: Asker | None = None, shape: Shape | None = None) -> list[list[str]]:  # fmt: skip
        request = a_request(query, dsn=at or url)
        request = replace(request, report=replace(request.report, parameters=parameters), parameters=given or {})
        request = replace(request, asker=asker or request.asker, shape=shape or request.shape)
        return lines(render_files(request, lambda _: None))

    return call


def test_values_have_all_their_digits_in_every_type(make: Render, url: str) -> None:
    files = make(a_report("SELECT * FROM every ORDER BY id IS NULL"), formats="csv parquet", dsn=url)

    assert lines(files)[1:] == [
        ["18446744073709551615", "123456789012345.12345", "2024-01-02 03:04:05.123456", "2024-01-02 03:04:05.5+00",
         "-838:59:59", "2024", "257", "y", "p,q", '{"a": 1}', "0.1", "0001-01-01",
         "6ccd780c-baba-1026-9564-5b8c656024db", "1", "héé 🛫", "65535", "9" * 65],
        [""] * 3 + [""] + [""] * 13,
    ]  # fmt: skip
    described = duckdb.connect().execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(files[1].path)]).fetchall()
    assert [type_ for _, type_, *_ in described[:8]] == [
        "DECIMAL(20,0)", "DECIMAL(20,5)", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "SMALLINT", "BIGINT",
        "VARCHAR",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("CAST('x' AS BINARY)", "is binary, which no report can show: write HEX()"),
        ("POINT(1, 2)", "is a geometry: write ST_AsText()"),
        ("CAST('0000-00-00' AS DATE)", "holds '0000-00-00', which is not a day; write NULLIF(column, 0)"),
    ],
)
def test_what_no_report_can_show_is_refused(rows: Rows, column: str, words: str) -> None:
    assert words in refusal(lambda: rows(f"SELECT {column} AS c"))


@pytest.mark.parametrize("value", [*INJECTIONS, "`", "\\' OR 1=1 -- ", "#", "'; SELECT SLEEP(9); --"])
def test_a_parameter_is_a_value_whatever_it_holds(rows: Rows, value: str) -> None:
    words = Parameter("words", ParameterKind.STRING, "Words")
    many = Parameter("many", ParameterKind.LIST, "Many", items=ParameterKind.STRING)
    query = """SELECT :words AS words, CAST(:words AS CHAR) IN (:many) AS found, ':words' AS quoted, `word` AS `a?`
        FROM moments WHERE id = 1 -- :words ?"""

    [_, found] = rows(query, words, many, given={"words": value, "many": ["b", value]})
    assert found[0].removeprefix("'") == value.removeprefix("'")
    assert found[1:] == ["1", "':words"[1:], "é"]


@pytest.mark.parametrize("query", ["SELECT `:words` AS a", "SELECT 1 AS a # :words"])
def test_a_placeholder_within_what_mariadb_does_not_read_as_code_fails_and_harms_nothing(
    rows: Rows, query: str
) -> None:
    words = Parameter("words", ParameterKind.STRING, "Words")
    refusal(lambda: rows(query, words, given={"words": "x\n, (SELECT 2) `"}))


def test_every_kind_of_parameter_compares_as_its_column_does(rows: Rows) -> None:
    kinds = {"amount": "decimal", "day": "date", "since": "datetime", "flag": "boolean", "small": "integer",
             "word": "string"}  # fmt: skip
    parameters = [Parameter(name, ParameterKind(kind), name) for name, kind in kinds.items()]
    given = {"amount": "123456789012345.12345", "day": "0001-01-01", "since": "2024-01-02T12:04:05.500+09:00",
             "flag": True, "small": 65535, "word": "É"}  # fmt: skip
    query = """SELECT every.small FROM every JOIN moments ON moments.word = :word
                WHERE amount = :amount AND day = :day AND since = :since AND flag = :flag AND small = :small"""
    assert rows(query, *parameters, given=given)[1:] == [["65535"]]
    none = Parameter("none", ParameterKind.STRING, "None")
    ids = Parameter("ids", ParameterKind.LIST, "Ids", items=ParameterKind.INTEGER)
    query = "SELECT id FROM moments WHERE id IN (:ids) AND (:none IS NULL OR word = :none) ORDER BY id"
    assert rows(query, ids, none, given={"ids": [2, 1, 7]})[1:] == [["1"], ["2"]]
    assert rows(query, ids, none, given={"ids": []})[1:] == []


def test_the_asker_and_the_shape_of_the_answer(rows: Rows, server: mariadb.MariaDb) -> None:
    asker = Asker("acme", "ann")
    assert rows("SELECT :tenant AS t, :requester AS who", asker=asker)[1:] == [["acme", "ann"]]
    shape = Shape(columns=("id",), sort=("-id",), limit=1)
    assert rows("SELECT word, id FROM moments", shape=shape) == [["id"], ["2"]]
    tokyo = Shape(time_zone="Asia/Tokyo")
    assert "load its tables with mariadb-tzinfo-to-sql" in refusal(lambda: rows("SELECT 1 AS a", shape=tokyo))
    server.run(
        "REPLACE INTO mysql.time_zone VALUES (1, 'N')",
        "REPLACE INTO mysql.time_zone_name VALUES ('Asia/Tokyo', 1)",
        "REPLACE INTO mysql.time_zone_transition_type VALUES (1, 0, 32400, 0, 'JST')",
    )
    since = Parameter("since", ParameterKind.DATETIME, "Since")
    found = rows("SELECT since, DATE(since) AS day FROM every WHERE since >= :since", since, shape=tokyo,
                 given={"since": "2024-01-02T03:04:05.500Z"})  # fmt: skip
    assert found[1:] == [["2024-01-02 12:04:05.5+09", "2024-01-02"]]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * FROM missing", "Table 'shop.missing' doesn't exist"),
        ("SELECT missing FROM every", "Unknown column 'missing'"),
        ("SELECT id FROM every WHERE", "error in your SQL syntax"),
        ("WITH x AS (SELECT 1) DELETE FROM every", "error in your SQL syntax"),
        ("SELECT NEXTVAL(counter) AS n", "it tried to write"),
    ],
)
def test_a_wrong_query_is_told_in_mariadbs_words(rows: Rows, server: mariadb.MariaDb, query: str, words: str) -> None:
    server.run("CREATE OR REPLACE SEQUENCE counter")
    assert words in refusal(lambda: rows(query))


def test_all_readings_are_of_one_moment(server: mariadb.MariaDb, url: str, tmp_path: Path) -> None:
    server.run("CREATE OR REPLACE TABLE moving AS SELECT seq FROM seq_1_to_3")
    with open_source(url, Question(a_report("SELECT seq FROM moving ORDER BY seq"), {}), tmp_path) as source:
        server.run("DELETE FROM moving")
        assert [fed(source) for _ in range(2)] == [b"1\n2\n3\n"] * 2
        assert str(source.snapshot()["takenAt"]).endswith("Z")
        further = source.further(Question(a_report("SELECT sum(seq) AS total FROM moving"), {}))
        assert fed(further) == b"6\n"


def test_a_query_that_takes_too_long_is_told(make: Render, url: str) -> None:
    refusal(lambda: make(a_report("SELECT SLEEP(60) AS a", timeout_s=1), dsn=url), "source_timeout")
    refusal(lambda: make(a_report(ENDLESS, timeout_s=1), dsn=url), "source_timeout")


def test_a_cancelled_query_ends_at_the_server(make: Render, server: mariadb.MariaDb, url: str) -> None:
    cancel = threading.Event()
    running = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE %s AND id <> CONNECTION_ID()"

    def count() -> int:
        with contextlib.closing(server.admin()) as connection, connection.cursor() as cursor:
            cursor.execute(running, ["%SLEEP(301)%"])
            return int(cursor.fetchone()[0])

    class Seen(list[Progress]):
        def append(self, _: Progress) -> None:
            threading.Thread(target=self.wait).start()

        @staticmethod
        def wait() -> None:
            eventually(count)
            cancel.set()

    with pytest.raises(RenderCancelled):
        make(a_report("SELECT SLEEP(301) AS a"), dsn=url, cancel=cancel, seen=Seen())
    eventually(lambda: not count())


def test_limits_of_rows_and_bytes_hold(make: Render, url: str) -> None:
    many = "SELECT seq, REPEAT('x', 2000) AS words FROM seq_1_to_100000"
    refusal(lambda: make(a_report(many, max_rows=5_000), dsn=url), "row_limit_exceeded")
    refusal(lambda: make(a_report(many, max_mb=2), dsn=url), "byte_limit_exceeded")


def test_memory_does_not_depend_on_the_rows(url: str, tmp_path: Path) -> None:
    query = "SELECT seq, REPEAT('x', 2000) AS words FROM seq_1_to_20000"
    with open_source(url, Question(a_report(query), {}), tmp_path) as source, Path(os.devnull).open("wb") as out:
        tracemalloc.start()
        sent = source.feed(out.fileno(), lenient=False, longest=1 << 20, as_text=(), progress=lambda *_: None)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert (sent, source.sent_bytes > 40_000_000, most < 8_000_000) == (20_000, True, True)


def test_a_server_that_is_away_or_refuses(make: Render, url: str) -> None:
    away = f"mariadb://u:secret-canary@127.0.0.1:{free_port()}/x"
    refused = url.replace("reader:", "reader:secret-canary")
    for one in (away, refused):
        said = refusal(lambda one=one: make(a_report("SELECT 1 AS a"), dsn=one), "source_unavailable")  # type: ignore[misc]
        assert "secret-canary" not in said
        assert "secret-canary" not in (look.problem_of(one) or "secret-canary")
    assert look.problem_of(url) is None


CIPHER = "SELECT variable_value AS cipher FROM information_schema.session_status WHERE variable_name = 'SSL_CIPHER'"


@pytest.mark.parametrize(
    ("host", "options", "encrypted"),
    [("127.0.0.1", "disable", False), ("127.0.0.1", "require", True), ("localhost", "require", True),
     ("127.0.0.1", "verify-full&sslrootcert={own}", True), ("localhost", "verify-ca&sslrootcert={own}", True)],
)  # fmt: skip
def test_a_connection_is_encrypted_as_its_url_says(
    host: str, options: str, encrypted: bool, rows: Rows, url: str, server: mariadb.MariaDb
) -> None:
    at = f"{url.replace('127.0.0.1', host)}?sslmode={options.format(own=server.certificate)}"
    [_, [cipher]] = rows(CIPHER, at=at)
    assert bool(cipher) is encrypted


@pytest.mark.parametrize(
    ("host", "options"),
    [("localhost", "verify-full&sslrootcert={own}"), ("127.0.0.1", "verify-full&sslrootcert={other}"),
     ("127.0.0.1", "verify-ca&sslrootcert={other}"), ("127.0.0.1", "verify-full")],
)  # fmt: skip
def test_a_server_that_is_not_the_one_gets_no_password(
    host: str, options: str, make: Render, url: str, server: mariadb.MariaDb, tmp_path: Path
) -> None:
    other, _ = certificates.self_signed(tmp_path, "127.0.0.1")
    asked = options.format(own=server.certificate, other=other)
    dsn = f"{url.replace('127.0.0.1', host)}?sslmode={asked}"
    assert "certificate verify failed" in refusal(
        lambda: make(a_report("SELECT 1 AS a"), dsn=dsn), "source_unavailable"
    )


def test_a_server_without_tls_is_refused_where_it_is_required(make: Render, url: str, server: mariadb.MariaDb) -> None:
    """Also one that somebody between has made look so."""
    with stripping_tls(server.port) as port:
        dsn = f"{url.replace(str(server.port), str(port))}?sslmode=require"
        assert "SSL is required" in refusal(lambda: make(a_report("SELECT 1 AS a"), dsn=dsn), "source_unavailable")


@contextlib.contextmanager
def stripping_tls(port: int) -> Iterator[int]:
    """A port whose server greets as the one at `port` does, but offers no TLS."""

    def greet() -> None:
        with listener.accept()[0] as client, socket.create_connection(("127.0.0.1", port), 10) as real:
            greeting = bytearray(real.recv(4096))
            capabilities = greeting.index(b"\0", 5) + 1 + 4 + 8 + 1  # behind version, thread and salt
            greeting[capabilities + 1] &= ~0x08  # CLIENT_SSL, 0x0800
            client.sendall(greeting)
            client.settimeout(10)
            client.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_the_sample_of_a_shop_is_a_report(make: Render, url: str, server: mariadb.MariaDb) -> None:
    folder = Path(deploy.sample.__file__).parent / "other-sources"
    server.run("ALTER DATABASE shop CHARACTER SET utf8mb4")
    server.run(*(folder / "shop.sql").read_text().split(";\n")[:2])
    report = load_catalog(folder).types["shop-mariadb"]

    assert sum(int(row[-1]) for row in lines(make(report, dsn=url))[1:]) == 12_394_740


@pytest.mark.parametrize(
    ("url", "words"),
    [("mariadb://host/db", "write mariadb://"), ("mariadb://u@h/d?sslmode=x", "sslmode is one of"),
     ("mariadb://u@h/d?ssl=1", "ssl is not an option"), ("mariadb://u:p@h:port/d", "cannot be read")],
)  # fmt: skip
def test_a_url_that_cannot_be_read(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MariaDbUrl.of(url)


def test_a_childs_process_reaches_the_servers_port_only(
    url: str, a_request: MakeRequest, server: mariadb.MariaDb
) -> None:
    allowed, source = confine(Needs.of(a_request("SELECT 1 AS a", dsn=url.replace("127.0.0.1", "localhost"))))

    assert (allowed.sockets, allowed.ports) == (Sockets.TCP, [server.port])
    target = MariaDbUrl.of(source)
    assert (target.host, target.password, "127.0.0.1" in target.addresses) == ("localhost", mariadb.PASSWORD, True)


def test_a_role_that_may_write_cannot(url: str, tmp_path: Path) -> None:
    with open_source(url, Question(a_report("SELECT id FROM moments"), {}), tmp_path) as source:
        fed(source)
        connection = source._connection  # type: ignore[attr-defined]
        with connection.cursor() as cursor, pytest.raises(pymysql.MySQLError, match="READ ONLY"):
            cursor.execute("INSERT INTO every () VALUES ()")
