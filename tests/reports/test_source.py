"""One snapshot, a limited session, and for each kind of fault one code that says whether a retry may help."""

import contextlib
import csv
import io
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import psycopg
import pytest

from shared.catalog.model import Format, Limits, ReportType
from shared.reports import errors
from shared.reports.explain import explain
from shared.reports.interface import ReportError
from shared.reports.process import isolation
from shared.reports.process.isolation import Isolation
from shared.reports.question import Question
from shared.reports.render import render_files
from shared.reports.sources.postgres import PostgresResult, open_result
from shared.reports.stop import stop
from tests.reports.conftest import MakeRequest, Run
from tests.support.eventually import eventually
from tests.support.faults.tcp_proxy import Proxy


def failure(run: Callable[[], object]) -> ReportError:
    with pytest.raises(ReportError) as caught:
        run()
    return caught.value


def test_every_reading_sees_the_rows_of_the_first_whatever_is_committed_meanwhile(
    source_dsn: str, source: psycopg.Connection
) -> None:
    source.execute("CREATE TABLE orders AS SELECT n FROM generate_series(1, 3) AS n")
    report = ReportType("orders", "", "", "1", "default", "SELECT n FROM orders ORDER BY n", tuple(Format))

    def reading(result: PostgresResult) -> list[list[str]]:
        pieces: list[bytearray] = []
        result.write_csv(pieces.append, ["c1"], lambda _: None)
        return list(csv.reader(io.StringIO(b"".join(pieces).decode())))

    with open_result(source_dsn, Question(report, {})) as result:
        source.execute("INSERT INTO orders VALUES (4)")
        first = reading(result)
        source.execute("DELETE FROM orders WHERE n = 1")
        second = reading(result)

    assert first == second == [["1"], ["2"], ["3"]]


def test_the_session_is_bounded_and_speaks_iso_in_utc_whatever_the_role_prefers(
    source_dsn: str, source: psycopg.Connection
) -> None:
    for name, value in {"TimeZone": "Asia/Tokyo", "DateStyle": "German", "extra_float_digits": "-5"}.items():
        source.execute(f"ALTER ROLE CURRENT_USER SET {name} = '{value}'")
    names = (
        "statement_timeout", "lock_timeout", "client_connection_check_interval", "transaction_isolation",
        "transaction_read_only", "TimeZone", "extra_float_digits", "application_name",
    )  # fmt: skip
    columns = ", ".join(f"current_setting('{name}')" for name in names)
    report = ReportType(
        "r", "", "", "1", "default", f"SELECT {columns}, TIMESTAMPTZ '2026-11-23 00:00+09' AS t, 0.1::float8 + 0.2",
        tuple(Format), limits=Limits(timeout_s=100),
    )  # fmt: skip

    try:
        pieces: list[bytearray] = []
        with open_result(source_dsn, Question(report, {})) as result:
            every = [f"c{n}" for n, _ in enumerate(result.columns, 1)]
            result.write_csv(pieces.append, every, lambda _: None)
        [row] = csv.reader(io.StringIO(b"".join(pieces).decode()))
    finally:
        source.execute("ALTER ROLE CURRENT_USER RESET ALL")
    assert list(row[: len(names)]) == [
        "90s", "10s", "2s", "repeatable read", "on", "UTC", "1", "todoke-report",
    ]  # fmt: skip
    assert row[-2:] == ["2026-11-22 15:00:00+00", repr(0.1 + 0.2)]


@pytest.mark.parametrize("format_", Format)
def test_a_row_too_many_fails_the_report_and_the_last_one_allowed_does_not(
    format_: Format, a_request: MakeRequest, run: Run
) -> None:
    limits = Limits(timeout_s=60, max_rows=1_000)
    [file] = run(a_request("SELECT n FROM generate_series(1, 1000) AS n", format_, limits=limits))
    assert file.rows == 1_000

    error = failure(lambda: run(a_request("SELECT n FROM generate_series(1, 2000) AS n", format_, limits=limits)))
    assert (error.code, error.retryable) == ("row_limit_exceeded", False)
    assert "1,000" in str(error)


@pytest.mark.parametrize("format_", Format)
def test_a_query_that_takes_too_long_is_told_from_an_attempt_that_does(
    format_: Format, a_request: MakeRequest, run: Run
) -> None:
    request = a_request("SELECT pg_sleep(60)", format_, limits=Limits(timeout_s=1))

    error = failure(lambda: run(request, deadline_s=request.report.limits.timeout_s + 5))
    assert (error.code, error.retryable) == ("source_timeout", False)


@pytest.mark.parametrize("function", ["pg_terminate_backend", "pg_cancel_backend"])
def test_a_query_that_somebody_else_ended_may_be_tried_again(
    function: str, a_request: MakeRequest, run: Run, source: psycopg.Connection
) -> None:
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(run, a_request("SELECT pg_sleep(60)"))
        end = f"""SELECT {function}(pid) FROM pg_stat_activity
                   WHERE application_name = 'todoke-report' AND wait_event = 'PgSleep'"""
        eventually(lambda: source.execute(end).fetchall(), within_s=10)
        error = failure(lambda: future.result(20))

    assert (error.code, error.retryable) == ("source_unavailable", True)


def test_a_report_stopped_between_two_statements_asks_no_other(source_dsn: str) -> None:
    report = ReportType("r", "R", "", "1", "default", "SELECT 1 AS a", (Format.CSV,))
    with contextlib.suppress(psycopg.OperationalError), open_result(source_dsn, Question(report, {})) as result:
        stop()
        with pytest.raises(psycopg.OperationalError):
            result.write_csv(lambda _: None, ["c1"], lambda _: None)


def test_a_wrong_query_names_its_line(a_request: MakeRequest, run: Run) -> None:
    error = failure(lambda: run(a_request("-- orders\nSELECT 1 AS a,\n       nope AS b\n  FROM generate_series(1, 2)")))

    assert (error.code, error.retryable) == ("source_query_failed", False)
    assert str(error) == 'The report\'s query failed in line 3 of query.sql: column "nope" does not exist.'
    assert error.hint == "SQLSTATE 42703"


def test_the_sources_own_hint_is_passed_on(a_request: MakeRequest, run: Run) -> None:
    error = failure(lambda: run(a_request("SELECT lenght('x')")))

    assert "line 1" in str(error)
    assert error.hint.startswith("No function matches")


def test_a_table_that_is_not_found_is_told_what_may_hide_it(a_request: MakeRequest, run: Run) -> None:
    error = failure(lambda: run(a_request("SELECT * FROM nowhere")))

    assert "GRANT USAGE ON SCHEMA. (SQLSTATE 42P01)" in error.hint


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:canary@127.0.0.1:1/x",
        "postgresql://u:canary@no-such-host.invalid/x",
        "postgresql//u:canary@host/x",
        "host=127.0.0.1 password=canary nonsense=1",
        "{source} password=canary user=nobody-knows",
    ],
)
def test_a_source_that_cannot_be_reached_never_shows_its_password(
    dsn: str, source_dsn: str, a_request: MakeRequest, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = psycopg.conninfo.make_conninfo(source_dsn, user="nobody-knows", password="canary")
    error = failure(lambda: run(a_request("SELECT 1 AS a", dsn=wrong if "{source}" in dsn else dsn)))

    assert error.code in {"source_unavailable", "source_query_failed"}
    assert error.retryable == (error.code == "source_unavailable")
    assert "canary" not in f"{error} {error.hint} {caplog.text}"


@pytest.mark.parametrize("format_", [Format.CSV, Format.XLSX, Format.JSONL, Format.HTML])
def test_a_full_disk_is_trouble_that_passes(
    format_: Format, a_request: MakeRequest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "found", lambda: Isolation(0, seccomp=True))  # else no report may open it
    # No format makes it so small that all rows are read before the first byte is written.
    request = a_request(
        "SELECT repeat(md5(n::text), 2) || md5((-n)::text) AS t FROM generate_series(1, 100000) AS n", format_
    )
    (request.scratch / f"orders.{format_}").symlink_to("/dev/full")

    error = failure(lambda: run(request))
    assert (error.code, error.retryable) == ("scratch_full", True)


@pytest.mark.parametrize(
    ("state", "code", "retryable"),
    [
        ("40001", "source_unavailable", True),  # serialization failure, and conflict with recovery on a replica
        ("40P01", "source_unavailable", True),
        ("53300", "source_unavailable", True),
        ("53200", "source_unavailable", True),  # the server's memory, not ours
        ("55P03", "source_unavailable", True),
        ("57P01", "source_unavailable", True),
        ("57P03", "source_unavailable", True),
        ("58030", "source_unavailable", True),
        ("57014", "source_timeout", False),
        ("25P03", "source_timeout", False),
        ("42501", "source_query_failed", False),
        ("42P01", "source_query_failed", False),
        ("22012", "source_query_failed", False),
        ("25006", "source_query_failed", False),
        ("XX000", "source_query_failed", False),
    ],
)
def test_what_the_source_says_is_told_by_its_code(state: str, code: str, retryable: bool) -> None:
    error = explain(psycopg.errors.lookup(state)("out of memory"), Limits())

    assert (error.code, error.retryable) == (code, retryable)


def test_an_error_reaches_the_worker_as_it_was() -> None:
    sent = errors.cell_too_long("note", 1, 7, 40_000)
    received = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own

    assert (received.code, str(received), received.retryable, received.hint) == (
        sent.code, str(sent), sent.retryable, sent.hint,
    )  # fmt: skip


@pytest.mark.parametrize("when", ["before the rows", "between the rows"])
def test_a_connection_that_breaks_is_trouble_that_passes(when: str, source_dsn: str) -> None:
    parts = urlsplit(source_dsn)
    query = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    report = ReportType("r", "", "", "1", "default", query, tuple(Format))

    def read() -> None:
        with (
            Proxy(str(parts.hostname), int(parts.port or 5432)) as proxy,
            open_result(proxy.url(source_dsn), Question(report, {})) as result,
        ):
            if when == "before the rows":
                proxy.cut()
            result.write_csv(lambda _: proxy.cut(), ["c1"], lambda _: None)

    with pytest.raises(psycopg.Error) as failure:
        read()

    told = explain(failure.value, Limits())
    assert (told.code, told.retryable) == ("source_unavailable", True)


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.JSONL,)])
def test_a_query_that_breaks_off_says_nothing_but_its_error(
    formats: tuple[Format, ...], a_request: MakeRequest, caplog: pytest.LogCaptureFixture
) -> None:
    """psycopg would log a rollback that it cannot send in the middle of a COPY."""
    query = "SELECT repeat('x', 5000) AS t, 1 / (n - 5000) AS a FROM generate_series(1, 6000) n"
    with pytest.raises(psycopg.errors.DivisionByZero):
        render_files(a_request(query, *formats), lambda _: None)
    with pytest.raises(ReportError):
        render_files(a_request(query, *formats, limits=Limits(max_rows=1)), lambda _: None)

    assert not caplog.records
